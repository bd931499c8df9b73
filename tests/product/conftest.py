"""A made-up prediction whose answer is known at every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipelines.grid import TargetGrid
from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES


@pytest.fixture
def grid():
    return TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612120.0, width=40, height=30)


@pytest.fixture
def prediction(grid):
    rng = np.random.default_rng(7)
    size = (grid.height, grid.width)
    cover = rng.dirichlet(np.ones(len(LAND_COVER_CODES)), size=size).astype("float32").transpose(2, 0, 1)
    cover[:, 0, :5] = np.nan
    changed = np.zeros(size, dtype="int64")
    changed[10:16, 10:18] = 1  # 48 px of clearing
    changed[20, 30] = 3  # one pixel of construction
    change = np.full((len(CHANGE_CODES), *size), 0.02, dtype="float32")
    np.put_along_axis(change, changed[None], np.float32(0.94), axis=0)
    change[:, 0, :5] = np.nan
    change[:, 1, :5] = np.nan
    n_s2 = np.full(size, 7, dtype="uint16")
    n_s2[0, :5] = 0
    reason = np.zeros(size, dtype="uint16")
    reason[0, :5] = 2  # cloud
    plane = ("y", "x")
    return xr.Dataset(
        {
            "land_cover_probability": (("class", *plane), cover),
            "change_probability": (("change_class", *plane), change),
            "change_split": (plane, np.where(changed, 3, -1).astype("int16")),
            "change_before": (plane, np.full(size, 18700, dtype="int32")),
            "change_after": (plane, np.full(size, 18730, dtype="int32")),
            "n_valid_s2": (plane, n_s2),
            "n_valid_s1": (plane, np.where(n_s2 > 0, 5, 0).astype("uint16")),
            "reason": (plane, reason),
        },
        coords={
            "class": list(LAND_COVER_CODES),
            "change_class": list(CHANGE_CODES),
            "y": ("y", grid.y, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", grid.x, {"units": "m", "standard_name": "projection_x_coordinate"}),
            "spatial_ref": ((), np.int64(0), {"crs_wkt": grid.crs_wkt}),
        },
        attrs={"cube_uri": "cube", "cube_snapshot": "SNAP", "model_sha256": "ab" * 32},
    )
