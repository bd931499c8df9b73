"""Composites as a cube of their own, against composites made of what the readers of the cube see."""

import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rioxarray  # noqa: F401 gives datasets their .rio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import Asset, Scene, SceneSet
from pipelines.composite import CompositeOptions, Weights, composite_cube
from pipelines.composite.plan import DateFacts, plan_composites
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.store import open_store
from pipelines.grid import TargetGrid
from pipelines.schema import Reason

GRID = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=70, height=45)
DATES = [datetime(2021, month, day, 10, 50, tzinfo=UTC) for month, day in ((3, 2), (3, 12), (3, 22), (4, 1), (4, 30))]


def write(path, pixels, nodata=None):
    import rasterio
    from affine import Affine

    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"height": GRID.height, "width": GRID.width, "count": 1, "dtype": pixels.dtype}
    options = {"crs": "EPSG:32631", "transform": Affine(*GRID.transform), "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
        file.write(pixels, 1)
    return str(path)


def scene(folder, time, *, seed, version=""):
    rng = np.random.default_rng(seed)
    name = f"S2-{time:%Y%m%d}{version}"
    bands = {band: rng.integers(100, 6000, GRID.shape).astype("uint16") for band in ("B02", "B04")}
    bands["B02"][:3, :5] = 0
    bands["B04"][:3, :5] = 0
    scl = np.full(GRID.shape, 4, "uint8")
    scl[:3, :5] = 0
    row, col = rng.integers(0, 30), rng.integers(0, 40)
    scl[row : row + 14, col : col + 22] = 9
    assets = [Asset(band=band, href=write(folder / name / f"{band}.tif", px, 0)) for band, px in bands.items()]
    assets.append(Asset(band="SCL", href=write(folder / name / "SCL.tif", scl)))
    facts = {"offset_applied": True, "platform": "sentinel-2a", "processing_baseline": "05.09"}
    return Scene(
        id=name,
        collection="sentinel-2-l2a",
        sensor="sentinel-2-msi",
        time=time,
        time_start=time,
        time_end=time,
        footprint=GRID.footprint_wgs84(),
        assets=tuple(assets),
        **facts,
    )


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cube")
    scenes = tuple(scene(folder, time, seed=index) for index, time in enumerate(DATES))
    build_cube(SceneSet(scenes=scenes), GRID, folder / "cube", options=BuildOptions(chunk=32))
    return folder / "cube", folder, scenes


@pytest.mark.parametrize("method", ["best-pixel", "median", "medoid", "first-valid"])
def test_composites_are_those_of_the_dates_that_readers_see(cube, tmp_path, method):
    options = CompositeOptions(method=method, weights=Weights(reach_px=12))
    result = composite_cube(cube[0], tmp_path / "months", options=options)
    assert result.dates == {"s2": 2}
    dates, made = open_cube(cube[0]), open_cube(tmp_path / "months")
    for index, members in enumerate(([0, 1, 2], [3, 4])):
        values = dates.reflectance.isel(time=members).to_numpy()
        valid = dates.valid.isel(time=members).to_numpy()
        image, seen = made.reflectance.isel(time=index).to_numpy(), valid.any(axis=0)
        np.testing.assert_array_equal(made.valid.isel(time=index).to_numpy(), seen)
        clear = np.where(valid[:, None], values, np.nan)
        if method == "median":
            with np.errstate(all="ignore"):
                expected = np.nanmedian(clear[:, :, seen], axis=0)
            np.testing.assert_allclose(image[:, seen], expected, atol=0.51e-4)  # half a step of storage
        elif method == "first-valid":
            first = np.take_along_axis(values, valid.argmax(axis=0)[None, None], axis=0)[0]
            np.testing.assert_array_equal(image[:, seen], first[:, seen])
        else:  # one of the clear observations, whole
            assert (np.isclose(clear, image[None], atol=1e-6).all(axis=1).any(axis=0) == seen).all()


def test_chunks_do_not_show(cube, tmp_path):
    folder, scenes = cube[1], cube[2]
    build_cube(SceneSet(scenes=scenes), GRID, tmp_path / "whole", options=BuildOptions(chunk=512))
    options = CompositeOptions(method="best-pixel", weights=Weights(reach_px=20))
    first = composite_cube(cube[0], tmp_path / "small", options=options, num_threads=3)
    second = composite_cube(tmp_path / "whole", tmp_path / "large", options=options, num_threads=1)
    assert first.dates == second.dates
    one, two = open_cube(tmp_path / "small"), open_cube(tmp_path / "large")
    xr.testing.assert_equal(one.drop_attrs().compute(), two.drop_attrs().compute())
    assert folder.exists()


def test_what_no_date_shows_clearly_keeps_its_value_and_its_reason(cube, tmp_path):
    composite_cube(cube[0], tmp_path / "days", options=CompositeOptions(period="1d"))
    dates, made = open_cube(cube[0]), open_cube(tmp_path / "days")
    assert made.sizes["time"] == len(DATES)
    for name in ("valid", "reason", "reflectance"):
        np.testing.assert_array_equal(made[name].to_numpy(), dates[name].to_numpy())
    hidden = (dates.reason.to_numpy() & int(Reason.CLOUD)) != 0
    assert hidden.any()
    assert np.isfinite(made.reflectance.to_numpy()[:, 0][hidden]).all()


def test_a_composite_says_what_it_is_made_of(cube, tmp_path):
    composite_cube(cube[0], tmp_path / "months", options=CompositeOptions())
    made = open_cube(tmp_path / "months")
    assert made.time.to_numpy().astype("datetime64[s]").tolist() == [
        datetime(2021, 3, 16, 12, 0),  # noqa: DTZ001 numpy has no zones
        datetime(2021, 4, 16, 0, 0),  # noqa: DTZ001
    ]
    assert made.scene_ids.to_numpy()[0].split() == ["S2-20210302", "S2-20210312", "S2-20210322"]
    record = json.loads(str(made.processing.to_numpy()[0]))
    assert record["composite"] == {"method": "median", "period": "month"}
    assert len(record["members"]) == 3
    assert set(json.loads(str(made.radiometric_evidence.to_numpy()[0]))) == set(made.scene_ids.to_numpy()[0].split())
    plain = xr.open_zarr(open_store(tmp_path / "months").read(), group="s2", consolidated=False, decode_coords="all")
    assert plain.rio.crs.to_epsg() == 32631
    assert plain.num_valid.dtype == np.uint16
    assert int(plain.num_valid.max()) == 3


def test_a_second_build_writes_nothing_and_a_new_date_its_own_period_alone(cube, tmp_path):
    folder, scenes = cube[1], cube[2]
    build_cube(SceneSet(scenes=scenes[:4]), GRID, tmp_path / "cube", options=BuildOptions(chunk=32))
    first = composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    again = composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    assert again.ref == first.ref
    assert again.written == {"s2": 0}
    early = scene(folder, datetime(2021, 1, 9, 10, 50, tzinfo=UTC), seed=77)
    build_cube(SceneSet(scenes=(early, *scenes)), GRID, tmp_path / "cube", options=BuildOptions(chunk=32))
    later = composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    assert later.written == {"s2": 2}  # January and April; March stands
    whole = composite_cube(tmp_path / "cube", tmp_path / "anew", options=CompositeOptions())
    assert whole.written == {"s2": 3}
    one, two = open_cube(tmp_path / "months"), open_cube(tmp_path / "anew")
    xr.testing.assert_equal(one.drop_attrs().compute(), two.drop_attrs().compute())


def test_other_options_are_refused(cube, tmp_path):
    composite_cube(cube[0], tmp_path / "months", options=CompositeOptions())
    with pytest.raises(CubeError, match="share composite"):
        composite_cube(cube[0], tmp_path / "months", options=CompositeOptions(period="year"))


def test_a_cube_without_dates_has_no_composites(tmp_path):
    from pipelines.cube.store import create_store

    create_store(tmp_path / "empty")
    with pytest.raises(CubeError, match="a cube with dates"):
        composite_cube(tmp_path / "empty", tmp_path / "months", options=CompositeOptions())


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), max_size=12, unique=True), st.sampled_from(["month", "10d", "year"]))
def test_only_what_changed_is_planned(days, period):
    options = CompositeOptions(period=period)
    facts = [DateFacts(time_us=day * 86_400_000_000, identity=str(day)) for day in sorted(days)]
    planned = plan_composites(facts, options, method="median", stored={})
    assert sum(len(each.members) for each in planned) == len(facts)
    stored = {each.time_us: each.record for each in planned}
    assert plan_composites(facts, options, method="median", stored=stored) == ()
    if facts:
        changed = [dataclasses.replace(facts[0], identity="another"), *facts[1:]]
        (only,) = plan_composites(changed, options, method="median", stored=stored)
        assert 0 in only.members
