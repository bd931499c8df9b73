"""A warp places pixels: planted rasters whose value is their own column or row say where each pixel came from."""

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.vrt import WarpedVRT

from pipelines.cube.gather import RasterWindow, frame_of, gather_bilinear, gather_nearest
from pipelines.cube.raster_geometry import AffineGeometry
from pipelines.cube.scratch import Scratch
from pipelines.cube.warp_map import ONE, warp_map
from pipelines.grid import Block, TargetGrid

GRID = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=230, height=190)
WHOLE = Block(row=0, col=0, height=GRID.height, width=GRID.width)
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
ALBERS = pyproj.CRS.from_user_input("+proj=aea +lat_1=43 +lat_2=62 +lat_0=30 +lon_0=10 +ellps=intl +units=m").to_wkt()


def geometry_around(crs, size, *, rows=0.0, turned=0.0, margin=30):
    """A raster of pixels of `size` around the grid, turned by some degrees."""
    x_min, y_min, x_max, y_max = GRID.bounds
    xs, ys = np.array([x_min, x_max, x_min, x_max]), np.array([y_min, y_min, y_max, y_max])
    x, y = pyproj.Transformer.from_crs(GRID.epsg, crs, always_xy=True).transform(xs, ys)
    affine = (
        Affine.translation(x.min() - margin * size, y.max() + margin * size)
        @ Affine.rotation(turned, pivot=((x.max() - x.min()) / 2, (y.min() - y.max()) / 2))
        @ Affine.scale(size, -size)
    )
    shape = (int((y.max() - y.min()) / size) + 2 * margin, int((x.max() - x.min()) / size) + 2 * margin)
    return AffineGeometry(grid_epsg=GRID.epsg, crs=crs, transform=tuple(affine)[:6], shape=shape)


CASES = {
    "next zone": geometry_around("EPSG:32632", 10.0),
    "next zone, 20 m": geometry_around("EPSG:32632", 20.0),
    "zone after the next": geometry_around("EPSG:32633", 10.0),
    "degrees": geometry_around("EPSG:4326", 1e-4),
    "Europe": geometry_around("EPSG:3035", 12.0),
    "sinusoidal": geometry_around(SINUSOIDAL, 30.0),
    "no code": geometry_around(ALBERS, 10.0),
    "turned": geometry_around("EPSG:32631", 10.0, turned=25.0, margin=120),
}


def planted(geometry):
    """Two rasters: the column and the row of each pixel's centre."""
    rows, cols = np.mgrid[: geometry.shape[0], : geometry.shape[1]] + 0.5
    return cols, rows


def warped(geometry, rasters, block=WHOLE, fill=np.nan, gather=gather_bilinear):
    over = warp_map(geometry, GRID).over(block)
    frame = frame_of(over, geometry.shape)
    if frame is None:
        return [np.full((block.height, block.width), fill, raster.dtype) for raster in rasters]
    inner = np.s_[frame.row : frame.row + frame.shape[0], frame.col : frame.col + frame.shape[1]]
    windows = [RasterWindow(pixels=np.ascontiguousarray(raster[inner]), fill=fill) for raster in rasters]
    return gather(over, frame, windows, Scratch())


def exact(geometry):
    """Columns and rows by PROJ for every pixel, no interpolation."""
    rows, cols = np.mgrid[: GRID.height, : GRID.width] + 0.5
    x, y = GRID.x_min + cols * 10.0, GRID.y_max - rows * 10.0
    if geometry.crs:
        x, y = pyproj.Transformer.from_crs(GRID.epsg, geometry.crs, always_xy=True).transform(x, y)
    return ~Affine(*geometry.transform) @ (x, y)


@pytest.mark.parametrize("name", CASES)
def test_every_pixel_comes_from_its_exact_place(name):
    geometry = CASES[name]
    for found, truth in zip(warped(geometry, planted(geometry)), exact(geometry), strict=True):
        assert np.isfinite(found).all()
        assert np.abs(found - truth).max() < 0.003


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tolerance", [0.125, 1e-3])
def test_places_are_those_of_gdal(tmp_path, name, tolerance):
    geometry = CASES[name]
    profile = {
        "driver": "GTiff",
        "count": 2,
        "height": geometry.shape[0],
        "width": geometry.shape[1],
        "dtype": "float64",
    }
    with rasterio.open(
        tmp_path / "places.tif",
        "w",
        crs=geometry.crs or f"EPSG:{GRID.epsg}",
        transform=Affine(*geometry.transform),
        **profile,
    ) as file:
        file.write(np.stack(planted(geometry)))
    place = {"crs": GRID.epsg, "transform": Affine(*GRID.transform), "width": GRID.width, "height": GRID.height}
    scales = {"XSCALE": 1, "YSCALE": 1}
    with (
        rasterio.open(tmp_path / "places.tif") as file,
        WarpedVRT(file, resampling=rasterio.enums.Resampling.bilinear, tolerance=tolerance, **place, **scales) as vrt,
    ):
        theirs = vrt.read()

    ours = warped(geometry, planted(geometry))

    # GDAL's own interpolation is allowed `tolerance` pixels; on these grids it errs by less than the 0.02 that we claim
    assert np.abs(np.stack(ours) - theirs).max() < 0.02


@pytest.mark.parametrize("gather", [gather_bilinear, gather_nearest])
@pytest.mark.parametrize("name", ["next zone", "degrees", "turned"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_value_hangs_on_the_block(name, gather, data):
    geometry = CASES[name]
    rng = np.random.default_rng(7)
    integers = rng.integers(0, 3000, geometry.shape).astype("uint16")
    integers[rng.random(geometry.shape) < 0.2] = 0
    whole = WHOLE_READS.setdefault((name, gather), warped(geometry, [integers], fill=0, gather=gather)[0])
    row = data.draw(st.integers(0, GRID.height - 1))
    col = data.draw(st.integers(0, GRID.width - 1))
    height = data.draw(st.integers(1, GRID.height - row))
    width = data.draw(st.integers(1, GRID.width - col))
    block = Block(row=row, col=col, height=height, width=width)

    part = warped(geometry, [integers], block, fill=0, gather=gather)[0]

    np.testing.assert_array_equal(part, whole[block.slices])


WHOLE_READS = {}


def test_floats_do_not_hang_on_the_block_to_the_last_bit():
    geometry = CASES["Europe"]
    values = np.random.default_rng(3).gamma(4.4, 0.02, geometry.shape).astype("float32")
    values[40:60, 30:90] = np.nan
    whole = warped(geometry, [values])[0]
    for size in (1, 7, 64):
        for row in range(0, GRID.height, 61):
            block = Block(row=row, col=min(row, 160), height=min(size, GRID.height - row), width=size)
            part = warped(geometry, [values], block)[0]
            np.testing.assert_array_equal(part.view("uint32"), whole[block.slices].view("uint32"))


def test_control_points_stand_as_close_as_a_geometry_needs():
    assert warp_map(CASES["next zone"], GRID).step_px == 16

    class Wavy:
        """Bends within a few pixels."""

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return self is other

        def pixel_of(self, x, y):
            return (x - GRID.x_min) / 10 + np.sin(x / 60), (GRID.y_max - y) / 10

    wavy = warp_map(Wavy(), GRID)
    assert wavy.step_px < 16
    over = wavy.over(WHOLE)
    (places,) = over.strips((0, 0), GRID.height, Scratch())
    x = GRID.x_min + (np.arange(GRID.width) + 0.5) * 10
    truth = (x - GRID.x_min) / 10 + np.sin(x / 60) - 0.5
    assert np.abs(places.cols / ONE - truth).max() < 0.01


def test_a_raster_across_the_antimeridian_is_one():
    grid = TargetGrid(epsg=32601, resolution=100.0, x_min=100000.0, y_max=2000000.0, width=200, height=40)
    x, y = grid.x[0], grid.y[20]
    lon, lat = pyproj.Transformer.from_crs(32601, 4326, always_xy=True).transform(x, y)
    assert 170 < lon < 180  # the grid's west lies beyond the antimeridian of its own zone
    for west in (lon - 0.5, lon - 0.5 - 360.0):
        geometry = AffineGeometry(
            grid_epsg=32601, crs="EPSG:4326", transform=(1e-3, 0.0, west, 0.0, -1e-3, lat + 0.5), shape=(1000, 3000)
        )
        cols, rows = warp_map(geometry, grid).places(np.array([20]), np.array([0]))
        assert cols[0] + 0.5 == pytest.approx(500, abs=1e-6)
        assert rows[0] + 0.5 == pytest.approx(500, abs=1e-6)
        over = warp_map(geometry, grid).over(Block(row=0, col=0, height=40, width=200))
        assert over.extent() is not None
        assert not over.exact


def test_a_seam_of_the_projection_is_not_smeared():
    """A global raster in degrees ends at the antimeridian: the cells across are placed pixel by pixel."""
    grid = TargetGrid(epsg=32601, resolution=1000.0, x_min=100000.0, y_max=2000000.0, width=200, height=40)
    geometry = AffineGeometry(
        grid_epsg=32601, crs="EPSG:4326", transform=(0.01, 0.0, -180.0, 0.0, -0.01, 90.0), shape=(18000, 36000)
    )
    block = Block(row=0, col=0, height=40, width=200)
    over = warp_map(geometry, grid).over(block)
    (places,) = over.strips((0, 0), 64, Scratch())
    rows, cols = np.mgrid[:40, :200]
    truth, _ = warp_map(geometry, grid).places(rows, cols)
    assert np.ptp(truth) > 30000  # both ends of the raster are met
    assert over.exact
    assert np.abs(places.cols / ONE - truth).max() < 0.01


def test_beyond_the_projection_there_is_nothing():
    class Horizon:
        def pixel_of(self, x, y):
            seen = x > GRID.x_min + 1000
            return np.where(seen, (x - GRID.x_min) / 10, np.inf), np.where(seen, (GRID.y_max - y) / 10, np.inf)

    geometry = Horizon()
    over = warp_map(geometry, GRID).over(WHOLE)
    frame = frame_of(over, (GRID.height, GRID.width))
    ones = np.ones((GRID.height, GRID.width), "float32")
    inner = ones[frame.row : frame.row + frame.shape[0], frame.col : frame.col + frame.shape[1]]
    (found,) = gather_bilinear(over, frame, [RasterWindow(pixels=inner, fill=np.nan)], Scratch())

    assert np.isnan(found[:, :100]).all()
    assert (found[:, 100:] == 1).all()
