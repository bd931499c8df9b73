"""What pixels say of an offset: limit cases, made-up scenes with a known convention, and real ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.physics.band_floor import band_floor
from pipelines.physics.pixels import PixelSample, find_offset, offset_of, verdict_of

NUM = 4000
VEGETATION, BARE, WATER, CLOUD, SNOW = 4, 5, 6, 9, 11


def sample(bands, classes=None, *, offset=0, missing=None):
    dn = {band: (np.asarray(values) + offset).astype("uint16") for band, values in bands.items()}
    missing = np.zeros(NUM, dtype=bool) if missing is None else missing
    return PixelSample(
        dn=dn,
        valid=dict.fromkeys(dn, ~missing),
        classes=None if classes is None else np.asarray(classes, dtype="uint8"),
    )


def spread(rng, mean, sd, num=NUM):
    return np.clip(np.rint(rng.normal(mean, sd, num)), 1, 20000)


def land(seed=0):
    """Steps of reflectance over crops, bare fields and a lake, and their classes."""
    rng = np.random.default_rng(seed)
    classes = rng.choice([VEGETATION, BARE, WATER], NUM, p=[0.5, 0.4, 0.1])
    means = {
        "B02": {VEGETATION: 350, BARE: 800, WATER: 400},
        "B04": {VEGETATION: 400, BARE: 1200, WATER: 250},
        "B11": {VEGETATION: 1800, BARE: 2600, WATER: 60},
        "B12": {VEGETATION: 900, BARE: 2100, WATER: 40},
    }
    bands = {
        band: np.select(
            [classes == name for name in by_class], [spread(rng, mean, 0.12 * mean) for mean in by_class.values()]
        )
        for band, by_class in means.items()
    }
    return bands, classes


def even(value, sd, seed=0):
    rng = np.random.default_rng(seed)
    return {band: spread(rng, value, sd) for band in ("B02", "B04", "B11", "B12")}


def test_an_ordinary_scene_is_told_either_way():
    bands, classes = land()
    assert find_offset(sample(bands, classes)).convention == "taken_out"
    assert find_offset(sample(bands, classes, offset=1000)).convention == "left_in"


def test_without_a_classification_only_dark_numbers_decide():
    bands, _ = land()
    assert find_offset(sample(bands)).convention == "taken_out"
    left = find_offset(sample(bands, offset=1000))
    assert left.convention == "undecided"
    assert "no scene classification" in left.because


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize(
    ("bands", "scl"),
    [
        (even(6500, 900), CLOUD),
        (even(1250, 60), CLOUD),  # fog: its floor stands at 1000 without any offset
        ({**even(8500, 300), "B11": spread(np.random.default_rng(1), 1300, 90)}, SNOW),  # fresh snow
        (even(2600, 500), BARE),  # bright desert
        (even(1250, 60), BARE),  # fog that the classification took for fields
        (even(2400, 150), VEGETATION),  # haze over fields
    ],
)
def test_bright_scenes_are_said_to_be_undecidable(bands, scl, offset):
    found = find_offset(sample(bands, np.full(NUM, scl), offset=offset))
    assert found.convention == "undecided"
    assert found.because


def test_legal_negative_reflectance_does_not_look_like_no_offset():
    bands, classes = land()
    noisy = {band: values + 1000.0 for band, values in bands.items()}
    water = classes == WATER
    for band in ("B11", "B12"):  # a third of the lake a few thousandths below 0
        noisy[band][water] = np.random.default_rng(2).normal(1010, 25, water.sum())
    assert find_offset(sample(noisy, classes)).convention == "left_in"
    noisy["B02"][:60] = 300.0  # 1.5 % of defective edge
    assert find_offset(sample(noisy, classes)).convention == "undecided"


def test_a_snow_field_without_an_offset_is_dark_beyond_one_micrometre():
    bands = {**even(8500, 300), "B11": spread(np.random.default_rng(1), 500, 90)}
    assert find_offset(sample(bands, np.full(NUM, SNOW))).convention == "taken_out"


@pytest.mark.parametrize(("offset", "expected"), [(0, "taken_out"), (1000, "left_in")])
def test_level_1c_is_told_by_the_cirrus_band(offset, expected):
    rng = np.random.default_rng(3)
    bands = {"B02": spread(rng, 1250, 80), "B04": spread(rng, 1300, 150), "B10": spread(rng, 15, 4)}
    assert find_offset(sample(bands, offset=offset)).convention == expected


def test_cirrus_hides_the_offset_of_level_1c():
    rng = np.random.default_rng(3)
    bands = {"B02": spread(rng, 2250, 80), "B04": spread(rng, 2300, 150), "B10": spread(rng, 1300, 200)}
    assert find_offset(sample(bands)).convention == "undecided"


def test_missing_pixels_are_not_looked_at():
    bands, classes = land()
    missing = np.zeros(NUM, dtype=bool)
    missing[:1500] = True
    holes = {band: np.where(missing, 0, values + 1000) for band, values in bands.items()}
    assert find_offset(sample(holes, classes, missing=missing)).convention == "left_in"
    none = find_offset(sample(holes, classes, missing=np.ones(NUM, dtype=bool)))
    assert none.convention == "no_pixels"
    assert none.floors["B02"].num_valid == 0
    assert none.to_dict()["bands"]["B02"]["min_dn"] is None


def test_few_pixels_decide_nothing():
    bands, classes = land()
    missing = np.arange(NUM) >= 399
    assert find_offset(sample(bands, classes, missing=missing)).convention == "undecided"


def test_floor_of_known_numbers():
    floor = band_floor(np.arange(1, 1102))
    assert (floor.num_valid, floor.min_dn) == (1101, 1.0)
    assert (floor.p1_dn, floor.p50_dn) == (12.0, 551.0)
    assert floor.below_share == pytest.approx(999 / 1101)
    assert floor.far_below_share == pytest.approx(699 / 1101)
    assert floor.just_above_share == pytest.approx(100 / 1101)


@pytest.mark.parametrize(
    ("convention", "offset_dn", "verdict"),
    [
        ("left_in", -1000, "agrees"),
        ("left_in", 0, "contradicts"),
        ("taken_out", 0, "agrees"),
        ("taken_out", -1000, "contradicts"),
        ("taken_out", -500, "undecided"),
        ("undecided", 0, "undecided"),
        ("no_pixels", -1000, "no_pixels"),
    ],
)
def test_verdicts(convention, offset_dn, verdict):
    assert verdict_of(convention, offset_dn) == verdict


def test_offset_that_the_pixels_ask_for():
    assert [offset_of(c) for c in ("left_in", "taken_out", "undecided", "no_pixels")] == [-1000, 0, None, None]


def test_a_sample_holds_the_same_places_in_every_band():
    with pytest.raises(ValueError, match="same places"):
        PixelSample(dn={"B02": np.ones(3)}, valid={"B02": np.ones(4, dtype=bool)})
    with pytest.raises(ValueError, match="same places"):
        PixelSample(dn={"B02": np.ones(3)}, valid={})


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    haze=st.floats(0.0, 0.4),
    cloud=st.floats(0.0, 1.0),
    missed=st.floats(0.0, 0.15),
    offset=st.sampled_from([0, 1000]),
)
def test_no_weather_makes_a_wrong_verdict(seed, haze, cloud, missed, offset):
    rng = np.random.default_rng(seed)
    bands, classes = land(seed)
    airlight = {"B02": 2600, "B04": 1800, "B11": 600, "B12": 400}
    covered = rng.random(NUM) < cloud
    seen = {}
    for band, values in bands.items():
        through = values * (1 - 0.7 * haze) + airlight[band] * haze
        seen[band] = np.where(covered, rng.normal(6000, 800, NUM), through)
    classes = np.where(covered & (rng.random(NUM) >= missed), CLOUD, classes)
    found = find_offset(sample(seen, classes, offset=offset))
    assert found.convention in ("undecided", "left_in" if offset else "taken_out")


def real_sample(folder, offset):
    item = json.loads((folder / f"{folder.name}.json").read_text())
    dn, valid, classes = {}, {}, None
    for asset in item["assets"].values():
        name = asset["bands"][0]["name"]
        with rasterio.open(folder / asset["href"]) as file:
            values = file.read(1).ravel()
        if name == "SCL":
            classes = values
        elif name in ("B02", "B04", "B11", "B12"):
            valid[name] = (values != asset["nodata"]) & (values != 0)
            dn[name] = np.where(valid[name], values + np.uint16(offset), values)
    return PixelSample(dn=dn, valid=valid, classes=classes)


@pytest.mark.parametrize("offset", [0, 1000])
def test_real_scenes_are_never_judged_wrongly(shared_data, offset):
    """The Belgian scenes hold no offset; with 1000 added to every number they are those of the other convention."""
    right, undecided = 0, 0
    for folder in sorted((shared_data / "catalog/sentinel-2-l2a").glob("S2-*")):
        found = find_offset(real_sample(folder, offset)).convention
        assert found in ("undecided", "no_pixels", "left_in" if offset else "taken_out"), folder.name
        right += found in ("left_in", "taken_out")
        undecided += found in ("undecided", "no_pixels")
    assert right + undecided == 42
    assert right == (2 if offset else 17)  # with an offset only the two clear dates have classes and a SWIR band
