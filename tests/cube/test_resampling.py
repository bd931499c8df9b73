"""How a raster comes to the grid is decided by its header alone."""

import pytest
from made_scenes import GRID

from pipelines.cube.resampling import RasterHeader, choose_resampling, misses_grid


def header(*, epsg=32631, size=10.0, corner=(664000.0, 5612000.0), shape=(30, 40)):
    transform = (size, 0.0, corner[0], 0.0, -size, corner[1])
    return RasterHeader(epsg=epsg, crs=f"EPSG:{epsg}", transform=transform, shape=shape, dtype="uint16", nodata=None)


@pytest.mark.parametrize(
    "raster",
    [
        header(),
        header(corner=(600000.0, 5700000.0), shape=(10980, 10980)),
        header(size=20.0),
        header(size=60.0, corner=(663940.0, 5612030.0)),
        header(size=10.0, corner=(664000.0 + 1e-7, 5612000.0)),
    ],
)
@pytest.mark.parametrize("meaning", ["quantity", "class", "nonlinear"])
def test_whole_pixels_keep_their_values(raster, meaning):
    chosen = choose_resampling(raster, GRID, meaning)

    assert (chosen.method, chosen.note, chosen.kernel_scale) == ("nearest", "", 1.0)


@pytest.mark.parametrize(
    ("raster", "meaning", "method", "note", "scale"),
    [
        (header(size=5.0), "quantity", "average", "averaged from pixels of 5 m", 0.5),
        (header(size=5.0), "class", "nearest", "resampled from another pixel grid of EPSG:32631, nearest", 0.5),
        (header(corner=(664003.0, 5612000.0)), "quantity", "bilinear", "resampled from another pixel grid", 1.0),
        (header(size=15.0), "quantity", "bilinear", "resampled from another pixel grid", 1.0),
        (header(size=20.0, corner=(664005.0, 5612000.0)), "quantity", "bilinear", "resampled", 1.0),
        (header(size=3.0), "quantity", "bilinear", "resampled from another pixel grid", 0.3),
        (header(epsg=32632, corner=(240000.0, 5617000.0)), "quantity", "bilinear", "warped from EPSG:32632", 1.0),
        (header(epsg=32632, corner=(240000.0, 5617000.0)), "class", "nearest", "warped from EPSG:32632", 1.0),
        (header(epsg=32632, corner=(240000.0, 5617000.0)), "nonlinear", "nearest", "warped from EPSG:32632", 1.0),
    ],
)
def test_other_pixels_are_resampled_and_said_so(raster, meaning, method, note, scale):
    chosen = choose_resampling(raster, GRID, meaning)

    assert chosen.method == method
    assert chosen.note.startswith(note)
    assert chosen.kernel_scale == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize(
    ("raster", "missed"),
    [
        (header(), False),
        (header(corner=(664390.0, 5612000.0)), False),
        (header(corner=(664400.0, 5612000.0)), True),
        (header(corner=(664000.0, 5612300.0)), True),
        (header(epsg=32632, corner=(240000.0, 5617000.0), shape=(2000, 2000)), False),
        (header(epsg=32632, corner=(500000.0, 5617000.0), shape=(2000, 2000)), True),
        (header(epsg=4326, size=0.1, corner=(5.0, 51.0), shape=(10, 10)), False),
        (header(epsg=4326, size=0.1, corner=(15.0, 51.0), shape=(10, 10)), True),
    ],
)
def test_a_raster_beside_the_grid_is_known_from_its_header(raster, missed):
    assert misses_grid(raster, GRID) is missed
