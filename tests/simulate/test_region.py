"""A region is repeatable, whole and varied."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import ndimage

from pipelines import legend, schema
from pipelines.simulate import RegionSpec, simulate_region, to_cube


def digest(region):
    state = hashlib.sha256()
    for scene in region.acquisitions:
        for band in sorted(scene.bands):
            state.update(band.encode() + scene.bands[band].tobytes())
    for truth in (region.land_cover, region.change, region.change_epoch):
        state.update(truth.tobytes())
    return state.hexdigest()


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    small = {"size": 64, "num_dates": 4}
    first, again, other = (simulate_region(RegionSpec(seed=seed, **small)) for seed in (5, 5, 6))
    assert digest(first) == digest(again)
    assert [scene.id for scene in first.acquisitions] == [scene.id for scene in again.acquisitions]
    assert digest(first) != digest(other)


def test_every_date_has_both_sensors_within_two_days(region):
    for group in ("s2", "s1"):
        assert sum(scene.group == group for scene in region.acquisitions) == 12
    optical = [scene.time for scene in region.acquisitions if scene.group == "s2"]
    radar = [scene.time for scene in region.acquisitions if scene.group == "s1"]
    lags = [abs((a - b).total_seconds()) / 86_400 for a, b in zip(optical, radar, strict=True)]
    assert max(lags) < 2.5
    times = [scene.time for scene in region.acquisitions]
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_native_arrays_have_the_sensors_types_and_sizes(region):
    for scene in region.acquisitions:
        if scene.group == "s1":
            assert {band: plane.shape for band, plane in scene.bands.items()} == {"VV": (256, 256), "VH": (256, 256)}
            assert all(plane.dtype == np.float32 for plane in scene.bands.values())
            continue
        assert scene.bands["B02"].shape == (256, 256)
        assert scene.bands["B11"].shape == scene.bands["SCL"].shape == (128, 128)
        assert scene.bands["B09"].shape == (43, 43)
        assert scene.bands["SCL"].dtype == np.uint8
        assert all(plane.dtype == np.uint16 for band, plane in scene.bands.items() if band != "SCL")


def test_class_shares_vary_and_every_class_is_there(clear_regions, region):
    shares = np.array(
        [[(r.land_cover == code).mean() for code in legend.LAND_COVER_CODES] for r in (*clear_regions, region)]
    )
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert (shares >= 0.01).all()
    assert (shares.max(axis=1) < 0.5).all()
    assert shares.std(axis=0).min() > 0.002


def test_a_settlement_is_only_partly_roofs_and_roads(clear_regions):
    """Gardens and trees count as built-up: in June 25 to 60 % of its pixels are green."""
    for region in clear_regions:
        index = greenness(region, month=6)
        inside = ndimage.binary_erosion(region.land_cover == 50, iterations=2) & (region.change == 0)
        assert 0.2 < (index[inside] > 0.4).mean() < 0.6


def greenness(region, *, month):
    scene = next(s for s in region.acquisitions if s.group == "s2" and s.time.month == month)
    offset = 0 if scene.offset_applied else 1000
    red, infrared = (scene.bands[band].astype(np.float32) - offset for band in ("B04", "B08"))
    return (infrared - red) / np.maximum(infrared + red, 1)


def test_cube_form_meets_the_schema_and_holds_the_packed_steps(region):
    cube = to_cube(region)
    for group, dataset in cube.items():
        schema.check(dataset, group)
    reflectance = cube["s2"]["reflectance"].to_numpy()
    seen = reflectance[np.isfinite(reflectance)].astype(np.float64)
    steps = np.rint(seen / schema.PACKED_SCALE)
    assert np.array_equal((steps * schema.PACKED_SCALE).astype(np.float32), seen.astype(np.float32))
    assert 0.4 < cube["s2"]["valid"].to_numpy().mean() < 0.95


def test_a_20_m_band_repeats_in_blocks_and_a_10_m_band_does_not(region):
    cube = to_cube(region)["s2"]["reflectance"]
    clear = int(np.isfinite(cube.to_numpy()).all(axis=(1, 2, 3)).argmax())
    shortwave, red = (cube.isel(time=clear).sel(band=band).to_numpy() for band in ("B11", "B04"))
    assert np.array_equal(shortwave[::2, ::2], shortwave[1::2, 1::2])
    assert not np.array_equal(red[::2, ::2], red[1::2, 1::2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 60}, "multiple of 8"),
        ({"seed": -1}, "non-negative"),
        ({"epsg": 32731}, "northern UTM"),
        ({"resolution": 20.0}, "10 m"),
        ({"start": datetime(2021, 1, 1, tzinfo=UTC)}, "2022-01-25"),
        ({"num_dates": 3}, "at least 4 dates"),
        ({"cloud_cover": (0.5, 0.2)}, "order it"),
        ({"num_changes": (5, 2)}, "order it"),
    ],
)
def test_a_spec_that_cannot_be_simulated_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        RegionSpec(**{"seed": 1, **change})
