"""Sentinel-1 GRD products to a cube: against planted truth, xarray-sentinel and places computed from the orbit."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from made_safe import LINE_S, SPACING_M, Ranges, gain, locate, noise_azimuth, noise_range, write_item, write_safe

from catalogs import SceneQuery, search
from pipelines import build_cube, open_cube
from pipelines.cube import BuildOptions
from pipelines.cube.grd_annotation import GeolocationGrid
from pipelines.cube.grd_geometry import geometry_of_annotation, geometry_of_gcps
from pipelines.cube.recipe import Recipe
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block, TargetGrid
from pipelines.physics.grd import GrdCalibration, takes_tables
from pipelines.physics.speckle import Speckle, despeckle
from pipelines.physics.tie_points import TiePoints
from pipelines.schema import Reason

NODATA, OUTSIDE, NOT_MASKED = int(Reason.NODATA), int(Reason.OUTSIDE_SWATH), int(Reason.NOT_MASKED)


def grid_of(safe, resolution=10.0, margin=60.0):
    """A grid around the product."""
    low = [math.floor((axis.min() - margin) / resolution) * resolution for axis in (safe.x, safe.y)]
    high = [math.ceil((axis.max() + margin) / resolution) * resolution for axis in (safe.x, safe.y)]
    return TargetGrid.from_bounds((*low, *high), epsg=32631, resolution=resolution)


def found_in(catalog, grid):
    query = SceneQuery(
        bbox=grid.bbox_wgs84(),
        footprint=grid.footprint_wgs84(),
        start=datetime(2023, 4, 1, tzinfo=UTC),
        end=datetime(2023, 5, 1, tzinfo=UTC),
        collections=("sentinel-1-grd",),
    )
    return search(query, catalog)


def scene_in(catalog, grid):
    (scene,) = found_in(catalog, grid).scenes
    return scene


def source_of(safe, grid, folder, *, recipe=None, bands=("VV", "VH"), change=None):
    catalog = write_item(safe, folder)
    if change is not None:
        path = Path(folder) / "item.json"
        item = json.loads(path.read_text())
        change(item["assets"])
        path.write_text(json.dumps(item))
    return prepare(scene_in(catalog, grid), group="s1", bands=bands, grid=grid, chunk=512, recipe=recipe or Recipe())


def whole(grid):
    return Block(row=0, col=0, height=grid.height, width=grid.width)


def centres(grid):
    return np.meshgrid(grid.x, grid.y)


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder = tmp_path_factory.mktemp("product")
    safe = write_safe(folder)
    return safe, grid_of(safe), folder


@pytest.fixture(scope="module")
def cube(product):
    safe, grid, folder = product
    found = found_in(write_item(safe, folder), grid)
    result = build_cube(found, grid, folder / "cube", options=BuildOptions(chunk=128))
    return result, open_cube(result.ref.uri, "s1").load()


def expected(safe, grid, pol="VV"):
    """Planted sigma nought at the grid's pixels, NaN near the step between the fields and off the image."""
    x, y = centres(grid)
    step = np.median(safe.x)
    truth = 0.08 + 0.03 * np.sin(x / 700.0) * np.cos(y / 900.0) + np.where(x > step, 0.15, 0.0)
    return np.where(abs(x - step) > 25, truth, np.nan) * (1.0 if pol == "VV" else 0.2)


def test_a_catalogue_item_becomes_a_cube_of_planted_power(product, cube):
    safe, grid, _ = product
    result, data = cube
    assert [outcome.outcome for outcome in result.outcomes] == ["used"]
    for pol in ("VV", "VH"):
        ratio = data.power.sel(band=pol).to_numpy()[0] / expected(safe, grid, pol)
        # digital numbers are whole: at worst half a step of about 70 and 150
        assert np.nanmax(abs(ratio - 1)) < (0.008 if pol == "VV" else 0.02)
        assert np.nanmean(ratio) == pytest.approx(1.0, abs=3e-4)


def test_the_date_says_how_it_was_calibrated_and_placed(product, cube):
    safe, _, _ = product
    _, data = cube
    assert data.radiometric_rule.item() == "grd-sigma0"
    (evidence,) = json.loads(data.radiometric_evidence.item()).values()
    assert evidence["processor_version"] == "003.40"
    assert evidence["polarisations"]["VH"]["noise"] == "range and azimuth"
    assert evidence["placed_by"] == "geolocation grid of 5 x 6 points"
    assert data.view_incidence_deg.item() == pytest.approx(evidence["incidence_deg"]["mean"])
    assert evidence["incidence_deg"]["mean"] == pytest.approx(np.degrees(safe.incidence.mean()), abs=0.02)
    assert any("without terrain correction" in note for note in evidence["notes"])


def test_pixels_off_the_swath_say_so(product, cube):
    safe, _, _ = product
    _, data = cube
    reason, valid = data.reason.to_numpy()[0], data.valid.to_numpy()[0]
    assert set(np.unique(reason)) == {NOT_MASKED, NOT_MASKED | OUTSIDE | NODATA}
    np.testing.assert_array_equal(valid, ~np.isnan(data.power.to_numpy()[0]).any(axis=0))
    assert valid.sum() == pytest.approx(safe.x.size * 10.1 * 10.0 / 100, rel=0.02)


def test_calibration_equals_that_of_xarray_sentinel(product):
    xr = pytest.importorskip("xarray")
    xarray_sentinel = pytest.importorskip("xarray_sentinel")
    safe, grid, folder = product
    for coefficient, name in (("sigma0", "sigmaNought"), ("beta0", "betaNought"), ("gamma0", "gamma")):
        recipe = Recipe(grd=GrdCalibration(coefficient=coefficient, noise="keep"))
        source = source_of(safe, grid, folder, recipe=recipe)
        image = source.lazy._calibrated(source.lazy.bands["VV"], FullFrame(safe.dn["VV"].shape))
        measured = xr.open_dataset(str(safe.folder), engine="sentinel-1", group="IW/VV").measurement
        table = xr.open_dataset(str(safe.folder), engine="sentinel-1", group="IW/VV/calibration")[name]
        theirs = xarray_sentinel.calibrate_intensity(measured, table).to_numpy()
        np.testing.assert_allclose(image.power, theirs, rtol=2e-6)


class FullFrame:
    row = col = 0

    def __init__(self, shape):
        self.shape = shape


def test_coefficients_are_related_by_the_incidence_angle(product):
    safe, grid, folder = product
    found = {}
    for coefficient in ("sigma0", "beta0", "gamma0"):
        recipe = Recipe(grd=GrdCalibration(coefficient=coefficient))
        found[coefficient] = source_of(safe, grid, folder, recipe=recipe).read(whole(grid)).values[0]
    middle = np.radians(35.49)
    assert np.nanmean(found["sigma0"] / found["beta0"]) == pytest.approx(np.sin(middle), rel=1e-3)
    assert np.nanmean(found["gamma0"] / found["sigma0"]) == pytest.approx(1 / np.cos(middle), rel=1e-3)


def test_noise_that_is_kept_is_there(product):
    safe, grid, folder = product
    recipe = Recipe(grd=GrdCalibration(noise="keep"))
    source = source_of(safe, grid, folder, recipe=recipe)
    assert source.rule_name == "grd-sigma0-noisy"
    noisy, clean = (s.read(whole(grid)).values[1] for s in (source, source_of(safe, grid, folder)))
    added = np.nanmean(noisy - clean)
    lines, pixels = np.arange(300)[:, None], np.arange(400)[None, :]
    planted = noise_range(pixels) * noise_azimuth(lines, pixels, 400) / gain("sigmaNought", safe.incidence) ** 2
    assert added == pytest.approx(planted.mean(), rel=0.005)


@pytest.mark.parametrize("block", [Block(row=100, col=37, height=64, width=96), Block(row=0, col=0, height=1, width=1)])
def test_a_block_is_the_same_whatever_is_read_around_it(product, block):
    safe, grid, folder = product
    source = source_of(safe, grid, folder)
    all_of_it, part = source.read(whole(grid)), source.read(block)
    np.testing.assert_array_equal(part.values, all_of_it.values[:, *block.slices])
    np.testing.assert_array_equal(part.reason, all_of_it.reason[block.slices])


def test_a_worker_reads_the_same(product):
    safe, grid, folder = product
    source = source_of(safe, grid, folder)
    there = pickle.loads(pickle.dumps(source))
    block = Block(row=50, col=60, height=70, width=80)
    np.testing.assert_array_equal(there.read(block).values, source.read(block).values)


def test_a_coarser_grid_gets_mean_power_not_mean_amplitude(tmp_path):
    safe = write_safe(tmp_path, shape=(240, 240), truth=lambda x, _: np.full(x.shape, 0.1), looks=1.0)
    grid = grid_of(safe, resolution=40.0, margin=-200.0)
    source = source_of(safe, grid, tmp_path)
    values = source.read(whole(grid)).values[0]
    assert any("averaged over 4 x 4 pixels" in note for note in source.evidence["notes"])
    assert np.nanmean(values) == pytest.approx(0.1, rel=0.02)
    assert np.nanmean(values) ** 2 / np.nanvar(values) > 16


def test_old_products_are_denoised_along_range_and_lose_their_junk(tmp_path):
    safe = write_safe(tmp_path, ipf="002.84", border=37, junk=True)
    grid = grid_of(safe)
    source = source_of(safe, grid, tmp_path)
    said = source.evidence["polarisations"]["VV"]
    assert (said["noise"], said["border"]) == ("range", "cut")
    layer = source.read(whole(grid))
    cut = (layer.reason & int(Reason.BORDER)) != 0
    column, _ = source.lazy.geometry.pixel_of(*centres(grid))
    inside = (layer.reason & OUTSIDE) == 0
    assert (cut & inside)[inside & (column < 36)].all()
    assert not cut[inside & (column > 38)].any()
    ratio = layer.values[0] / expected(safe, grid)
    assert np.nanmax(abs(ratio - 1)) < 0.008


def test_zero_borders_and_no_signal_are_kept_apart(tmp_path):
    safe = write_safe(tmp_path, border=30, no_signal=np.s_[100:160, 150:220])
    grid = grid_of(safe)
    layer = source_of(safe, grid, tmp_path).read(whole(grid))
    columns, lines = source_of(safe, grid, tmp_path).lazy.geometry.pixel_of(*centres(grid))
    border = (columns > 1) & (columns < 29) & (lines > 1) & (lines < 299)
    assert np.isnan(layer.values[:, border]).all()
    assert set(np.unique(layer.reason[border])) == {NODATA | NOT_MASKED}
    silent = (columns > 152) & (columns < 218) & (lines > 102) & (lines < 158)
    assert np.isfinite(layer.values[:, silent]).all()
    assert set(np.unique(layer.reason[silent])) == {NOT_MASKED}
    assert abs(layer.values[0][silent].mean()) < 2e-4
    assert (layer.values[0][silent] < 0).any()


def test_holes_in_the_table_are_holes_in_the_cube(tmp_path):
    safe = write_safe(tmp_path, zero_gain=((2, np.s_[4:6]),))
    grid = grid_of(safe)
    source = source_of(safe, grid, tmp_path)
    layer = source.read(whole(grid))
    columns, lines = source.lazy.geometry.pixel_of(*centres(grid))
    columns, lines = np.floor(columns), np.floor(lines)
    hole = (abs(lines - 120) < 60) & (columns > 120) & (columns < 240)
    uncalibrated = (layer.reason & int(Reason.UNCALIBRATED)) != 0
    on_image = (lines >= 0) & (lines < 300) & (columns >= 0) & (columns < 400)
    np.testing.assert_array_equal(uncalibrated[on_image], hole[on_image])
    assert np.isnan(layer.values[0][hole & on_image]).all()
    assert np.isfinite(layer.values[1][hole & on_image]).all()
    assert np.isfinite(layer.values[:, on_image & ~hole]).all()
    assert source.evidence["polarisations"]["VV"]["calibration_table_gaps"] == 2


def test_a_raster_with_control_points_alone_lies_where_its_annotation_puts_it(product):
    safe, grid, folder = product

    def without_products(assets):
        for key in [key for key in assets if key.startswith("schema-product")]:
            del assets[key]

    alone = source_of(safe, grid, folder, change=without_products)
    assert alone.evidence["placed_by"] == "ground control points of the raster"
    assert alone.evidence["incidence_deg"] is None
    there = source_of(safe, grid, folder)
    places = [s.lazy.geometry.pixel_of(*centres(grid)) for s in (alone, there)]
    np.testing.assert_allclose(places[0], places[1], atol=1e-4)


def large_image(height_m=0.0):
    """Tie points of a whole IW scene, 167 km by 250 km, and places between them from the orbit."""
    shape = (16_700, 25_000)
    ranges = Ranges(shape[1], height_m)
    points = list(tie_points_of(shape, ranges, height_m))
    rng = np.random.default_rng(0)
    lines, pixels = rng.uniform(0, shape[0] - 1, 400), rng.uniform(0, shape[1] - 1, 400)
    place, _ = locate(lines * LINE_S, ranges.slant(pixels * SPACING_M), height_m)
    return points, lines, pixels, place


def tie_points_of(shape, ranges, height_m):
    """As the processor sets them: 21 along range, about 10 along azimuth."""
    lines, pixels = np.linspace(0, shape[0] - 1, 10).round(), np.linspace(0, shape[1] - 1, 21).round()
    for line in lines:
        place, _ = locate(line * LINE_S, ranges.slant(pixels * SPACING_M), height_m)
        yield line, pixels, place


def test_between_tie_points_of_a_whole_scene_pixels_are_placed_to_a_tenth():
    points, lines, pixels, place = large_image()
    to_degrees = pyproj.Transformer.from_crs(4978, 4979, always_xy=True)
    longitude, latitude, height = (
        np.stack(axis) for axis in zip(*(to_degrees.transform(*p) for *_, p in points), strict=True)
    )
    grid = GeolocationGrid(
        points=TiePoints(lines=np.array([p[0] for p in points]), pixels=points[0][1]),
        longitude_deg=longitude,
        latitude_deg=latitude,
        height_m=height,
        incidence_deg=np.zeros_like(height),
    )
    x, y = pyproj.Transformer.from_crs(4978, 32631, always_xy=True).transform(*place)[:2]
    columns, rows = geometry_of_annotation(grid, 32631).pixel_of(x, y)
    error = np.hypot(columns - 0.5 - pixels, rows - 0.5 - lines)
    assert error.max() < 0.15
    assert np.sqrt((error**2).mean()) < 0.1


def test_control_points_that_form_no_grid_are_refused():
    points = [rasterio.control.GroundControlPoint(row=r, col=c, x=c, y=-r) for r, c in ((0, 0), (0, 9), (9, 0), (8, 9))]
    with pytest.raises(ValueError, match="full grid"):
        geometry_of_gcps(points, "EPSG:32631", 32631)
    with pytest.raises(ValueError, match="full grid"):
        geometry_of_gcps([], "EPSG:32631", 32631)


def drop(*keys):
    def change(assets):
        for key in keys:
            del assets[key]

    return change


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        (("schema-calibration-vh",), "VH needs its calibration annotation"),
        (("schema-noise-vv",), "VV needs its noise annotation"),
    ],
)
def test_a_polarisation_without_its_tables_is_not_guessed_at(product, keys, match):
    safe, grid, folder = product
    with pytest.raises(Skipped, match=match) as skipped:
        source_of(safe, grid, folder, change=drop(*keys))
    assert skipped.value.reason == "uncalibrated"


def test_without_any_table_digital_numbers_stay_refused(product):
    safe, grid, folder = product
    with pytest.raises(Skipped) as skipped:
        source_of(safe, grid, folder, change=drop("schema-calibration-vh", "schema-calibration-vv"))
    assert skipped.value.reason == "uncalibrated"


def test_an_image_beside_the_grid_is_outside(product):
    safe, _, folder = product
    catalog = write_item(safe, folder)
    scene = scene_in(catalog, grid_of(safe))
    far = TargetGrid.from_bounds((400000.0, 5800000.0, 401000.0, 5801000.0), epsg=32631, resolution=10.0)
    with pytest.raises(Skipped) as skipped:
        prepare(scene, group="s1", bands=("VV",), grid=far, chunk=512)
    assert skipped.value.reason == "outside"


def test_a_cut_off_annotation_is_named(tmp_path):
    safe = write_safe(tmp_path, shape=(60, 80))
    path = safe.file("calibration", "VV")
    path.write_text(path.read_text()[:700])
    with pytest.raises(Skipped, match="calibration-s1a") as skipped:
        source_of(safe, grid_of(safe), tmp_path)
    assert skipped.value.reason in ("unreadable", "damaged")


def test_speckle_is_filtered_across_chunk_boundaries_and_written_down(tmp_path):
    safe = write_safe(tmp_path, shape=(150, 170), looks=4.4)
    grid = grid_of(safe)
    found = found_in(write_item(safe, tmp_path), grid)
    speckle = Speckle(filter="refined-lee", window=7, looks=4.4)
    recipe = Recipe(speckle=speckle)
    raw, small, large = (
        open_cube(
            build_cube(found, grid, tmp_path / name, options=BuildOptions(chunk=chunk, recipe=chosen)).ref.uri, "s1"
        ).load()
        for name, chunk, chosen in (("raw", 64, Recipe()), ("small", 37, recipe), ("large", 512, recipe))
    )
    np.testing.assert_array_equal(small.power, large.power)
    for band in range(2):
        np.testing.assert_array_equal(large.power[0, band], despeckle(raw.power.to_numpy()[0, band], speckle))
    assert raw.processing.item() == ""
    ((step,),) = json.loads(large.processing.item())["steps"].values()
    assert step == {
        "name": "speckle",
        "applied": True,
        "filter": "refined-lee",
        "window": 7,
        "looks": 4.4,
        "damping": 2.0,
    }


def edited(pattern, old, new):
    """Returns a change of a product's files, applied to the copy in a folder."""

    def edit(folder):
        paths = list(Path(folder).rglob(pattern))
        assert paths
        for path in paths:
            text = re.sub(old, new, path.read_text())
            assert text != path.read_text()
            path.write_text(text)

    return edit


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (edited("manifest.safe", r'version="003.40"', 'version="3.4x"'), "a version of the IPF reads like"),
        (edited("calibration-*.xml", r"(<pixel[^>]*>)\d+", r"\g<1>99999999999999999999"), "too large"),
        (edited("s1*.xml", r"<rangePixelSpacing>[^<]*", "<rangePixelSpacing>0"), "are 1 to 1000 m apart, got 0"),
        (edited("s1*.xml", r"<rangePixelSpacing>[^<]*", "<rangePixelSpacing>-10"), "are 1 to 1000 m apart, got -10"),
        (edited("s1*.xml", r"<rangePixelSpacing>[^<]*", "<rangePixelSpacing>1e-300"), "are 1 to 1000 m apart"),
    ],
)
def test_damaged_annotations_cost_the_scene_and_not_the_build(tmp_path, edit, told):
    safe = write_safe(tmp_path)
    edit(tmp_path)
    with pytest.raises(Skipped, match=told) as skipped:
        source_of(safe, grid_of(safe), tmp_path)
    assert skipped.value.reason == "damaged"


def test_a_noise_table_of_zeros_does_not_matter_where_the_noise_is_kept(tmp_path):
    safe = write_safe(tmp_path)
    edited("noise-*.xml", r"(<noiseRangeLut[^>]*>)([^<]*)", lambda m: m[1] + re.sub(r"\S+", "0", m[2]))(tmp_path)
    with pytest.raises(Skipped, match="keep the noise") as skipped:
        source_of(safe, grid_of(safe), tmp_path)
    assert skipped.value.reason == "uncalibrated"
    kept = source_of(safe, grid_of(safe), tmp_path, recipe=Recipe(grd=GrdCalibration(noise="keep")))
    assert np.isfinite(kept.read(whole(grid_of(safe))).values).any()


@pytest.mark.parametrize("product_type", ["GRDH", "L1", ""])
def test_a_grd_product_is_told_by_any_of_its_names(product, product_type):
    safe, grid, folder = product
    scene = scene_in(write_item(safe, folder), grid)
    assert takes_tables(dataclasses.replace(scene, product_type=product_type))
    assert not takes_tables(dataclasses.replace(scene, product_type="SLC"))
    assert not takes_tables(dataclasses.replace(scene, product_type="RTC"))
    assert not takes_tables(dataclasses.replace(scene, annotations=()))
