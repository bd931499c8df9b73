"""The minimum mapping unit: patches that are too small to be reported."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import ndimage

_EIGHT = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong to one patch."""


def small_patches(found: xr.DataArray, min_area_px: int) -> xr.DataArray:
    """Returns where a found pixel belongs to a patch of fewer than `min_area_px` pixels, bool (y, x).

    A patch is a set of found pixels joined by edges or corners. It is taken over the whole grid, so a lazy input is
    gathered into one block when it is computed.

    Args:
        found: Bool (y, x).
        min_area_px: Least number of pixels of a patch that is kept; 1 keeps every patch.
    """
    if min_area_px <= 1:
        return xr.zeros_like(found, dtype=bool)
    whole = found.chunk({"y": -1, "x": -1}) if found.chunks is not None else found
    small: xr.DataArray = xr.apply_ufunc(
        _small, whole, kwargs={"least": min_area_px}, dask="parallelized", output_dtypes=[bool]
    )
    return small


def _small(found: npt.NDArray[np.bool_], least: int) -> npt.NDArray[np.bool_]:
    labels, _ = ndimage.label(found, structure=_EIGHT)
    area_px = np.bincount(labels.ravel())
    area_px[0] = least
    return np.asarray(area_px[labels] < least)
