"""Fill values and types that neither item nor file says: missing never becomes a value, nor unmasked ground clear."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_scenes import GRID, optical_scene, scene_of, write_raster

from catalogs.scenes import Asset
from pipelines.cube.source import Skipped, prepare
from pipelines.cube.verdict import check_offset
from pipelines.grid import Block
from pipelines.physics import decide_rule
from pipelines.schema import Reason

WHOLE = Block(row=0, col=0, height=GRID.height, width=GRID.width)
WEST = (GRID.height, GRID.width // 2)
"""Shape of a raster over the western half of the grid."""

NODATA, NOT_MASKED, OUTSIDE = int(Reason.NODATA), int(Reason.NOT_MASKED), int(Reason.OUTSIDE_SWATH)


@pytest.mark.parametrize("in_file", [-32768, None])
def test_decibels_in_integers_are_missing_beside_their_raster(tmp_path, in_file):
    """A fill value of the file read as decibels would be a power of 1e-33, the 0 beside it one of 1."""
    stored = np.full(WEST, -1200, "int16")
    stored[:5] = 0 if in_file is None else in_file
    href = write_raster(tmp_path / "VV.tif", stored, nodata=in_file)
    asset = Asset(band="VV", href=href, unit="dB", scale=0.01, data_type="int16")
    scene = scene_of("RTC", [asset], sensor="sentinel-1-csar", product_type="RTC")
    layer = prepare(scene, group="s1", bands=("VV",), grid=GRID, chunk=512).read(WHOLE)
    lost = np.ones(GRID.shape, dtype=bool)
    lost[5:, : WEST[1]] = False
    np.testing.assert_array_equal(np.isnan(layer.values[0]), lost)
    np.testing.assert_allclose(layer.values[0][~lost], 10**-1.2, rtol=1e-6)
    np.testing.assert_array_equal(layer.reason, np.where(lost, NODATA | NOT_MASKED, NOT_MASKED))


@pytest.mark.parametrize(
    ("scene_facts", "band", "mask", "expected"),
    [
        (("l8", "landsat-oli-tirs", "landsat-c2-l2", "L2SP"), ("SR_B4", "uint16"), ("QA_PIXEL", 21824), NODATA),
        (("modis", "modis", "modis-09A1-061", ""), ("B01", "int16"), ("STATE", 8), NODATA),
        (("s1", "sentinel-1-csar", "OPERA_L2_RTC-S1_V1", "RTC"), ("VV", "float32"), ("MASK", 0), OUTSIDE),
    ],
)
def test_where_a_mask_ends_the_ground_is_not_clear(tmp_path, scene_facts, band, mask, expected):
    (group, sensor, collection, product), (name, kind), (mask_name, clear) = scene_facts, band, mask
    values = write_raster(tmp_path / "values.tif", np.full(GRID.shape, 900, kind))
    bits = write_raster(tmp_path / "mask.tif", np.full(WEST, clear, "uint8" if mask_name == "MASK" else "uint16"))
    assets = [Asset(band=name, href=values, data_type=kind), Asset(band=mask_name, href=bits)]
    scene = scene_of("masked", assets, sensor=sensor, product_type=product)
    scene = dataclasses.replace(scene, collection=collection)
    layer = prepare(scene, group=group, bands=(name,), grid=GRID, chunk=512).read(WHOLE)
    assert (layer.reason[:, : WEST[1]] == 0).all()
    assert (layer.reason[:, WEST[1] :] == expected).all()


def test_zeros_of_sentinel_1_complex_images_are_missing(tmp_path):
    """S1-RS-MDA-52-7441: missing samples hold 0."""
    pixels = np.full(GRID.shape, 3 + 4j, "complex64")
    pixels[:5] = 0
    asset = Asset(band="VV", href=write_raster(tmp_path / "VV.tif", pixels), data_type="complex64")
    scene = scene_of("SLC", [asset], sensor="sentinel-1-csar", product_type="SLC")
    scene = dataclasses.replace(scene, collection="sentinel-1-slc")
    layer = prepare(scene, group="slc", bands=("VV",), grid=GRID, chunk=512).read(WHOLE)
    assert np.isnan(layer.values[0, :5]).all()
    assert (layer.reason[:5] == NODATA | NOT_MASKED).all()
    np.testing.assert_allclose(layer.values[0, 5:], 25.0)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
def test_reflectance_in_floats_is_not_read_as_steps(tmp_path, kind):
    """Reflectance 0.01 to 0.4 as steps of 1e-4 is black, and the pixels would agree that no offset is in it."""
    rng = np.random.default_rng(0)
    bands = {
        band: (rng.uniform(0.01, 0.4, GRID.shape) * (1 if "float" in kind else 500)).astype(kind)
        for band in ("B02", "B04")
    }
    scene = optical_scene(tmp_path, "floats", bands=bands, nodata=None)
    with pytest.raises(Skipped, match=rf"holds {kind}.*raster:scale") as skipped:
        prepare(scene, group="s2", bands=("B02", "B04"), grid=GRID, chunk=512)
    assert skipped.value.reason == "uncalibrated"
    check = check_offset(scene, decide_rule(scene))
    assert check.verdict == "no_pixels"
    assert kind in check.failures["B02"]


def test_floats_whose_item_declares_the_scale_are_steps(tmp_path):
    steps = np.random.default_rng(0).integers(200, 6000, GRID.shape).astype("float32")
    scene = optical_scene(tmp_path, "steps", bands={"B02": steps, "B04": steps}, nodata=None)
    scene = dataclasses.replace(scene, assets=tuple(dataclasses.replace(a, scale=1e-4) for a in scene.assets))
    layer = prepare(scene, group="s2", bands=("B02", "B04"), grid=GRID, chunk=512).read(WHOLE)
    np.testing.assert_array_equal(layer.values[0], steps)
