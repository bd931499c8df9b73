"""MODIS on its sphere, whose CRS has no code, to a grid in metres: against exact coordinates and the guide's bits."""

import dataclasses

import made_catalogs as made
import numpy as np
import pytest
import rasterio
from pyproj import CRS, Transformer

from catalogs import search
from pipelines.cube.source import Skipped, prepare
from pipelines.grid import Block, TargetGrid
from pipelines.schema import Reason

GRID = TargetGrid(epsg=32631, resolution=500.0, x_min=662000.0, y_max=5614000.0, width=12, height=10)
WHOLE = Block(row=0, col=0, height=GRID.height, width=GRID.width)
SIZE = 463.3127165279165


def corner_over(grid):
    """North-west corner of a sinusoidal raster that covers the grid."""
    x, y = Transformer.from_crs(grid.epsg, CRS.from_user_input(made.SINUSOIDAL), always_xy=True).transform(
        grid.x_min, grid.y_max
    )
    return x - 8 * SIZE, y + 6 * SIZE


@pytest.fixture
def scene(tmp_path):
    def build(**changes):
        item = made.modis_item(tmp_path, "MOD09A1.A2021161.h18v03", corner=corner_over(GRID), **changes)
        found = search(made.query_of(GRID, item["collection"]), made.write_catalog(tmp_path, item))
        assert [row.detail for row in found.skipped] == []
        return found.scenes[0]

    return build


def read(scene, block=WHOLE, bands=("B01", "B02")):
    return prepare(scene, group="modis", bands=bands, grid=GRID, chunk=512).read(block)


def clear(shape=(24, 24)):
    return np.full(shape, 1 << 3, "uint16")  # bits 3 to 5: land


def smooth(shape=(24, 24)):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return (2000 + 60 * rows + 35 * cols).astype("int16")


def test_reflectance_comes_from_the_sphere_within_a_fiftieth_of_a_pixel(scene):
    made_up = scene(state=clear(), bands={"sur_refl_b01": smooth()})
    layer = read(made_up, bands=("B01",))

    with rasterio.open(made_up.asset("B01").href) as file:
        assert file.crs.to_epsg() is None
        to_pixels = ~file.transform
    exact = Transformer.from_crs(GRID.epsg, CRS.from_user_input(made.SINUSOIDAL), always_xy=True)
    x, y = exact.transform(*np.meshgrid(GRID.x, GRID.y))
    col, row = to_pixels.a * x + to_pixels.b * y + to_pixels.c, to_pixels.d * x + to_pixels.e * y + to_pixels.f
    # bilinear between pixel centres gives a plane back as it is
    expected = 2000 + 60 * (row - 0.5) + 35 * (col - 0.5)
    # a fiftieth of a pixel is at most 60 / 50 + 35 / 50 steps, and a half for rounding
    assert np.abs(layer.values[0] - expected).max() <= (60 + 35) / 50 + 0.5
    assert (layer.reason == 0).all()


def test_the_source_tells_how_the_pixels_came(scene):
    source = prepare(scene(state=clear()), group="modis", bands=("B01", "B02"), grid=GRID, chunk=512)

    notes = source.evidence["notes"]
    assert any("warped from" in note and "bilinear: B01 B02" in note for note in notes), notes
    assert source.rule_name == "declared"


def test_negative_reflectance_stays_and_fill_is_missing(scene):
    plane = smooth()
    plane[:] = -57
    filled = plane.copy()
    filled[:] = -28672

    layer = read(scene(state=clear(), bands={"sur_refl_b01": plane, "sur_refl_b02": filled}))

    assert (layer.values[0] == -57).all()
    assert (layer.values[1] == -32768).all()
    assert (layer.reason == int(Reason.BORDER)).all()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0b00, Reason(0)),
        (0b01, Reason.CLOUD),
        (0b10, Reason.CLOUD),
        (0b11, Reason(0)),  # not set, assumed clear
        (1 << 2, Reason.CLOUD_SHADOW),
        (1 << 8, Reason(0)),  # small cirrus
        (2 << 8, Reason.CIRRUS),
        (3 << 8, Reason.CIRRUS),
        (1 << 10, Reason.CLOUD),
        (1 << 11, Reason(0)),  # fire
        (1 << 12, Reason.SNOW),
        (1 << 13, Reason.CLOUD_BUFFER),
        (1 << 15, Reason.SNOW),
        (65535, Reason.NODATA),
    ],
)
def test_each_bit_of_the_state(scene, value, reason):
    layer = read(scene(state=np.full((24, 24), value, "uint16"), bands={"sur_refl_b01": smooth()}), bands=("B01",))

    assert {Reason(int(found)) for found in np.unique(layer.reason)} == {reason}


def test_without_its_state_a_composite_is_skipped(scene):
    with pytest.raises(Skipped, match="carries its mask STATE") as skipped:
        read(scene())
    assert skipped.value.reason == "missing_asset"


def test_nadir_reflectance_needs_no_state_and_has_its_own_fill(scene):
    plane = smooth()
    plane[0:2] = 32767
    made_up = scene(collection="modis-43A4-061", bands={"Nadir_Reflectance_Band1": plane})

    # the item says -28672 by mistake of the fixture: take it away, the facts say 32767
    silent = dataclasses.replace(
        made_up, assets=tuple(dataclasses.replace(asset, nodata=None) for asset in made_up.assets)
    )
    source = prepare(silent, group="modis", bands=("B01",), grid=GRID, chunk=512)

    assert source.lazy.planes["B01"].asset.nodata == 32767
    assert (source.read(WHOLE).reason & int(Reason.NOT_MASKED) != 0).all()


def test_a_foreign_scale_is_refused(scene, tmp_path):
    made_up = scene(state=clear())
    wrong = dataclasses.replace(made_up, assets=tuple(dataclasses.replace(a, scale=0.01) for a in made_up.assets))

    with pytest.raises(Skipped, match=r"DN \* 0.0001.*declares 0.01"):
        read(wrong)
