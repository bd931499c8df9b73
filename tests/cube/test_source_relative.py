"""Aerial images: real numbers unchanged, and never called reflectance."""

import dataclasses

import made_catalogs as made
import numpy as np
import pytest

from catalogs import search
from pipelines.cube.fields import image_fields
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block, TargetGrid
from pipelines.schema import Reason

BANDS = ("blue", "green", "red", "nir")


@pytest.fixture(scope="module")
def scene(shared_data):
    grid = TargetGrid(epsg=26914, resolution=5.0, x_min=485899.0, y_max=5209246.0, width=934, height=723)
    found = search(made.query_of(grid, "naip"), shared_data / "catalog" / "catalog.json")
    return grid, next(scene for scene in found.scenes if scene.id.endswith("20200831"))


def test_eight_bits_are_kept_as_they_are(scene):
    grid, image = scene
    block = Block(row=100, col=50, height=300, width=400)
    layer = prepare(image, group="vhr", bands=BANDS, grid=grid, chunk=512).read(block)

    assert layer.values.dtype == np.uint16
    for index, band in enumerate(BANDS):
        expected = made.values_of(image.asset(band).href)[block.slices]
        np.testing.assert_array_equal(layer.values[index], expected)
    assert (layer.reason == int(Reason.NOT_MASKED)).all()


@pytest.mark.parametrize(("nodata", "missing"), [(255.0, (5, 5)), (None, (0, 0)), (0.0, (0, 0))])
def test_a_dark_pixel_is_missing_only_where_0_is_the_fill(scene, tmp_path, nodata, missing):
    grid, image = scene
    dark = np.full((20, 30), 7, "uint8")
    dark[0, 0], dark[5, 5] = 0, 255
    path = made.write_cog(tmp_path / "red.tif", dark, crs="EPSG:26914", corner=(grid.x_min, grid.y_max), size=5)
    asset = dataclasses.replace(image.asset("red"), href=str(path), nodata=nodata, checksum=None, size_bytes=None)
    lone = dataclasses.replace(image, assets=(asset,))
    block = Block(row=0, col=0, height=20, width=30)

    layer = prepare(lone, group="vhr", bands=("red",), grid=grid, chunk=512).read(block)

    expected = dark.astype("uint16")
    expected[missing] = 65535
    np.testing.assert_array_equal(layer.values[0], expected)
    assert np.argwhere(layer.reason & int(Reason.NODATA)).tolist() == [list(missing)]


def test_they_are_called_relative(scene):
    grid, image = scene
    source = prepare(image, group="vhr", bands=BANDS, grid=grid, chunk=512)
    attributes = image_fields("vhr")["digital_number"].attributes

    assert source.rule_name == "relative"
    assert source.evidence["sensor"] == "naip-aerial"
    assert (attributes["radiometry"], attributes["units"]) == ("relative", "1")
    assert "reflectance" not in str(attributes)


def test_a_picture_of_all_bands_in_one_file_is_left_out(shared_data, tmp_path):
    # Planetary Computer's items of the same images hold one asset of four bands
    import json

    item = json.loads(next((shared_data / "stac_items/planetary-computer/naip").glob("vt_*.json")).read_text())
    item["assets"]["image"]["href"] = "./image.tif"
    west, south, east, north = item["bbox"]
    grid = TargetGrid.from_bbox_wgs84((west + 0.02, south + 0.02, east - 0.02, north - 0.02), resolution=5.0)

    found = search(made.query_of(grid, "naip"), made.write_catalog(tmp_path, item))

    assert [row.reason for row in found.skipped] == ["missing_asset"]


def test_floats_are_no_image_numbers(scene, tmp_path):
    grid, image = scene
    path = made.write_cog(
        tmp_path / "red.tif", np.ones((20, 30), "float32"), crs="EPSG:26914", corner=(grid.x_min, grid.y_max), size=5
    )
    asset = dataclasses.replace(image.asset("red"), href=str(path), checksum=None, size_bytes=None)

    with pytest.raises(Skipped, match=r"red of naip-aerial holds uint16 or uint8.*holds float32") as skipped:
        prepare(dataclasses.replace(image, assets=(asset,)), group="vhr", bands=BANDS, grid=grid, chunk=512)
    assert skipped.value.reason == "uncalibrated"
