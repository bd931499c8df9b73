"""Terrain flattening by sarsen on a made product: flat ground, slopes, and heights above the wrong surface."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from made_safe import EPSG, write_safe
from scipy.ndimage import binary_erosion

from pipelines.cube.errors import CubeError
from pipelines.cube.terrain_flattening import TerrainFlattening, flatten_terrain, write_flattened

pytest.importorskip("sarsen")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # rioxarray with affine 3
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SHAPE = (120, 150)
SIZE = 10.0


def elevation(path, safe, height, epsg=EPSG):
    """A model of heights given as a function of x and y; returns the coordinates of its pixels."""
    left, right, low, high = safe.x.min() - 150, safe.x.max() + 150, safe.y.min() - 150, safe.y.max() + 150
    width, rows = int((right - left) / SIZE), int((high - low) / SIZE)
    x, y = np.meshgrid(left + SIZE * (np.arange(width) + 0.5), high - SIZE * (np.arange(rows) + 0.5))
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": width, "height": rows}
    with rasterio.open(
        path, "w", crs=f"EPSG:{epsg}", transform=Affine(SIZE, 0, left, 0, -SIZE, high), **profile
    ) as file:
        file.write(height(x, y).astype("float32"), 1)
    return x, y


def flattened(folder, safe, height, geoid_m=0.0):
    x, y = elevation(folder / "dem.tif", safe, height)
    request = TerrainFlattening(safe=safe.folder, polarisation="VV", elevation=folder / "dem.tif", geoid_m=geoid_m)
    return flatten_terrain(request), x, y


def inner(values, margin=12):
    """Values away from the image's edges, where cells are not full."""
    return binary_erosion(np.isfinite(values), iterations=margin)


def test_flat_ground_gives_the_ellipsoids_gamma_nought(tmp_path):
    safe = write_safe(tmp_path, shape=SHAPE, truth=lambda x, _: np.full(x.shape, 0.1), pols=("VV",))
    result, _, _ = flattened(tmp_path, safe, lambda x, _: np.zeros_like(x))
    here = inner(result.power)
    assert here.sum() > 3000
    ratio = result.power[here] / (0.1 / np.cos(safe.incidence.mean()))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    assert abs(np.percentile(ratio, [5, 95]) - 1).max() < 0.03
    assert not result.shadow.any()


def range_direction(safe):
    step = np.array([safe.x[0, -1] - safe.x[0, 0], safe.y[0, -1] - safe.y[0, 0]])
    return step / np.hypot(*step)


@pytest.mark.parametrize("tilt_deg", [-12.0, 12.0])
def test_a_plane_shows_the_area_of_its_tilt(tmp_path, tilt_deg):
    # positive: the slope faces the radar, that is, the ground rises along range
    safe = write_safe(tmp_path, shape=SHAPE, truth=lambda x, _: np.full(x.shape, 0.1), pols=("VV",))
    along, middle = range_direction(safe), (safe.x.mean(), safe.y.mean())
    slope = math.tan(math.radians(tilt_deg))
    result, _, _ = flattened(
        tmp_path, safe, lambda x, y: slope * ((x - middle[0]) * along[0] + (y - middle[1]) * along[1])
    )
    here = inner(result.power)
    assert here.sum() > 1000
    brightness = 0.1 / np.sin(safe.incidence.mean())
    local = safe.incidence.mean() - math.radians(tilt_deg)
    assert np.median(result.power[here]) == pytest.approx(brightness * math.tan(local), rel=0.02)


def test_ground_that_faces_away_is_shadow(tmp_path):
    safe = write_safe(tmp_path, shape=SHAPE, truth=lambda x, _: np.full(x.shape, 0.1), pols=("VV",))
    along, middle = range_direction(safe), (safe.x.mean(), safe.y.mean())

    def cliff(x, y):
        ground = (x - middle[0]) * along[0] + (y - middle[1]) * along[1]
        return np.clip(-2.5 * ground, -250, 250)  # falls at 68 degrees, seen at 35

    result, _, _ = flattened(tmp_path, safe, cliff)
    assert result.shadow.any()
    assert np.isnan(result.power[result.shadow]).all()


def spot(safe_x, safe_y, at):
    return np.where(np.hypot(safe_x - at[0], safe_y - at[1]) < 60, 5.0, 0.02)


def centre(power, x, y):
    bright = np.nan_to_num(power) > 1.0
    return x[bright].mean(), y[bright].mean()


def test_heights_above_the_geoid_move_the_image_unless_it_is_told(tmp_path):
    flat = write_safe(tmp_path / "flat", shape=SHAPE, pols=("VV",))
    at = flat.x.mean(), flat.y.mean()
    safe = write_safe(tmp_path, shape=SHAPE, truth=lambda x, y: spot(x, y, at), pols=("VV",), height_m=45.0)
    told, x, y = flattened(tmp_path, safe, lambda x, _: np.zeros_like(x), geoid_m=45.0)
    assert np.hypot(*np.subtract(centre(told.power, x, y), at)) < 5.0
    untold, x, y = flattened(tmp_path, safe, lambda x, _: np.zeros_like(x))
    moved = np.hypot(*np.subtract(centre(untold.power, x, y), at))
    assert moved == pytest.approx(45 / math.tan(safe.incidence.mean()), abs=6.0)


def test_what_is_written_is_read_again(tmp_path):
    safe = write_safe(tmp_path, shape=SHAPE, truth=lambda x, _: np.full(x.shape, 0.1), pols=("VV",))
    result, x, y = flattened(tmp_path, safe, lambda x, _: np.zeros_like(x))
    write_flattened(result, tmp_path / "gamma0.tif")
    with rasterio.open(tmp_path / "gamma0.tif") as file:
        np.testing.assert_array_equal(file.read(1), result.power)
        assert file.crs.to_epsg() == EPSG
        assert file.units == ("1",)
        assert file.xy(0, 0) == pytest.approx((x[0, 0], y[0, 0]))


@pytest.mark.parametrize("wrong", [{"geoid_m": 4400.0}, {"geoid_m": float("nan")}, {"polarisation": "vv"}])
def test_requests_that_mean_nothing_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="got"):
        TerrainFlattening(**{"safe": tmp_path, "polarisation": "VV", "elevation": tmp_path, "geoid_m": 0.0, **wrong})


def test_a_model_in_degrees_is_refused(tmp_path):
    safe = write_safe(tmp_path, shape=(60, 80), pols=("VV",))
    elevation(tmp_path / "dem.tif", safe, lambda x, _: np.zeros_like(x), epsg=4326)
    with pytest.raises(CubeError, match="CRS in metres"):
        flatten_terrain(
            TerrainFlattening(safe=safe.folder, polarisation="VV", elevation=tmp_path / "dem.tif", geoid_m=0.0)
        )
