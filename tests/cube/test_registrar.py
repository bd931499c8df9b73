"""Scenes written beside their place are measured, refused or moved back."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from made_scenes import GRID, optical_scene
from pyproj import Transformer

from catalogs import Asset, SceneSet
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.coregister import CoregisterOptions, Registration
from pipelines.cube.load import Plane
from pipelines.cube.plane import overruled
from pipelines.cube.raster_geometry import geometry_of
from pipelines.cube.registrar import NO_REFERENCE
from pipelines.cube.registration import moved_plane, of_band, reference_of_source, registered
from pipelines.cube.resampling import RasterHeader, choose_resampling
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block
from pipelines.physics.shift import Shift, ShiftOptions

SIZE = 200
WIDE = dataclasses.replace(GRID, width=SIZE, height=SIZE)
SMALL = ShiftOptions(window_px=96, max_windows=16)


def ground(*, east_m=0.0, north_m=0.0, scale=10.0):
    """Digital numbers of a landscape of blobs, moved on the ground without interpolation."""
    rng = np.random.default_rng(11)
    side = round(SIZE * 10 / scale)
    y, x = ((np.mgrid[0:side, 0:side] + 0.5) * scale).astype(np.float64)
    image = np.full((side, side), 2500.0)
    for _ in range(300):
        row_m, col_m, radius_m = *rng.uniform(0, SIZE * 10, 2), rng.uniform(25, 80)
        squared = (y - row_m + north_m) ** 2 + (x - col_m - east_m) ** 2
        image += rng.uniform(-1500, 1500) * np.exp(-squared / (2 * radius_m**2))
    return np.clip(image, 1, 9000).round().astype("uint16")


def source_of(folder, name, **shift):
    bands = {"B04": ground(**shift), "B11": ground(**shift, scale=20.0)[: SIZE // 2, : SIZE // 2]}
    scene = optical_scene(folder, name, bands={"B04": bands["B04"]})
    coarse = optical_scene(folder, name, bands={"B11": bands["B11"]}, size=20.0)
    scene = dataclasses.replace(scene, assets=(*scene.assets, *coarse.assets))
    return prepare(scene, group="s2", bands=("B04", "B11"), grid=WIDE, chunk=SIZE)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    source = source_of(tmp_path_factory.mktemp("reference"), "first")
    found = reference_of_source(source, "s2", CoregisterOptions(shift=SMALL))
    assert found.band == "B04"
    assert found.usable_share == 1.0
    return found


@pytest.mark.parametrize(("east_m", "north_m"), [(0.0, 0.0), (7.0, -4.0), (-23.0, 12.5)])
def test_a_planted_shift_is_measured_in_metres(tmp_path, reference, east_m, north_m):
    source = source_of(tmp_path, "late", east_m=east_m, north_m=north_m)
    seen = registered(source, "s2", reference, CoregisterOptions(shift=SMALL)).registration
    assert (seen.shift_x_m, seen.shift_y_m) == pytest.approx((east_m, north_m), abs=0.3)
    assert seen.record["reference"] == "first"
    assert not seen.applied


def test_the_gate_refuses_what_lies_too_far(tmp_path, reference):
    options = CoregisterOptions(action="gate", shift=SMALL)
    near = source_of(tmp_path, "near", east_m=3.0)
    assert registered(near, "s2", reference, options).registration.shift_x_m == pytest.approx(3.0, abs=0.3)
    with pytest.raises(Skipped, match=r"within 5 m of first, far lies \+8\.\d m east") as refused:
        registered(source_of(tmp_path, "far", east_m=8.0), "s2", reference, options)
    assert refused.value.reason == "misregistered"
    wide = dataclasses.replace(options, max_shift_m=10.0)
    assert registered(source_of(tmp_path, "far", east_m=8.0), "s2", reference, wide).registration.length_m > 7


def test_a_corrected_scene_lies_on_the_reference(tmp_path, reference):
    source = source_of(tmp_path, "late", east_m=7.0, north_m=-4.0)
    options = CoregisterOptions(action="correct", shift=SMALL)
    mended = registered(source, "s2", reference, options)
    assert mended.registration.applied
    block = reference.patches[0].block
    truth = ground().astype(float)[block.slices]
    before, after = (each.read(block).values[0] for each in (source, mended))
    inner = (slice(8, -8), slice(8, -8))
    error_before = np.abs(before[inner] - truth[inner]).mean()
    error_after = np.abs(after[inner] - truth[inner]).mean()
    assert error_after < 0.1 * error_before
    again = registered(dataclasses.replace(mended, registration=None), "s2", reference, CoregisterOptions(shift=SMALL))
    assert again.registration.length_m < 0.3
    assert any("resampled from another pixel grid" in note for note in mended.evidence["notes"])


def test_what_cannot_be_told_is_let_through_and_said(tmp_path, reference):
    flat = optical_scene(tmp_path, "flat", bands={"B04": np.full((SIZE, SIZE), 3000, "uint16")})
    source = prepare(flat, group="s2", bands=("B04", "B11"), grid=WIDE, chunk=SIZE)
    for action in ("measure", "gate", "correct"):
        seen = registered(source, "s2", reference, CoregisterOptions(action=action, shift=SMALL)).registration
        assert math.isnan(seen.shift_x_m)
        assert seen.record["shift_x_m"] is None
        assert "must be usable" in seen.record["problem"]
        assert not seen.applied
        assert seen.note.startswith("its shift against first could not be told: at least 3 windows")


@pytest.mark.parametrize("wrong", [{"action": "fix"}, {"max_shift_m": 0}, {"max_shift_m": math.inf}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=r"is one of|positive length"):
        CoregisterOptions(**wrong)


@pytest.fixture
def scenes(tmp_path):
    """The clearest scene is the second; the third lies beside it, the fourth shows nothing."""

    def scene(name, day, cloud, **shift):
        pixels = shift.pop("pixels", None)
        bands = {"B04": ground(**shift) if pixels is None else pixels}
        return optical_scene(tmp_path, name, day=day, bands=bands, facts={"cloud_cover": cloud})

    return (
        scene("early", 0, 40.0, east_m=2.0),
        scene("clear", 5, 1.0),
        scene("beside", 10, 20.0, east_m=14.0, north_m=-6.0),
        scene("flat", 15, 30.0, pixels=np.full((SIZE, SIZE), 3000, "uint16")),
    )


def build(scenes, uri, action):
    options = BuildOptions(coregister=CoregisterOptions(action=action, shift=SMALL))
    return build_cube(SceneSet(scenes=tuple(scenes)), WIDE, uri, options=options)


def test_every_date_says_how_it_lies(tmp_path, scenes):
    told = build(scenes, tmp_path / "cube", "measure").notes
    assert [note for note in told["flat"] if "could not be told" in note]
    assert not [note for name in ("early", "clear", "beside") for note in told.get(name, ()) if "told" in note]
    cube = open_cube(tmp_path / "cube")
    assert cube.shift_x_m.to_numpy()[:3] == pytest.approx([2.0, 0.0, 14.0], abs=0.3)
    assert cube.shift_y_m.to_numpy()[:3] == pytest.approx([0.0, 0.0, -6.0], abs=0.3)
    assert np.isnan(cube.shift_x_m.to_numpy()[3])
    records = [json.loads(str(text)) for text in cube.coregistration.to_numpy()]
    assert {next(iter(record.values()))["reference"] for record in records} == {"clear"}
    assert "must be usable" in records[3]["flat"]["problem"]


def test_the_reference_outlives_the_build(tmp_path, scenes):
    build(scenes[:2], tmp_path / "cube", "measure")
    build(scenes, tmp_path / "cube", "measure")
    cube = open_cube(tmp_path / "cube")
    assert json.loads(str(cube.coregistration.to_numpy()[2]))["beside"]["reference"] == "clear"
    assert cube.shift_x_m.to_numpy()[2] == pytest.approx(14.0, abs=0.3)


def test_a_gated_scene_is_skipped_with_its_shift(tmp_path, scenes):
    result = build(scenes, tmp_path / "cube", "gate")
    skipped = {row.id: row for row in result.outcomes if row.outcome == "skipped"}
    assert set(skipped) == {"beside"}
    assert skipped["beside"].reason == "misregistered"
    assert open_cube(tmp_path / "cube").sizes["time"] == 3


def test_dates_are_all_moved_back_or_none_is(tmp_path, scenes):
    build(scenes[:2], tmp_path / "cube", "correct")
    with pytest.raises(CubeError, match="all moved back or none is"):
        build(scenes, tmp_path / "cube", "measure")
    with pytest.raises(CubeError, match="all moved back or none is"):
        build_cube(SceneSet(scenes=scenes), WIDE, tmp_path / "cube")
    build(scenes, tmp_path / "cube", "correct")
    red = open_cube(tmp_path / "cube").reflectance.to_numpy()[:, 0, 20:-20, 20:-20]
    assert np.abs(red[2] - red[1]).mean() < 0.002  # beside by 15 m it would be 0.02


def test_a_build_goes_on_where_no_band_can_be_compared(tmp_path):
    scenes = [optical_scene(tmp_path, name, day=day, bands={"B05": ground()}) for day, name in enumerate("abc")]
    first = build(scenes[:1], tmp_path / "cube", "correct")
    assert NO_REFERENCE in first.notes["a"]
    assert build(scenes[:2], tmp_path / "cube", "correct").added == ("b",)
    with pytest.raises(CubeError, match="all moved back or none is"):
        build(scenes, tmp_path / "cube", "measure")


def test_a_scene_under_cloud_is_no_reference(tmp_path, scenes):
    cloud = np.full((SIZE, SIZE), 9, "uint8")
    hidden = optical_scene(tmp_path, "hidden", day=-5, bands={"B04": ground(east_m=9.0)}, scl=cloud)
    told = build([hidden], tmp_path / "cube", "measure").notes
    assert NO_REFERENCE in told["hidden"]
    build([hidden, *scenes], tmp_path / "cube", "measure")
    cube = open_cube(tmp_path / "cube")
    assert np.isnan(cube.shift_x_m.to_numpy()[0])
    assert cube.shift_x_m.to_numpy()[1:4] == pytest.approx([2.0, 0.0, 14.0], abs=0.3)


@pytest.mark.parametrize(("epsg", "size"), [(32631, 10.0), (32632, 10.0), (4326, 1e-4), (3857, 15.0), (6933, 100.0)])
def test_a_raster_of_any_projection_is_moved_back_by_metres_of_the_grid(epsg, size):
    x, y = Transformer.from_crs(GRID.epsg, epsg, always_xy=True).transform(GRID.x_min - 500, GRID.y_max + 500)
    transform = (size, 0.0, x, 0.0, -size, y)
    header = RasterHeader(
        epsg=epsg, crs=f"EPSG:{epsg}", transform=transform, shape=(500, 500), dtype="uint16", nodata=0
    )
    asset = Asset(band="B04", href="b04.tif", epsg=epsg, shape=(500, 500), transform=transform)
    plane = Plane(asset=asset, header=header, resampling=choose_resampling(header, WIDE, "quantity"))
    shift = Shift(rows_px=0.8, cols_px=-1.6, spread_px=0.0, num_windows=4)
    found = Registration(reference="first", band="B04", shift=shift, resolution=WIDE.resolution)
    mended = moved_plane(plane, WIDE, found, "quantity")
    at = np.array([[GRID.x_min + 20, GRID.x_min + 1900], [GRID.y_max - 30, GRID.y_max - 1800]])
    # what is read at a place now stood where the shifted feature is
    now = geometry_of(mended.header, WIDE).pixel_of(*at)
    then = geometry_of(header, WIDE).pixel_of(at[0] + found.shift_x_m, at[1] + found.shift_y_m)
    np.testing.assert_allclose(now, then, atol=0.001)
    assert overruled(mended) == ()


def test_only_the_compared_band_and_the_masks_are_read(tmp_path):
    bands = {"B02": ground(), "B04": ground(east_m=3.0), "B08": ground(east_m=9.0)}
    scene = optical_scene(tmp_path, "a", bands=bands, scl=np.full((SIZE, SIZE), 4))
    source = prepare(scene, group="s2", bands=("B02", "B04", "B08"), grid=WIDE, chunk=SIZE)
    for name in ("B02", "B08"):
        Path(scene.asset(name).href).unlink()
    narrow = of_band(source, "B04")
    assert set(narrow.lazy.planes) == {"B04", "SCL"}
    layer = narrow.read(Block(row=10, col=20, height=50, width=60))
    np.testing.assert_array_equal(layer.values[0], ground(east_m=3.0)[10:60, 20:80])
    assert not layer.reason.any()
