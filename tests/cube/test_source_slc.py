"""Geocoded complex images: squared magnitude, and calibrated only by the item's word."""

import dataclasses

import made_scenes as made
import numpy as np
import pytest
from made_scenes import GRID

from catalogs import Asset
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block
from pipelines.schema import Reason

WHOLE = Block(row=0, col=0, height=GRID.height, width=GRID.width)


@pytest.fixture
def complex_scene(tmp_path):
    def build(pixels=None, *, unit=None, scale=None, **raster):
        rng = np.random.default_rng(3)
        if pixels is None:
            pixels = (rng.normal(size=GRID.shape) + 1j * rng.normal(size=GRID.shape)).astype("complex64")
        path = made.write_raster(tmp_path / "VV.tif", pixels, **raster)
        asset = Asset(band="VV", href=path, unit=unit, scale=scale, data_type="complex64")
        scene = made.scene_of("SLC", [asset], sensor="sentinel-1-csar", product_type="SLC")
        return dataclasses.replace(scene, collection="sentinel-1-slc"), pixels

    return build


def source_of(scene):
    return prepare(scene, group="slc", bands=("VV",), grid=GRID, chunk=512)


def test_intensity_is_the_squared_magnitude(complex_scene):
    scene, pixels = complex_scene()
    source = source_of(scene)
    layer = source.read(WHOLE)

    expected = pixels.real.astype(float) ** 2 + pixels.imag.astype(float) ** 2
    np.testing.assert_allclose(layer.values[0], expected, rtol=1e-6)
    assert source.rule_name == "uncalibrated"
    assert (layer.reason == int(Reason.NOT_MASKED)).all()


def test_the_item_may_say_that_it_is_calibrated(complex_scene):
    scene, pixels = complex_scene(unit="1", scale=0.5)
    source = source_of(scene)

    assert source.rule_name == "calibrated"
    np.testing.assert_allclose(source.read(WHOLE).values[0], np.abs(pixels * 0.5) ** 2, rtol=1e-5)


def test_missing_complex_pixels_stay_missing(complex_scene):
    _, pixels = complex_scene()
    pixels[3, 4] = complex(np.nan, np.nan)
    scene, _ = complex_scene(pixels)

    layer = source_of(scene).read(WHOLE)

    assert np.isnan(layer.values[0, 3, 4])
    assert layer.reason[3, 4] == int(Reason.NODATA | Reason.NOT_MASKED)


def test_a_shifted_lattice_takes_the_nearest_pixel(complex_scene):
    scene, pixels = complex_scene(corner=(GRID.x_min - 4.0, GRID.y_max + 3.0))
    layer = source_of(scene).read(WHOLE)

    found = layer.values[0][2:-2, 2:-2]
    np.testing.assert_allclose(found, np.abs(pixels[2:-2, 2:-2]) ** 2, rtol=1e-6)


@pytest.mark.parametrize(("unit", "says"), [("dB", "no unit or one of"), ("m", "no unit or one of")])
def test_a_unit_that_complex_numbers_cannot_have_is_refused(complex_scene, unit, says):
    scene, _ = complex_scene(unit=unit)
    with pytest.raises(Skipped, match=says) as skipped:
        source_of(scene)
    assert skipped.value.reason == "uncalibrated"


def test_detected_numbers_are_no_complex_ones(complex_scene):
    scene, _ = complex_scene(np.ones(GRID.shape, "float32"))
    with pytest.raises(Skipped, match=r"holds complex numbers.*float32"):
        source_of(scene)
