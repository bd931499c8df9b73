"""Landsat Collection 2 Level 2 from real items to a layer, against rasterio and the product's bit tables."""

import copy
import json

import made_catalogs as made
import numpy as np
import pytest

from catalogs import search
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block, TargetGrid
from pipelines.physics.packing import pack_values, unpack_values
from pipelines.schema import GROUP_SPECS, Reason

CORNER, SHAPE = (449085.0, 4581915.0), (40, 50)
GRID = TargetGrid(epsg=32613, resolution=30.0, x_min=CORNER[0], y_max=CORNER[1], width=SHAPE[1], height=SHAPE[0])
BANDS = tuple(made.LANDSAT_BANDS.values())
WHOLE = Block(row=0, col=0, height=SHAPE[0], width=SHAPE[1])
CLEAR = 21824  # USGS, LSDS-1619, table of QA_PIXEL values: clear with low confidences


@pytest.fixture(scope="module")
def originals(shared_data):
    folder = shared_data / "stac_items"
    paths = sorted(folder.glob("*/landsat-c2-l2/*.json"))
    return {path.stem: json.loads(path.read_text()) for path in paths}


@pytest.fixture
def original(originals):
    return originals["LC08_L2SP_033032_20231008_02_T1"]


def scene_of(folder, item):
    found = search(made.query_of(GRID, item["collection"]), made.write_catalog(folder, item))
    assert [row.detail for row in found.skipped] == []
    return found.scenes[0]


def read(scene, bands=BANDS, grid=GRID, block=WHOLE, **options):
    return prepare(scene, group="l8", bands=bands, grid=grid, chunk=512, **options).read(block)


@pytest.mark.parametrize("name", ["LC08_L2SP_033032_20231008_02_T1", "LC09_L2SR_084073_20250722_02_T1"])
def test_steps_equal_rasterio_bit_for_bit(originals, tmp_path, name):
    original = originals[name]
    if "lwir11" not in original["assets"]:
        original = copy.deepcopy(original)
        original["assets"]["lwir11"] = {"raster:bands": [{"nodata": 0}], "href": "x"}
    scene = scene_of(tmp_path, made.landsat_item(tmp_path, original))

    layer = read(scene)

    assert scene.sensor == "landsat-oli-tirs"
    assert scene.product_type == original["properties"]["landsat:correction"]
    assert layer.values.dtype == np.uint16
    for index, key in enumerate(made.LANDSAT_BANDS):
        np.testing.assert_array_equal(layer.values[index], made.values_of(tmp_path / scene.id / f"{key}.tif"))


def test_a_finer_grid_repeats_the_pixels(original, tmp_path):
    scene = scene_of(tmp_path, made.landsat_item(tmp_path, original))
    grid = TargetGrid(epsg=32613, resolution=10.0, x_min=CORNER[0], y_max=CORNER[1], width=30, height=30)

    layer = read(scene, grid=grid, block=Block(row=0, col=0, height=30, width=30))

    stored = made.values_of(tmp_path / scene.id / "red.tif")[:10, :10]
    np.testing.assert_array_equal(layer.values[3], stored.repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1, Reason.NODATA),
        (CLEAR, Reason(0)),
        (CLEAR | 1 << 1, Reason.CLOUD_BUFFER),
        (CLEAR | 1 << 2, Reason.CIRRUS),
        (22280, Reason.CLOUD),  # LSDS-1619: high confidence cloud
        (CLEAR | 1 << 4, Reason.CLOUD_SHADOW),
        (CLEAR | 1 << 5, Reason.SNOW),
        (CLEAR | 1 << 7, Reason(0)),  # water is no reason
        (0xFF00, Reason(0)),  # confidences alone say nothing
        (CLEAR | 0b11100, Reason.CIRRUS | Reason.CLOUD | Reason.CLOUD_SHADOW),
    ],
)
def test_each_bit_of_qa_pixel(original, tmp_path, value, reason):
    qa = np.full(SHAPE, CLEAR, "uint16")
    qa[5, 6] = value
    bands = {key: np.full(SHAPE, 9000, "uint16") for key in made.LANDSAT_BANDS}

    layer = read(scene_of(tmp_path, made.landsat_item(tmp_path, original, qa=qa, bands=bands)))

    assert Reason(int(layer.reason[5, 6])) == reason
    assert (np.delete(layer.reason.ravel(), 5 * SHAPE[1] + 6) == 0).all()


def test_saturation_counts_for_the_bands_of_the_cube_only(original, tmp_path):
    radsat = np.zeros(SHAPE, "uint16")
    radsat[0, 0], radsat[0, 1], radsat[0, 2] = 1 << 3, 1 << 0, 1 << 11  # red; coastal; terrain occlusion
    bands = {key: np.full(SHAPE, 9000, "uint16") for key in made.LANDSAT_BANDS}
    scene = scene_of(tmp_path, made.landsat_item(tmp_path, original, radsat=radsat, bands=bands))

    layer = read(scene, bands=("SR_B4", "SR_B5"))

    assert layer.reason[0, :4].tolist() == [int(Reason.SATURATED), 0, int(Reason.OUTSIDE_SWATH), 0]


def test_fill_is_missing_and_an_edge_keeps_what_it_has(original, tmp_path):
    bands = {key: np.full(SHAPE, 9000, "uint16") for key in made.LANDSAT_BANDS}
    bands["red"][2, 2] = 0
    for pixels in bands.values():
        pixels[3, 3] = 0

    layer = read(scene_of(tmp_path, made.landsat_item(tmp_path, original, bands=bands)))

    assert layer.reason[2, 2] == int(Reason.BORDER)
    assert layer.reason[3, 3] == int(Reason.NODATA)
    assert layer.values[:, 2, 2].tolist() == [9000, 9000, 9000, 0, 9000, 9000, 9000]


def test_temperature_is_left_out_and_told(original, tmp_path):
    scene = scene_of(tmp_path, made.landsat_item(tmp_path, original))

    source = prepare(scene, group="l8", bands=BANDS, grid=GRID, chunk=512)

    assert scene.asset("ST_B10").scale == 0.00341802
    assert "ST_B10 left out: a temperature in kelvin, the group holds reflectance" in source.evidence["notes"]
    assert source.rule_name == "declared"


def test_without_declarations_the_product_decides(original, tmp_path):
    item = made.landsat_item(tmp_path, original)
    for asset in item["assets"].values():
        for raster in asset.get("raster:bands", ()):
            raster.pop("scale", None)
            raster.pop("offset", None)
            raster.pop("nodata", None)

    source = prepare(scene_of(tmp_path, item), group="l8", bands=BANDS, grid=GRID, chunk=512)

    assert source.rule_name == "product"
    assert source.read(WHOLE).reason[0, 2] == int(Reason.NODATA)  # DN 0 is fill, by the facts


def without_mask(item):
    del item["assets"]["qa_pixel"]


def other_scale(item):
    item["assets"]["red"]["raster:bands"][0]["scale"] = 1e-4


def level_one(item):
    item["properties"]["landsat:correction"] = "L1TP"
    for asset in item["assets"].values():
        for raster in asset.get("raster:bands", ()):
            raster.pop("scale", None)


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        (without_mask, "missing_asset", "carries its mask QA_PIXEL"),
        (other_scale, "uncalibrated", r"scale of surface reflectance is 2.75e-05.*declares 0.0001 for SR_B4"),
    ],
)
def test_what_does_not_fit_is_skipped_with_its_reason(original, tmp_path, change, reason, says):
    item = made.landsat_item(tmp_path, original)
    change(item)

    with pytest.raises(Skipped, match=says) as skipped:
        prepare(scene_of(tmp_path, item), group="l8", bands=BANDS, grid=GRID, chunk=512)
    assert skipped.value.reason == reason


def test_level_one_is_left_out_by_the_search(original, tmp_path):
    item = made.landsat_item(tmp_path, original)
    level_one(item)

    found = search(made.query_of(GRID, "landsat-c2-l2"), made.write_catalog(tmp_path, item))

    assert [(row.reason, "L1 of landsat-oli-tirs" in row.detail) for row in found.skipped] == [("uncalibrated", True)]


def test_an_older_landsat_is_left_out_by_the_search(original, tmp_path):
    item = made.landsat_item(tmp_path, original)
    item["properties"]["platform"] = "landsat-7"

    found = search(made.query_of(GRID, "landsat-c2-l2"), made.write_catalog(tmp_path, item))

    assert [(row.reason, "'landsat-7'" in row.detail) for row in found.skipped] == [("unreadable", True)]


def test_a_file_of_another_type_is_skipped(original, tmp_path):
    item = made.landsat_item(tmp_path, original)
    reflectance = np.full(SHAPE, 0.3, "float32")
    made.write_cog(tmp_path / item["id"] / "red.tif", reflectance, crs="EPSG:32613", corner=CORNER, size=30)

    with pytest.raises(Skipped, match=r"SR_B4 of landsat-oli-tirs holds uint16.*holds float32") as skipped:
        prepare(scene_of(tmp_path, item), group="l8", bands=BANDS, grid=GRID, chunk=512)
    assert skipped.value.reason == "uncalibrated"


def test_reflectance_is_that_of_the_product_guide():
    # LSDS-1619: valid range 7273 to 43636 stands for reflectance 0 to 1
    spec = GROUP_SPECS["l8"]
    every = np.arange(65536, dtype=np.uint16)
    values = unpack_values(every, spec)

    assert np.isnan(values[0])
    assert values[7273] == pytest.approx(0.0, abs=2.75e-5)
    assert values[43636] == pytest.approx(1.0, abs=2.75e-5)
    assert values[1] == np.float32(2.75e-5 - 0.2)
    packed = pack_values(values, spec)
    np.testing.assert_array_equal(packed.stored, every)
    assert not packed.beyond.any()
