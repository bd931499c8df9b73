"""Real rasters of four sensors, beside rasterio and GDAL."""

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from catalogs import Asset
from pipelines.cube.load import Plane, open_scene, read_header
from pipelines.cube.resampling import choose_resampling
from pipelines.grid import Block, TargetGrid

S2 = "sentinel-2-l2a/S2A_29RKH_20200219_0_L2A/B04.tif"
CASES = {
    # name: file, CRS of the grid, its resolution, what the numbers are
    "Sentinel-2 in the next zone": (S2, 32630, 100.0, "quantity"),
    "elevation in degrees": ("cop-dem-glo-30/*sao*/*.tif", 32632, 30.0, "quantity"),
    "land cover in degrees": ("esa-worldcover/*/map.tif", 32632, 10.0, "class"),
    "aerial, another datum": ("naip/*2020*/nir.tif", 32614, 5.0, "quantity"),
}


def found(shared_data, pattern):
    return str(min((shared_data / "catalog").glob(pattern)))


def read(href, grid, meaning):
    asset = Asset(band="B", href=href)
    header = read_header(asset, "scene")
    plane = Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))
    whole = Block(row=0, col=0, height=grid.height, width=grid.width)
    return plane, open_scene("scene", {"B": plane}, grid, chunk=512).read(whole)["B"]


def test_a_real_tile_on_its_own_grid_is_read_bit_for_bit(shared_data):
    href = found(shared_data, S2)
    with rasterio.open(href) as file:
        stored, corner = file.read(1), file.transform
    grid = TargetGrid(
        epsg=32629, resolution=corner.a, x_min=corner.c - 500, y_max=corner.f - 700, width=900, height=800
    )
    _, values = read(href, grid, "quantity")
    np.testing.assert_array_equal(values[:, 5:], stored[7:807, :895])
    assert not values[:, :5].any()


@pytest.mark.parametrize("name", CASES)
def test_real_rasters_warp_as_gdal_warps_them(shared_data, name):
    pattern, epsg, resolution, meaning = CASES[name]
    href = found(shared_data, pattern)
    with rasterio.open(href) as file:
        bounds = transform_bounds(file.crs, f"EPSG:{epsg}", *file.bounds)
    grid = TargetGrid.from_bounds(bounds, epsg=epsg, resolution=resolution)
    plane, ours = read(href, grid, meaning)
    nodata = plane.header.nodata
    place = {"crs": epsg, "transform": Affine(*grid.transform), "width": grid.width, "height": grid.height}
    fill = {"add_alpha": True} if nodata is None else {"src_nodata": nodata, "nodata": nodata}
    with (
        rasterio.open(href) as file,
        WarpedVRT(
            file, resampling=Resampling[plane.resampling.method], tolerance=1e-3, XSCALE=1, YSCALE=1, **fill, **place
        ) as vrt,
    ):
        theirs = vrt.read(1).astype("float64")
        valid = vrt.read(2) > 0 if nodata is None else (theirs != nodata) & ~np.isnan(theirs)
    has_value = np.isfinite(ours) if ours.dtype.kind == "f" else (ours != plane.fill)
    if nodata is None and plane.fill == 0 and ours.dtype.kind != "f":
        has_value |= valid & (theirs == 0)  # without a nodata 0 is a value inside, and stands for nothing outside
    assert valid.mean() > 0.3
    assert (has_value != valid).mean() < 2e-3  # the rim, a thousandth of a pixel thin
    both = has_value & valid
    difference = np.abs(ours[both].astype("float64") - theirs[both])
    if meaning == "class":
        assert (difference > 0).mean() < 4e-3
    else:
        # a place that differs by 0.003 pixels changes a value by so much of the step between neighbours
        step = np.abs(np.diff(theirs, axis=1))[both[:, 1:] & both[:, :-1]].max()
        assert difference.max() <= 1 + 0.01 * step
        assert difference.mean() < 0.05 * max(1.0, float(np.std(theirs[both])) / 100)


def test_two_readers_agree_on_the_datum(shared_data):
    """NAD83 to WGS84 has several operations; PROJ and GDAL must choose the same."""
    with rasterio.open(found(shared_data, "naip/*2020*/nir.tif")) as file:
        x, y = file.bounds.left, file.bounds.top
        theirs = rasterio.warp.transform(file.crs, "EPSG:32614", [x], [y])
    ours = pyproj.Transformer.from_crs(26914, 32614, always_xy=True).transform(x, y)
    assert ours == pytest.approx((theirs[0][0], theirs[1][0]), abs=1e-3)
