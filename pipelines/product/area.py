"""Mapped area by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.product.errors import ProductError

if TYPE_CHECKING:
    import xarray as xr

SQUARE_METRES_A_HECTARE: Final = 10_000.0
METHOD: Final = "pixel_count"
"""Biased by the map's errors: an estimate of area needs a reference sample (Olofsson et al. 2014)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArea:
    """How much of a class layer one class takes."""

    code: int
    name: str
    """Meaning of the code, as in `flag_meanings`."""

    num_pixels: int
    hectares: float
    method: str = METHOD
    """`pixel_count`: mapped, not estimated."""


def area_by_class(layer: xr.DataArray) -> tuple[ClassArea, ...]:
    """Returns the mapped area of every listed class, no data included, by counting pixels.

    Args:
        layer: Class layer (y, x) with `flag_values` and `flag_meanings`, on even coordinates in metres.

    Raises:
        ProductError: Not a class layer, coordinates not in metres or not even, or a value that no flag lists.
    """
    if "flag_values" not in layer.attrs or layer.dims != ("y", "x"):
        raise ProductError(
            f"areas are counted on a class layer (y, x) with flag_values, got {layer.name!r} {layer.dims}"
        )
    codes = np.atleast_1d(np.asarray(layer.attrs["flag_values"])).astype(np.int64)
    names = str(layer.attrs["flag_meanings"]).split()
    values, counts = np.unique(layer.to_numpy(), return_counts=True)
    stray = sorted(set(values.tolist()) - set(codes.tolist()))
    if stray:
        raise ProductError(f"values of {layer.name!r} must be listed in flag_values, got {stray}; list or recode them")
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    pixel_ha = _step_m(layer, "x") * _step_m(layer, "y") / SQUARE_METRES_A_HECTARE
    return tuple(
        ClassArea(
            code=int(code), name=name, num_pixels=found.get(int(code), 0), hectares=found.get(int(code), 0) * pixel_ha
        )
        for code, name in zip(codes, names, strict=True)
    )


def _step_m(layer: xr.DataArray, axis: str) -> float:
    units = layer[axis].attrs.get("units")
    if units not in {"m", "metre", "meter"}:
        raise ProductError(f"{axis} must be in metres, got units {units!r}; areas in degrees are not counted")
    steps = np.abs(np.diff(layer[axis].to_numpy()))
    if steps.size == 0 or not np.allclose(steps, steps[0], rtol=1e-6):
        raise ProductError(f"{axis} must hold two or more even steps, got {steps[:4]}; use one grid")
    return float(steps[0])
