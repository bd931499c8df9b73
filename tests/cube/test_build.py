"""Scenes in, a cube out: values, reasons, skips."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import rasterio
import xarray as xr
from made_scenes import (
    FIRST,
    GRID,
    digital_numbers,
    optical_scene,
    radar_scene,
    scene_set,
    truncate,
    write_raster,
)
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from catalogs import Asset, SceneOutcome, SceneSet
from pipelines.cube import BuildOptions, build_cube, open_cube
from pipelines.grid import TargetGrid
from pipelines.schema import Reason

BLOCKS = BuildOptions(chunk=16, num_threads=2)


def build(folder, *scenes, grid=GRID, options=BLOCKS, **more):
    return build_cube(scene_set(*scenes), grid, folder / "cube", options=options, **more)


def outcomes(result):
    return {outcome.id: (outcome.outcome, outcome.reason) for outcome in result.outcomes}


def reasons(folder, group="s2", date=0):
    return open_cube(folder / "cube", group).reason.isel(time=date).to_numpy()


def test_reflectance_is_the_digital_number_under_the_scenes_rule(tmp_path):
    dn = digital_numbers(1, low=950)
    scene = optical_scene(
        tmp_path, "a", bands={"B02": dn}, facts={"offset_applied": None, "processing_baseline": "05.09"}
    )

    build(tmp_path, scene)

    cube = open_cube(tmp_path / "cube")
    expected = ((dn.astype(np.int64) - 1000).astype(np.float64) * 1e-4).astype(np.float32)
    np.testing.assert_array_equal(cube.reflectance.isel(time=0).sel(band="B02").to_numpy(), expected)
    assert cube.radiometric_rule.item() == "baseline_with_offset"
    assert '"offset_dn": -1000' in cube.radiometric_evidence.item()
    assert cube.processing_baseline.item() == "05.09"


def test_twenty_metre_bands_are_repeated_exactly(tmp_path):
    coarse = digital_numbers(3, (15, 20))
    ten, twenty = optical_scene(tmp_path, "ten", bands={"B02": digital_numbers(2)}), tmp_path / "B05.tif"
    asset = Asset(band="B05", href=write_raster(twenty, coarse, size=20.0, nodata=0))

    result = build(tmp_path, replace(ten, assets=(*ten.assets, asset)))

    expected = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    packed = open_cube(tmp_path / "cube").reflectance.sel(band="B05").isel(time=0).to_numpy()
    np.testing.assert_array_equal(np.rint(packed / 1e-4), expected)
    assert result.notes == {}


def test_finer_pixels_are_averaged(tmp_path):
    fine = digital_numbers(4, (60, 80))
    scene = optical_scene(tmp_path, "fine", bands={"B02": fine}, size=5.0, tiled=True, blockxsize=16, blockysize=16)

    result = build(tmp_path, scene)

    expected = fine.reshape(30, 2, 40, 2).mean(axis=(1, 3))
    found = open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0).to_numpy() / 1e-4
    assert np.abs(found - expected).max() <= 0.5 + 1e-3
    assert result.notes == {"fine": ("averaged from pixels of 5 m: B02",)}


def test_radar_power_is_linear_whatever_the_item_holds(tmp_path):
    power = np.random.default_rng(0).gamma(4.0, 0.02, GRID.shape)
    decibels = (10 * np.log10(power)).astype("float32")
    linear = radar_scene(tmp_path, "linear", bands={"VV": power.astype("float32")})
    in_db = radar_scene(tmp_path, "in-db", day=1, bands={"VV": decibels}, unit="dB")

    build(tmp_path, linear, in_db)

    cube = open_cube(tmp_path / "cube", "s1")
    np.testing.assert_array_equal(cube.power.isel(time=0, band=0).to_numpy(), power.astype("float32"))
    expected = (10.0 ** (decibels.astype("float64") / 10.0)).astype("float32")
    np.testing.assert_array_equal(cube.power.isel(time=1, band=0).to_numpy(), expected)
    assert cube.radiometric_rule.to_numpy().tolist() == ["linear", "db"]
    assert (cube.reason.to_numpy() == Reason.NOT_MASKED).all()
    assert cube.valid.to_numpy().all()
    assert cube.relative_orbit.to_numpy().tolist() == [88.0, 88.0]


def test_reasons_come_from_the_classification_and_the_values(tmp_path):
    scl = np.full(GRID.shape, 4)
    scl[0, :5] = [3, 8, 10, 11, 1]
    dn = {"B02": digital_numbers(1), "B04": digital_numbers(2)}
    dn["B02"][1, 0], dn["B04"][1, 0] = 0, 0
    dn["B02"][1, 1] = 0
    dn["B04"][1, 2] = 40000

    build(tmp_path, optical_scene(tmp_path, "a", bands=dn, scl=scl))

    found = reasons(tmp_path)
    expected = [Reason.CLOUD_SHADOW, Reason.CLOUD, Reason.CIRRUS, Reason.SNOW, Reason.SATURATED]
    assert found[0, :5].tolist() == [int(reason) for reason in expected]
    assert found[1, :3].tolist() == [int(Reason.NODATA), int(Reason.BORDER), int(Reason.SATURATED)]
    assert (found[2:] == 0).all()
    cube = open_cube(tmp_path / "cube").isel(time=0)
    assert cube.valid[0, :5].to_numpy().tolist() == [False, False, False, True, False]
    assert cube.valid[1, :4].to_numpy().tolist() == [False, False, False, True]
    assert np.isnan(cube.reflectance[:, 1, 0]).all()
    assert np.isnan(cube.reflectance[:, 1, 1]).to_numpy().tolist() == [True, False]
    assert cube.reflectance[1, 1, 2].compute().item() == np.float32(3.2767)


def test_without_a_classification_not_masked_stands(tmp_path):
    build(tmp_path, optical_scene(tmp_path, "a"))

    assert (reasons(tmp_path) == Reason.NOT_MASKED).all()
    assert open_cube(tmp_path / "cube").valid.to_numpy().all()


@pytest.mark.parametrize(
    ("in_file", "in_item", "missing_value"),
    [(0, None, 0), (65535, None, 65535), (None, 65535, 65535), (None, None, 0), (None, 0, 0), (65535, 0, 0)],
)
def test_nodata_is_known_from_the_file_the_item_or_the_product(tmp_path, in_file, in_item, missing_value):
    dn = digital_numbers(1)
    dn[3, 4] = missing_value
    scene = optical_scene(tmp_path, "a", bands={"B02": dn}, nodata=in_file)
    scene = replace(scene, assets=tuple(replace(asset, nodata=in_item) for asset in scene.assets))

    build(tmp_path, scene)

    missing = np.isnan(open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0).to_numpy())
    assert np.argwhere(missing).tolist() == [[3, 4]]
    assert reasons(tmp_path)[3, 4] & Reason.NODATA


def test_another_declared_nodata_leaves_zero_a_value(tmp_path):
    dn = digital_numbers(1)
    dn[3, 4], dn[3, 5] = 0, 65535

    build(tmp_path, optical_scene(tmp_path, "a", bands={"B02": dn}, nodata=65535))

    row = open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0, y=3).to_numpy()
    assert row[4] == 0.0
    assert np.isnan(row[5])


def test_a_scene_that_covers_half_the_grid_is_nodata_elsewhere(tmp_path):
    dn = digital_numbers(1, (30, 20))
    build(tmp_path, optical_scene(tmp_path, "west", bands={"B02": dn}, nodata=None))

    values = open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0).to_numpy()
    np.testing.assert_array_equal(np.rint(values[:, :20] / 1e-4), dn)
    assert np.isnan(values[:, 20:]).all()
    assert (reasons(tmp_path)[:, 20:] & Reason.NODATA).all()


def test_another_crs_is_warped_and_recorded(tmp_path):
    rows, cols = np.mgrid[0:120, 0:140]
    dn = (1000 + 20 * rows + 5 * cols).astype("uint16")
    scl = np.full(dn.shape, 4)
    scl[:, 60:] = 8
    place = {"epsg": 32632, "corner": (238700.0, 5617500.0)}
    with rasterio.open(write_raster(tmp_path / "probe.tif", dn, **place)) as file:
        bounds = transform_bounds("EPSG:32631", file.crs, *GRID.bounds)
    place["corner"] = (bounds[0] // 10 * 10 - 300, bounds[3] // 10 * 10 + 300)

    result = build(tmp_path, optical_scene(tmp_path, "next-zone", bands={"B02": dn}, scl=scl, **place))

    shared = {"crs": f"EPSG:{GRID.epsg}", "transform": rasterio.Affine(*GRID.transform), "width": 40, "height": 30}
    exact = {"tolerance": 1e-3, "XSCALE": 1, "YSCALE": 1}
    with (
        rasterio.open(tmp_path / "next-zone" / "B02.tif") as file,
        WarpedVRT(file, resampling=Resampling.bilinear, **shared, **exact) as warped,
    ):
        expected = warped.read(1)
    values = open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0).to_numpy()
    np.testing.assert_array_equal(np.rint(values / 1e-4), expected)
    assert set(np.unique(reasons(tmp_path))) <= {0, int(Reason.CLOUD)}
    assert result.notes == {
        "next-zone": ("warped from EPSG:32632, bilinear: B02", "warped from EPSG:32632, nearest: SCL")
    }
    assert outcomes(result) == {"next-zone": ("used", None)}
    assert "warped from EPSG:32632" in open_cube(tmp_path / "cube").radiometric_evidence.item()


@pytest.mark.parametrize("in_file", [0, None])
def test_a_warp_keeps_nodata_apart_from_its_neighbours(tmp_path, in_file):
    dn = np.full((40, 50), 5000, dtype="uint16")
    dn[10:20, 10:20] = 0
    scene = optical_scene(tmp_path, "off", bands={"B02": dn}, nodata=in_file, corner=(663957.0, 5612044.0))
    scene = replace(scene, assets=tuple(replace(asset, nodata=0.0) for asset in scene.assets))

    result = build(tmp_path, scene)

    values = open_cube(tmp_path / "cube").reflectance.isel(time=0, band=0).to_numpy()
    assert set(np.unique(values[~np.isnan(values)])) == {np.float32(0.5)}
    assert 64 <= np.isnan(values).sum() <= 121
    assert result.notes["off"] == ("resampled from another pixel grid of EPSG:32631, bilinear: B02",)


def test_decibels_are_never_interpolated(tmp_path):
    decibels = np.where(np.indices((40, 50)).sum(axis=0) % 2, -5.0, -25.0).astype("float32")
    scene = radar_scene(tmp_path, "off", bands={"VV": decibels}, unit="dB", corner=(663957.0, 5612044.0))

    result = build(tmp_path, scene)

    found = np.unique(open_cube(tmp_path / "cube", "s1").power.to_numpy())
    np.testing.assert_allclose(found, [10**-2.5, 10**-0.5], rtol=1e-6)
    assert "nearest" in result.notes["off"][0]


def test_every_unusable_scene_ends_with_its_reason(tmp_path):
    good = optical_scene(tmp_path, "good")
    cut = optical_scene(tmp_path, "cut", day=1, tiled=True, blockxsize=16, blockysize=16)
    truncate(cut.asset("B04").href)
    gone = optical_scene(tmp_path, "gone", day=2)
    gone = replace(gone, assets=tuple(replace(asset, href=str(tmp_path / "no.tif")) for asset in gone.assets))
    away = optical_scene(tmp_path, "away", day=3, corner=(700000.0, 5612000.0))
    other = optical_scene(tmp_path, "other", day=4, bands={"B09": digital_numbers(1)})
    empty = optical_scene(tmp_path, "empty", day=5, bands={"B02": np.zeros(GRID.shape, "uint16")})
    nan = radar_scene(tmp_path, "nan", bands={"VV": np.full(GRID.shape, np.nan, "float32")})
    raw = radar_scene(tmp_path, "raw", day=1, bands={"VV": digital_numbers(1)}, unit=None, nodata=0)
    classes = optical_scene(tmp_path, "classes", day=6, scl=np.full(GRID.shape, 77))
    before = SceneOutcome(id="before", collection="sentinel-2-l2a", outcome="skipped", reason="too_cloudy")
    scenes = scene_set(good, cut, gone, away, other, empty, nan, raw, classes)
    found = SceneSet(scenes=scenes.scenes, skipped=(before,))

    result = build_cube(found, GRID, tmp_path / "cube", options=BLOCKS)

    assert outcomes(result) == {
        "good": ("used", None),
        "cut": ("used", None),
        "gone": ("skipped", "unreadable"),
        "away": ("skipped", "outside"),
        "other": ("skipped", "missing_asset"),
        "empty": ("skipped", "all_nodata"),
        "nan": ("skipped", "all_nodata"),
        "raw": ("skipped", "uncalibrated"),
        "classes": ("skipped", "damaged"),
        "before": ("skipped", "too_cloudy"),
    }
    details = {outcome.id: outcome.detail for outcome in result.outcomes}
    assert re.fullmatch(r"[1-5] of 6 units could not be read: .*B04\.tif: .*\(damaged\).*", details["cut"])
    assert "6 of 6 units" in details["classes"]
    assert "no.tif" in details["gone"]
    assert "77" in details["classes"]
    assert result.added == ("good", "cut")
    assert result.dates == {"s2": 2}

    again = build_cube(found, GRID, tmp_path / "cube", options=BLOCKS)

    assert not again.changed
    assert again.ref == result.ref
    assert outcomes(again) == outcomes(result)


def test_a_missing_band_is_nan_and_said_so(tmp_path):
    both, one = (
        optical_scene(tmp_path, "both"),
        optical_scene(tmp_path, "one", day=1, bands={"B02": digital_numbers(7)}),
    )

    result = build(tmp_path, both, one)

    cube = open_cube(tmp_path / "cube")
    assert np.isnan(cube.reflectance.isel(time=1).sel(band="B04")).all()
    assert cube.valid.isel(time=1).to_numpy().all()
    assert {outcome.id: outcome.detail for outcome in result.outcomes} == {"both": "", "one": "without B04"}


def test_bands_that_are_asked_for_come_in_their_order(tmp_path):
    scene = optical_scene(
        tmp_path, "a", bands={band: digital_numbers(i) for i, band in enumerate(("B01", "B02", "B04"))}
    )

    build(tmp_path, scene, options=BuildOptions(bands_s2=("B04", "B01")))

    cube = open_cube(tmp_path / "cube")
    assert cube.band.to_numpy().tolist() == ["B04", "B01"]
    assert cube.common_name.to_numpy().tolist() == ["red", "coastal"]


def test_tiles_of_one_pass_make_one_date(tmp_path):
    west = optical_scene(tmp_path, "west", bands={"B02": digital_numbers(1, (30, 25))})
    east = optical_scene(
        tmp_path,
        "east",
        bands={"B02": digital_numbers(2, (30, 25), low=950)},
        corner=(GRID.x_min + 150.0, GRID.y_max),
        facts={"time": FIRST + timedelta(seconds=14), "offset_applied": None, "processing_baseline": "04.00"},
    )

    result = build(tmp_path, west, east)

    cube = open_cube(tmp_path / "cube")
    assert result.dates == {"s2": 1}
    assert cube.scene_ids.item() == "west east"
    assert cube.radiometric_rule.item() == "flag baseline_with_offset"
    values = np.rint(cube.reflectance.isel(time=0, band=0).to_numpy() / 1e-4)
    np.testing.assert_array_equal(values[:, :25], digital_numbers(1, (30, 25)))
    np.testing.assert_array_equal(values[:, 25:], digital_numbers(2, (30, 25), low=950)[:, 10:].astype(int) - 1000)


def test_a_mosaic_takes_the_pixels_of_the_next_tile_where_one_is_damaged(tmp_path):
    dn = digital_numbers(1)
    dn[:, 25:] = 0
    west = optical_scene(tmp_path, "west", bands={"B02": dn}, tiled=True, blockxsize=16, blockysize=16)
    east = optical_scene(
        tmp_path,
        "east",
        bands={"B02": digital_numbers(2, (30, 25))},
        corner=(GRID.x_min + 150.0, GRID.y_max),
        facts={"time": FIRST + timedelta(seconds=14)},
    )
    whole = (tmp_path / "west" / "B02.tif").read_bytes()
    truncate(west.asset("B02").href, share=0.5)

    first = build(tmp_path, west, east)
    cube = open_cube(tmp_path / "cube").isel(time=0).load()
    rerun = build(tmp_path, west, east)

    assert outcomes(first) == {"west": ("used", None), "east": ("used", None)}
    assert not np.isnan(cube.reflectance[0, :, 15:]).any()  # where west cannot be read, east's pixels are taken
    np.testing.assert_array_equal(np.rint(cube.reflectance[0, :16, :16] / 1e-4), dn[:16, :16])
    assert np.isnan(cube.reflectance[0, 16:, :15]).all()
    assert ((cube.reason[16:, :15] & Reason.READ_FAILED) != 0).all()
    assert not cube.valid[16:, :15].any()
    assert ((cube.reason[:, 16:] & Reason.READ_FAILED) == 0).all()
    assert {failure.scene_id for failure in first.read_failures} == {"west"}
    assert json.loads(cube.read_failures.item())["west"][0]["fault"] == "damaged"
    assert not rerun.changed
    assert rerun.outcomes == first.outcomes
    (tmp_path / "west" / "B02.tif").write_bytes(whole)
    mended = build(tmp_path, west, east)
    assert mended.added == ("west", "east")
    assert mended.dates == {"s2": 1}
    assert mended.read_failures == ()
    assert not np.isnan(open_cube(tmp_path / "cube").reflectance.to_numpy()).any()


def test_a_warp_does_not_hang_on_chunks_and_threads(tmp_path):
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=540, height=530)
    bounds = transform_bounds("EPSG:32631", "EPSG:32632", *grid.bounds)
    place = {"epsg": 32632, "corner": (bounds[0] // 10 * 10 - 300, bounds[3] // 10 * 10 + 300)}
    scene = optical_scene(
        tmp_path,
        "scene",
        bands={"B02": digital_numbers(1, (680, 690))},
        scl=digital_numbers(2, (680, 690)) % 12,
        **place,
    )
    for name, options in (("a", BuildOptions(chunk=190, num_threads=3)), ("b", BuildOptions(num_threads=1))):
        build_cube(scene_set(scene), grid, tmp_path / name, options=options)

    first, second = (open_cube(tmp_path / name).load() for name in ("a", "b"))
    first.attrs.pop("snapshot"), second.attrs.pop("snapshot")
    xr.testing.assert_identical(first, second)
    shared = {"crs": "EPSG:32631", "transform": rasterio.Affine(*grid.transform), "width": 540, "height": 530}
    with (
        rasterio.open(scene.asset("B02").href) as file,
        WarpedVRT(file, resampling=Resampling.bilinear, tolerance=1e-6, XSCALE=1, YSCALE=1, **shared) as warped,
    ):
        exact = warped.read(1)
    found = np.nan_to_num(first.reflectance.isel(time=0, band=0).to_numpy()) / 1e-4
    assert np.abs(found - exact)[exact > 0].max() < 12  # a thousandth of a pixel of pure noise between 200 and 6000


def test_a_grid_of_many_chunks_is_cut_as_asked(tmp_path):
    wide = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=50, height=33)

    build(tmp_path, optical_scene(tmp_path, "a"), grid=wide)

    cube = open_cube(tmp_path / "cube")
    assert cube.reflectance.encoding["chunks"] == (1, 1, 16, 16)
    assert cube.reflectance.chunks == ((1,), (1, 1), (16, 16, 1), (16, 16, 16, 2))


def test_evidence_holds_what_the_pixels_say(tmp_path):
    dn = digital_numbers(1, low=100, high=300)
    told = {"offset_applied": None, "processing_baseline": "05.09"}
    true = optical_scene(tmp_path, "true", bands={"B02": dn})
    lying = optical_scene(tmp_path, "lying", day=1, bands={"B02": dn}, facts=told)

    result = build(tmp_path, true, lying)

    assert outcomes(result) == {"true": ("used", None), "lying": ("skipped", "quarantined")}
    told_why = next(outcome.detail for outcome in result.outcomes if outcome.id == "lying")
    assert "100.0% of B02 lie below DN 500" in told_why
    cube = open_cube(tmp_path / "cube")
    assert cube.radiometric_verdict.to_numpy().tolist() == ["agrees"]
    seen = json.loads(cube.radiometric_evidence.item())["true"]["pixels"]
    assert seen["bands"]["B02"]["min_dn"] == dn.min()
    assert seen["source"]["within"] == "grid"


@pytest.mark.parametrize(("policy", "expected"), [("pixels", 0), ("metadata", -1000)])
def test_a_contradiction_is_resolved_as_configured_and_recorded(tmp_path, policy, expected):
    dn = digital_numbers(1, low=100, high=300)
    scene = optical_scene(
        tmp_path, "dark", bands={"B02": dn}, facts={"offset_applied": None, "processing_baseline": "05.09"}
    )

    result = build(tmp_path, scene, options=BuildOptions(chunk=16, on_contradiction=policy))

    cube = open_cube(tmp_path / "cube")
    found = np.rint(cube.reflectance.isel(time=0, band=0).to_numpy() / 1e-4).astype(int)
    np.testing.assert_array_equal(found, dn.astype(int) + expected)
    assert cube.radiometric_verdict.item() == "contradicts"
    record = json.loads(cube.radiometric_evidence.item())["dark"]
    assert (record["rule"] == "pixels") == (policy == "pixels")
    assert record["offset_dn"] == expected
    assert "the pixels contradict the metadata" in result.notes["dark"][0]


def test_progress_is_told_after_each_unit(tmp_path):
    told = []

    build(tmp_path, optical_scene(tmp_path, "a"), radar_scene(tmp_path, "b"), on_progress=told.append)

    assert [(step.stage, step.done, step.total, step.label) for step in told] == [
        *(("cube", done, 12, "s2 2021-03-01") for done in range(1, 7)),
        *(("cube", done, 12, "s1 2021-03-01") for done in range(7, 13)),
    ]


def test_progress_never_falls_where_a_date_begins_anew(tmp_path):
    good, bad = optical_scene(tmp_path, "good"), optical_scene(tmp_path, "bad", scl=np.full(GRID.shape, 77))
    told = []

    result = build(tmp_path, good, bad, optical_scene(tmp_path, "next", day=1), on_progress=told.append)

    assert outcomes(result)["bad"] == ("skipped", "damaged")
    assert [(step.done, step.total) for step in told] == [(done, 12) for done in range(1, 13)]
