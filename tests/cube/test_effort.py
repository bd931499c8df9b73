"""What a build is foreseen to cost, against what it then reads and writes."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from made_scenes import FIRST, GRID, scene_of, write_raster

from catalogs import Asset, SceneSet
from pipelines.cube import BuildOptions, CubeError, build_cube
from pipelines.cube.acquisition import acquisitions
from pipelines.cube.coregister import CoregisterOptions
from pipelines.cube.effort import Effort, Rates, effort_of_date, effort_of_raster
from pipelines.cube.forecast import forecast_cube
from pipelines.cube.usage import disk_usage

SIDE = 1024
WIDE = dataclasses.replace(GRID, width=SIDE, height=SIDE)
TRANSFORM = (10.0, 0.0, GRID.x_min, 0.0, -10.0, GRID.y_max)


def asset(**facts):
    known = {"band": "B04", "href": "/x.tif", "epsg": GRID.epsg, "data_type": "uint16"}
    return Asset(**(known | {"shape": (SIDE, SIDE), "transform": TRANSFORM, "size_bytes": 1_000_000} | facts))


def raster(**facts):
    found = asset(**facts)
    return effort_of_raster(scene_of("s", [found]), found, WIDE, Rates())


def test_a_raster_that_fills_the_grid_is_read_whole():
    found = raster()
    assert (found.bytes_read, found.pixels_copied, found.pixels_warped) == (1_000_000, SIDE * SIDE, 0)
    assert (found.requests, found.bytes_remote) == (0, 0)


def test_of_a_larger_raster_the_tiles_under_the_grid_are_read():
    whole = raster(shape=(10980, 10980), size_bytes=200_000_000)
    assert 200_000_000 * (SIDE / 10980) ** 2 <= whole.bytes_read <= 200_000_000 * ((SIDE + 512) / 10980) ** 2 * 1.01


def test_a_raster_beside_the_grid_costs_its_opening_alone():
    far = raster(transform=(10.0, 0.0, GRID.x_min + 1e6, 0.0, -10.0, GRID.y_max))
    assert far == Effort(rasters=1, core_seconds=Rates().open_s)


@pytest.mark.parametrize(
    "facts",
    [{"epsg": 32632}, {"transform": (10.0, 0.0, GRID.x_min + 3, 0.0, -10.0, GRID.y_max)}, {"epsg": None}],
    ids=["next zone", "half a pixel beside", "not said"],
)
def test_what_stands_on_another_lattice_is_warped(facts):
    found = raster(**facts)
    assert (found.pixels_copied, found.pixels_warped) == (0, SIDE * SIDE)
    assert found.core_seconds > raster().core_seconds


@pytest.mark.parametrize("side", [5.0, 2.5, 20.0])
def test_what_is_averaged_or_repeated_is_not_warped(side):
    found = raster(transform=(side, 0.0, GRID.x_min - 200.0, 0.0, -side, GRID.y_max), shape=(8 * SIDE, 8 * SIDE))
    assert (found.pixels_copied, found.pixels_warped) == (SIDE * SIDE, 0)


def test_remote_files_take_requests_and_the_network():
    found = raster(href="https://host/x.tif")
    assert found.requests > 0
    assert found.bytes_remote == found.bytes_read


@pytest.mark.parametrize(
    ("stated", "usual"), [("cint16", "int32"), ("cfloat32", "float64"), ("other", "uint16"), ("uint12", "uint16")]
)
def test_types_that_only_an_item_knows_are_foreseen_too(stated, usual):
    silent = {"size_bytes": None}
    assert raster(data_type=stated, **silent) == raster(data_type=usual, **silent)


def test_efforts_add_up():
    one, two = raster(), raster(href="https://host/x.tif", shape=(2 * SIDE, SIDE))
    total = one + two
    for field in dataclasses.fields(Effort):
        assert getattr(total, field.name) == getattr(one, field.name) + getattr(two, field.name)


def made_scene(folder, name, day):
    rng = np.random.default_rng(day)
    smooth = np.add.outer(np.arange(SIDE) * 2, np.arange(SIDE)) + 800
    assets = []
    for band in ("B02", "B04", "B08"):
        pixels = (smooth + rng.normal(0, 60, (SIDE, SIDE))).clip(1, 9000).astype("uint16")
        path = write_raster(
            folder / name / f"{band}.tif",
            pixels,
            nodata=0,
            tiled=True,
            compress="deflate",
            predictor=2,
            blockxsize=512,
            blockysize=512,
        )
        size = Path(path).stat().st_size
        assets.append(asset(band=band, href=path, size_bytes=size, nodata=0))
    facts = {"offset_applied": True, "platform": "sentinel-2a"}
    return scene_of(name, assets, time=FIRST + timedelta(days=day), **facts)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return tuple(made_scene(folder, f"s{day}", day) for day in (0, 5, 10))


def test_a_forecast_is_what_the_build_then_does(tmp_path, scenes):
    options = BuildOptions(num_threads=2, chunk=256)
    found = SceneSet(scenes=scenes)
    forecast = forecast_cube(found, WIDE, tmp_path / "cube", options=options)
    assert not (tmp_path / "cube").exists()
    told = []
    build_cube(found, WIDE, tmp_path / "cube", options=options, on_progress=told.append)
    assert forecast.dates == {"s2": 3}
    assert forecast.effort.scenes == 3
    assert forecast.num_units == told[-1].total
    assert forecast.effort.bytes_read == sum(Path(a.href).stat().st_size for s in scenes for a in s.assets)
    written = disk_usage(tmp_path / "cube").newest_bytes
    assert forecast.effort.bytes_stored / 2 < written < forecast.effort.bytes_stored * 2


def test_what_the_cube_holds_costs_nothing(tmp_path, scenes):
    options = BuildOptions(num_threads=2, chunk=256)
    build_cube(SceneSet(scenes=scenes[:2]), WIDE, tmp_path / "cube", options=options)
    forecast = forecast_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "cube", options=options)
    assert (forecast.effort.scenes, forecast.num_settled) == (1, 2)
    build_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "cube", options=options)
    assert forecast_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "cube", options=options).effort == Effort()


def test_what_the_build_refuses_the_forecast_refuses(tmp_path, scenes):
    build_cube(SceneSet(scenes=scenes[:1]), WIDE, tmp_path / "cube", options=BuildOptions(chunk=256))
    with pytest.raises(CubeError, match="width"):
        forecast_cube(SceneSet(scenes=scenes), GRID, tmp_path / "cube", options=BuildOptions())
    moved_back = BuildOptions(coregister=CoregisterOptions(action="correct"))
    with pytest.raises(CubeError, match="all moved back or none is"):
        forecast_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "cube", options=moved_back)
    with pytest.raises(CubeError, match="must hold one unit"):
        forecast_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "new", options=BuildOptions(memory=10**8))


def test_thousands_of_items_are_foreseen_one_by_one():
    bands = tuple(f"B{number:02d}" for number in range(1, 9))
    scenes = [
        scene_of(f"s{n}", [asset(band=band) for band in bands], time=FIRST + timedelta(hours=n)) for n in range(300)
    ]
    dates = acquisitions(scenes, "s2")
    total = sum((effort_of_date(date, bands, WIDE, Rates()) for date in dates), Effort())
    assert (total.dates, total.scenes, total.rasters) == (300, 300, 2400)
