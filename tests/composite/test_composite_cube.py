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
from pipelines.composite import CompositeOptions, Weights, block_image, composite_cube
from pipelines.composite.period import period_of
from pipelines.composite.plan import DateFacts, PlannedComposite, plan_composites, stale_composites
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.failures import parse_failures
from pipelines.cube.store import open_store
from pipelines.grid import Block, TargetGrid
from pipelines.schema import GROUP_SPECS, Reason

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


@pytest.mark.parametrize("coordinate", ["shift_y_m", "coregistration", "radiometric_evidence", "processing"])
def test_a_date_that_changed_in_anything_is_composed_anew(cube, tmp_path, coordinate):
    _cube_of(cube[2], tmp_path / "cube")
    composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    with open_store(tmp_path / "cube").run("another") as run:
        draft = run.begin()
        array = draft.root[f"s2/{coordinate}"]
        values = array[...]
        values[4] = 3.0 if coordinate == "shift_y_m" else json.dumps({"S2-20210430": {"notes": ["another"]}})
        array[...] = values
        draft.publish("another version of the last date", {})
    again = composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    assert again.written == {"s2": 1}


def test_what_could_not_be_read_is_told_by_scene(cube, tmp_path):
    _cube_of(cube[2], tmp_path / "cube")
    failures = [{"band": "B02", "href": "a", "fault": "damaged", "cause": "cut off", "blocks": [[0, 0, 32, 32]]}]
    with open_store(tmp_path / "cube").run("another") as run:
        draft = run.begin()
        array = draft.root["s2/read_failures"]
        array[...] = np.array([*(json.dumps({str(n): failures}) for n in range(2)), "", "", ""], dtype=object)
        draft.publish("failures", {})
    composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    told = open_cube(tmp_path / "months").read_failures.to_numpy()
    assert [failure.scene_id for failure in parse_failures(str(told[0]))] == ["0", "1"]
    assert told[1] == ""


def test_composites_of_other_bands_are_refused(cube, tmp_path):
    composite_cube(cube[0], tmp_path / "months", options=CompositeOptions())
    other = _cube_of(cube[2], tmp_path / "cube", bands_s2=("B04", "B02"))
    with pytest.raises(CubeError, match=r"share the bands of s2, .* has \['B02', 'B04'\], the cube \['B04', 'B02'\]"):
        composite_cube(other, tmp_path / "months", options=CompositeOptions())


def test_a_cube_of_an_older_schema_is_refused(cube, tmp_path):
    _cube_of(cube[2][:1], tmp_path / "cube")
    with open_store(tmp_path / "cube").run("older") as run:
        draft = run.begin()
        draft.root.attrs["schema_version"] = "1.0"
        draft.publish("as it was", {})
    with pytest.raises(CubeError, match="ringmoe store migrate"):
        composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())


def test_the_attribution_grows_with_the_cube(cube, tmp_path):
    for count, line in ((2, "one"), (5, "two")):
        scenes = SceneSet(scenes=cube[2][:count], attribution=(line,))
        build_cube(scenes, GRID, tmp_path / "cube", options=BuildOptions(chunk=32))
        composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    assert open_cube(tmp_path / "months").attrs["attribution"].splitlines() == ["one", "two"]


@pytest.mark.parametrize("method", ["best-pixel", "median", "medoid", "mean"])
def test_strips_do_not_show(cube, tmp_path, monkeypatch, method):
    options = CompositeOptions(method=method, weights=Weights(reach_px=12))
    composite_cube(cube[0], tmp_path / "whole", options=options)
    monkeypatch.setattr(block_image, "READ_BYTES", 7_000)
    monkeypatch.setattr(block_image, "STRIP_BYTES", 2_000)
    composite_cube(cube[0], tmp_path / "strips", options=options)
    one, two = open_cube(tmp_path / "whole"), open_cube(tmp_path / "strips")
    xr.testing.assert_identical(one.drop_attrs().compute(), two.drop_attrs().compute())


@pytest.mark.parametrize("method", ["best-pixel", "median"])
def test_many_dates_cost_no_more_memory(monkeypatch, method):
    import tracemalloc

    import zarr

    monkeypatch.setattr(block_image, "READ_BYTES", 2**19)
    monkeypatch.setattr(block_image, "STRIP_BYTES", 2**17)
    side, peaks = 64, []
    wide = dataclasses.replace(GRID, width=side, height=side)
    for num_dates in (10, 70):
        group = zarr.create_group(store={}).create_group("s2")
        for name, dtype, bands in (("reflectance", "int16", (4,)), ("reason", "uint16", ()), ("valid", "bool", ())):
            shape = (num_dates, *bands, side, side)
            chunks = (*(1 for _ in shape[:-2]), side, side)
            group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=dtype == "bool")
        time = [datetime(2021, 1, 1, tzinfo=UTC)] * num_dates
        composite = PlannedComposite(
            period=period_of(time[0], "year"), members=tuple(range(num_dates)), times=tuple(time), record=""
        )
        options = CompositeOptions(method=method, weights=Weights(reach_px=20))
        work = block_image.GroupWork(source=group, grid=wide, spec=GROUP_SPECS["s2"], options=options)
        tracemalloc.start()
        image = block_image.block_image(work, composite, Block(row=0, col=0, height=side, width=side))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert int(image.num_valid.min()) == num_dates
    assert peaks[1] < 1.5 * peaks[0], peaks  # seven times the dates


def test_other_options_are_refused(cube, tmp_path):
    composite_cube(cube[0], tmp_path / "months", options=CompositeOptions())
    with pytest.raises(CubeError, match="share composite"):
        composite_cube(cube[0], tmp_path / "months", options=CompositeOptions(period="year"))


def test_a_cube_without_dates_has_no_composites(tmp_path):
    from pipelines.cube.store import create_store

    create_store(tmp_path / "empty")
    with pytest.raises(CubeError, match="a cube with dates"):
        composite_cube(tmp_path / "empty", tmp_path / "months", options=CompositeOptions())


def test_a_period_that_has_no_date_any_more_goes(cube, tmp_path):
    folder, scenes = cube[1], cube[2]
    early = scene(folder, datetime(2021, 1, 9, 10, 50, tzinfo=UTC), seed=77)
    build_cube(SceneSet(scenes=(early, *scenes)), GRID, tmp_path / "cube", options=BuildOptions(chunk=32))
    made = composite_cube(tmp_path / "cube", tmp_path / "months", options=CompositeOptions())
    assert made.dates == {"s2": 3}
    # the cube is built anew without January and without April
    left = composite_cube(_cube_of(scenes[:3], tmp_path / "anew"), tmp_path / "months", options=CompositeOptions())
    assert (left.dates, left.written) == ({"s2": 1}, {"s2": 0})
    composite_cube(tmp_path / "anew", tmp_path / "fresh", options=CompositeOptions())
    one, two = open_cube(tmp_path / "months"), open_cube(tmp_path / "fresh")
    xr.testing.assert_equal(one.drop_attrs().compute(), two.drop_attrs().compute())


def _cube_of(scenes, uri, **options):
    build_cube(SceneSet(scenes=tuple(scenes)), GRID, uri, options=BuildOptions(chunk=32, **options))
    return uri


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), max_size=12, unique=True), st.sampled_from(["month", "10d", "year"]))
def test_only_what_changed_is_planned(days, period):
    options = CompositeOptions(period=period)
    facts = [DateFacts(time_us=day * 86_400_000_000, identity=str(day)) for day in sorted(days)]
    planned = plan_composites(facts, options, method="median")
    assert sum(len(each.members) for each in planned) == len(facts)
    assert plan_composites(facts, options, method="median") == planned
    assert stale_composites(planned, [each.time_us for each in planned]) == frozenset()
    if facts:
        changed = [dataclasses.replace(facts[0], identity="another"), *facts[1:]]
        again = plan_composites(changed, options, method="median")
        (only,) = [new for new, old in zip(again, planned, strict=True) if new.record != old.record]
        assert 0 in only.members
        rest = plan_composites(
            [fact for index, fact in enumerate(facts) if index not in only.members], options, method="median"
        )
        assert stale_composites(rest, [each.time_us for each in planned]) == {only.time_us}
