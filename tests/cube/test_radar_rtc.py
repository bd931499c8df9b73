"""Terrain-corrected radar products with their masks, from files to a cube."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made_scenes import FIRST, GRID, scene_of, scene_set, write_raster

from catalogs.scenes import Asset
from pipelines import build_cube, open_cube
from pipelines.cube import BuildOptions
from pipelines.cube.errors import ReadFailed
from pipelines.cube.source import prepare
from pipelines.grid import Block
from pipelines.schema import Reason

WHOLE = Block(row=0, col=0, height=GRID.height, width=GRID.width)


def rtc_scene(folder, *, mask=None, collection="OPERA_L2_RTC-S1_V1", band="MASK"):
    power = np.random.default_rng(1).gamma(4.4, 0.02, GRID.shape).astype("float32")
    if mask is not None:
        power[mask == 255] = np.nan
    href = write_raster(folder / "VV.tif", power, nodata=np.nan)
    assets = [Asset(band="VV", href=href, data_type="float32", nodata=np.nan)]
    if mask is not None:
        assets.append(Asset(band=band, href=write_raster(folder / "mask.tif", mask, nodata=255), nodata=255))
    scene = scene_of("RTC", assets, sensor="sentinel-1-csar", time=FIRST, platform="sentinel-1a", product_type="RTC")
    return dataclasses.replace(scene, collection=collection), power


def stripes():
    mask = np.zeros(GRID.shape, "uint8")
    for row, value in enumerate((1, 2, 3, 255)):
        mask[5 * row + 2 : 5 * row + 5, 3:] = value
    return mask


def test_layover_and_shadow_are_flagged_and_their_values_kept(tmp_path):
    mask = stripes()
    scene, power = rtc_scene(tmp_path, mask=mask)
    cube = open_cube(build_cube(scene_set(scene), GRID, tmp_path / "cube", options=BuildOptions()).ref.uri, "s1").load()
    reason, valid = cube.reason.to_numpy()[0], cube.valid.to_numpy()[0]
    outside = int(Reason.OUTSIDE_SWATH | Reason.NODATA)
    for value, bits in ((0, 0), (1, int(Reason.RADAR_SHADOW)), (2, int(Reason.LAYOVER)), (255, outside)):
        assert set(np.unique(reason[mask == value])) == {bits}
    np.testing.assert_array_equal(valid, mask == 0)
    np.testing.assert_array_equal(cube.power.to_numpy()[0, 0], power)
    (evidence,) = json.loads(cube.radiometric_evidence.item()).values()
    assert evidence["mask"] == "MASK of opera"


def test_without_a_mask_the_cube_says_so(tmp_path):
    scene, _ = rtc_scene(tmp_path, collection="sentinel-1-rtc")
    layer = prepare(scene, group="s1", bands=("VV",), grid=GRID, chunk=512).read(WHOLE)
    assert set(np.unique(layer.reason)) == {int(Reason.NOT_MASKED)}


def test_a_mask_of_unknown_meaning_is_not_used_and_that_is_said(tmp_path):
    scene, _ = rtc_scene(tmp_path, mask=stripes(), collection="sentinel-1-rtc")
    source = prepare(scene, group="s1", bands=("VV",), grid=GRID, chunk=512)
    assert any("what its numbers mean is not known" in note for note in source.evidence["notes"])
    assert ((source.read(WHOLE).reason & int(Reason.NOT_MASKED)) != 0).all()


def test_the_map_of_gamma_has_bits(tmp_path):
    mask = np.ones(GRID.shape, "uint8")
    mask[:5], mask[5:9] = 5, 17
    scene, _ = rtc_scene(tmp_path, mask=mask, collection="asf-rtc", band="LSMAP")
    reason = prepare(scene, group="s1", bands=("VV",), grid=GRID, chunk=512).read(WHOLE).reason
    assert set(np.unique(reason[:5])) == {int(Reason.LAYOVER)}
    assert set(np.unique(reason[5:9])) == {int(Reason.RADAR_SHADOW)}
    assert set(np.unique(reason[9:])) == {0}


@pytest.mark.parametrize("value", [7, 200])
def test_a_mask_that_is_none_fails_the_read(tmp_path, value):
    scene, _ = rtc_scene(tmp_path, mask=np.full(GRID.shape, value, "uint8"))
    source = prepare(scene, group="s1", bands=("VV",), grid=GRID, chunk=512)
    with pytest.raises(ReadFailed, match="does not hold"):
        source.read(WHOLE)
