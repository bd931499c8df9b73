"""Sentinel-2, Landsat and an aerial image of one catalogue on one grid: values, encoding, skips, and what stays out."""

import json
from pathlib import Path

import made_catalogs as made
import numpy as np
import pytest
import xarray as xr

from catalogs import search
from pipelines import build_cube, open_cube
from pipelines.cube import BuildOptions, CubeError
from pipelines.cube.store import open_store
from pipelines.grid import TargetGrid
from pipelines.schema import GROUP_SPECS, Reason

CORNER = (485899.0, 5209246.0)  # of the aerial image of 2020
GRID = TargetGrid(epsg=26914, resolution=5.0, x_min=CORNER[0], y_max=CORNER[1], width=240, height=180)
COLLECTIONS = ("sentinel-2-l2a", "landsat-c2-l2", "naip")
CRS = "EPSG:26914"


def aerial_item(folder, shared):
    source = next((shared / "catalog/naip").glob("*20200831/*20200831.json"))
    item = json.loads(source.read_text())
    item["links"] = []
    for key, asset in item["assets"].items():
        if key in ("red", "green", "blue", "nir"):
            pixels = made.values_of(source.parent / asset["href"])[: GRID.height, : GRID.width]
            made.write_cog(folder / item["id"] / f"{key}.tif", pixels, crs=CRS, corner=CORNER, size=5, nodata=0)
            for name in ("file:checksum", "file:size", "proj:shape", "proj:transform", "proj:bbox"):
                asset.pop(name, None)
        asset["href"] = f"./{key}.tif"
    return item


def sentinel_item(folder):
    shape = (GRID.height // 2, GRID.width // 2)
    item = made.place(
        {
            "type": "Feature", "stac_version": "1.0.0", "id": "S2B_14TNT_20200830_0_L2A",
            "collection": "sentinel-2-l2a",
            "properties": {"datetime": "2020-08-30T17:30:00Z", "platform": "sentinel-2b",
                           "earthsearch:boa_offset_applied": True, "s2:processing_baseline": "02.14"},
            "assets": {},
        },
        crs=CRS, corner=CORNER, size=10, shape=shape,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    for key, name in (("blue", "B02"), ("red", "B04"), ("nir", "B08")):
        path = made.write_cog(
            folder / item["id"] / f"{key}.tif", rng.integers(50, 6000, shape).astype("uint16"),
            crs=CRS, corner=CORNER, size=10, nodata=0,
        )  # fmt: skip
        raster = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": 0}
        item["assets"][key] = {"href": f"./{path.name}", "eo:bands": [{"name": name}], "raster:bands": [raster]}
    return item


@pytest.fixture(scope="module")
def region(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalog")
    original = json.loads((shared_data / "stac_items/earth-search/landsat-c2-l2").glob("*.json").__next__().read_text())
    landsat = made.landsat_item(folder, original, crs=CRS, corner=CORNER, shape=(30, 40))
    maskless = made.landsat_item(folder, {**original, "id": "LC08_maskless"}, crs=CRS, corner=CORNER, shape=(30, 40))
    maskless["id"], maskless["properties"]["datetime"] = "LC08_maskless", "2023-10-24T17:37:26Z"
    maskless["properties"]["landsat:scene_id"] = "LC80330322023297LGN00"
    del maskless["assets"]["qa_pixel"]
    catalog = made.write_catalog(folder, sentinel_item(folder), landsat, maskless, aerial_item(folder, shared_data))
    found = search(made.query_of(GRID, *COLLECTIONS), catalog)
    return folder, found, build_cube(found, GRID, folder / "cube", options=BuildOptions(chunk=64))


def test_three_sensors_stand_on_one_grid(region):
    _, found, result = region

    assert sorted(scene.sensor for scene in found.scenes) == [
        "landsat-oli-tirs", "landsat-oli-tirs", "naip-aerial", "sentinel-2-msi",
    ]  # fmt: skip
    assert result.dates == {"l8": 1, "s2": 1, "vhr": 1}
    skipped = [row for row in result.outcomes if row.outcome == "skipped"]
    assert [(row.id, row.reason) for row in skipped] == [("LC08_maskless", "missing_asset")]
    cubes = {group: open_cube(result.ref.uri, group) for group in result.dates}
    for cube in cubes.values():
        np.testing.assert_array_equal(cube.x, GRID.x)
        np.testing.assert_array_equal(cube.y, GRID.y)


@pytest.mark.parametrize(
    ("group", "size", "files"),
    [
        ("s2", 10, {"B02": "blue", "B04": "red", "B08": "nir"}),
        ("l8", 30, {band: key for key, band in made.LANDSAT_BANDS.items() if band != "SR_B1"}),
        ("vhr", 5, {name: name for name in ("blue", "green", "red", "nir")}),
    ],
)
def test_values_equal_rasterio_by_both_readers(region, group, size, files):
    folder, _, result = region
    spec = GROUP_SPECS[group]
    cube = open_cube(result.ref.uri, group).load()
    plain = xr.open_zarr(open_store(result.ref.uri).read(), group=group, consolidated=False, zarr_format=3).load()
    scene = str(cube.scene_ids.to_numpy()[0])

    assert cube.band.to_numpy().tolist() == list(files)
    assert plain[spec.value_name].encoding["dtype"] == spec.dtype
    assert plain.spatial_ref.attrs["GeoTransform"].startswith("485899.0 5.0")
    for band, key in files.items():
        stored = made.values_of(folder / scene / f"{key}.tif").repeat(size // 5, 0).repeat(size // 5, 1)
        stored = stored[: GRID.height, : GRID.width]
        scale, offset = spec.scale_factor or 1.0, spec.add_offset
        exact = np.where(stored == 0, np.nan, stored.astype(np.float64) * scale + offset)
        np.testing.assert_array_equal(cube[spec.value_name].sel(band=band)[0], exact.astype(np.float32))
        # xarray decodes in the width that it thinks enough: float32 for the integers without an offset
        np.testing.assert_allclose(plain[spec.value_name].sel(band=band)[0], exact, rtol=2e-7, atol=2e-8)


def test_steps_go_to_disk_unchanged(region):
    folder, _, result = region
    store = open_store(result.ref.uri).read()
    raw = xr.open_zarr(store, group="l8", consolidated=False, zarr_format=3, mask_and_scale=False)
    scene = str(open_cube(result.ref.uri, "l8").scene_ids.to_numpy()[0])

    stored = made.values_of(folder / scene / "red.tif").repeat(6, 0).repeat(6, 1)
    np.testing.assert_array_equal(raw.reflectance.sel(band="SR_B4")[0], stored)
    assert raw.reflectance.dtype == np.uint16
    assert {k: raw.reflectance.attrs[k] for k in ("scale_factor", "add_offset")} == {
        "scale_factor": 2.75e-5,
        "add_offset": -0.2,
    }


def test_an_aerial_image_is_called_relative_wherever_it_is_read(region):
    _, _, result = region
    cube = open_cube(result.ref.uri, "vhr")

    assert list(cube.data_vars) == ["digital_number", "valid", "reason"]
    assert (cube.digital_number.attrs["radiometry"], cube.digital_number.attrs["units"]) == ("relative", "1")
    assert str(cube.radiometric_rule.to_numpy()[0]) == "relative"
    assert (cube.reason == int(Reason.NOT_MASKED)).all()


def test_what_was_left_out_is_told(region):
    _, _, result = region

    assert [note for notes in result.notes.values() for note in notes if "kelvin" in note] == [
        "ST_B10 left out: a temperature in kelvin, the group holds reflectance"
    ]


def test_other_bands_of_a_group_are_refused(region):
    _, found, result = region
    with pytest.raises(CubeError, match=r"bands of l8 in .* the build asks for \['SR_B4'\]"):
        build_cube(found, GRID, result.ref.uri, options=BuildOptions(bands_l8=("SR_B4",)))


@pytest.mark.parametrize(
    ("band", "says"),
    [
        ("SR_B12", r"a band of group l8 is one of .*got 'SR_B12'"),
        ("ST_B10", r"a band of group l8 is one of .*got 'ST_B10'"),
        ("QA_PIXEL", r"a band of group l8 is one of .*got 'QA_PIXEL'"),
    ],
)
def test_a_band_that_no_sensor_has_is_refused(region, tmp_path, band, says):
    _, found, _ = region
    with pytest.raises(CubeError, match=says):
        build_cube(found, GRID, tmp_path / "cube", options=BuildOptions(bands_l8=("SR_B4", band)))
    assert not (tmp_path / "cube").exists() or not open_store(tmp_path / "cube").root()


@pytest.mark.slow
def test_a_run_maps_what_the_model_knows_and_tells_of_the_rest(region, tmp_path):
    from flows.config import RegionConfig
    from flows.monitor import run_region

    folder, _, _ = region
    config = RegionConfig.model_validate(
        {
            "name": "plains",
            "area": {"crs": CRS, "bounds": GRID.bounds},
            "resolution": 5.0,
            "time": {"start": "2000-01-01", "end": "2030-01-01"},
            "sources": [{"catalog": str(folder / "catalog.json"), "collections": COLLECTIONS}],
            "products": ["land-cover"],
            "inference": {"weights": "nano-dense"},
            "bands": {"vhr": ["red", "nir"]},
            "output": str(tmp_path / "out"),
        }
    )
    report = run_region(config)

    assert report.status == "CompletedWithGaps"  # the Landsat scene without its mask
    assert [note for note in report.notes if "feeds no product" in note] == [
        "group l8 is in the cube with 1 dates and feeds no product: the model knows s1 and s2",
        "group vhr is in the cube with 1 dates and feeds no product: the model knows s1 and s2",
    ]
    item = json.loads(Path(report.products[0].path).read_text())
    sources = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    assert any("S2B_14TNT" in href for href in sources)
    assert not any("LC08" in href or "NAIP" in href for href in sources)
    assert open_cube(report.cube.uri, "vhr").band.to_numpy().tolist() == ["red", "nir"]
