"""Speckle filters of linear power: Lee, refined Lee, Frost and Gamma-MAP.

Speckle multiplies: an image of L looks has a standard deviation of 1 / sqrt(L) of its mean where the ground is uniform.
Each filter compares the spread around a pixel, Ci = standard deviation / mean, with that of speckle alone,
Cu = 1 / sqrt(L), and keeps more of the pixel's own value the more there is to see besides speckle. Lee and Frost keep
the mean of a uniform area: their weights know the window as a whole, not which pixel is the centre. Gamma-MAP estimates
a mode and refined Lee chooses its half window by the very pixels that it averages, which moves the mean: -1.3 % and
-0.3 % of 4.4 looks, -3.9 % and -1.5 % of one look, in a window of 7.

All take and give linear power: the mean of decibels is not the decibel of the mean (psi(L) - ln L nepers too low, 2.5
dB for one look). What is missing stays missing, and enters no neighbour's mean. Where the local mean is not above 0, as
noise removal leaves it over calm water, no multiplicative model holds and the mean itself is the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias, get_args

import numpy as np

from pipelines.physics.speckle_edges import half_window_moments
from pipelines.physics.window import Window, local_moments

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.physics.step import StepContext, StepPixels
    from pipelines.physics.window import LocalMoments
    from pipelines.schema import Group

    Kernel: TypeAlias = Callable[[NDArray[np.float64], "Speckle"], NDArray[np.float64]]

FilterName = Literal["lee", "refined-lee", "frost", "gamma-map"]

MIN_REFINED_WINDOW: Final = 5
"""Refined Lee lays nine overlapping squares of 3 x 3 into its window."""

MAX_WINDOW: Final = 33
"""A chosen bound: a wider window is a smoothing of its own, and the halo that blocks are read with grows with it."""

_STRIP: Final = 32
"""Rows filtered at once: what a filter holds of them stays in the cache, which doubles its speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speckle:
    """Which filter, over which window, for how many looks; a step of a recipe."""

    filter: FilterName

    window: int = 7
    """Side in pixels, odd."""

    looks: float = 4.4
    """Equivalent number of looks L of the input. 4.4: Sentinel-1 IW GRD in high resolution (S1 product definition,
    S1-RS-MDA-52-7440, table of GRD performance)."""

    damping: float = 2.0
    """Decay of Frost's weights with distance in pixels; the other filters have none."""

    name: ClassVar[str] = "speckle"
    groups: ClassVar[tuple[Group, ...]] = ("s1", "slc")
    """Groups of linear power; no other is ever filtered."""

    planes: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.filter not in get_args(FilterName):
            raise ValueError(f"a speckle filter is one of {get_args(FilterName)}, got {self.filter!r}; use one of them")
        least = MIN_REFINED_WINDOW if self.filter == "refined-lee" else 3
        if not least <= self.window <= MAX_WINDOW or self.window % 2 == 0:
            raise ValueError(
                f"the window of {self.filter} is odd and {least} to {MAX_WINDOW}, got {self.window}; use 7"
            )
        if not (math.isfinite(self.looks) and self.looks > 0):
            raise ValueError(f"looks is a number above 0, got {self.looks}; 4.4 fits Sentinel-1 IW GRD")
        if not (math.isfinite(self.damping) and self.damping > 0):
            raise ValueError(f"damping is a number above 0, got {self.damping}; 1 to 3 is usual")

    @property
    def halo_px(self) -> int:
        """Pixels around a block that its filtered values depend on."""
        return self.window // 2

    def obstacle(self, scene: Scene) -> str:
        """Returns '': any linear power can be filtered."""
        del scene
        return ""

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns every polarisation filtered; reasons stay."""
        if context.group not in self.groups:
            raise ValueError(f"speckle is filtered in linear power of {self.groups}, got {context.group}; leave it out")
        return replace(pixels, values=np.stack([despeckle(band, self) for band in pixels.values]))

    def record(self) -> dict[str, str | float]:
        """Returns what was applied, for the attribute of a filtered array."""
        said: dict[str, str | float] = {"filter": self.filter, "window_px": self.window, "looks": self.looks}
        return {**said, "damping": self.damping} if self.filter == "frost" else said


def despeckle(power: NDArray[np.floating], speckle: Speckle) -> NDArray[np.float32]:
    """Returns filtered linear power, float32; NaN exactly where the input is NaN.

    A pixel's value depends on the `speckle.halo_px` pixels around it and on nothing else, to the last bit.

    Args:
        power: (y, x) linear power of one polarisation, NaN is missing, negative values of removed noise are legal.
        speckle: Filter, window and looks.

    Raises:
        ValueError: Not two-dimensional.
    """
    if power.ndim != 2:  # noqa: PLR2004 y and x
        raise ValueError(f"a filter takes one band with dims (y, x), got shape {power.shape}; give it band by band")
    kernel, halo = _KERNELS[speckle.filter], speckle.halo_px
    filtered = np.empty(power.shape, dtype=np.float32)
    for row in range(0, power.shape[0], _STRIP):
        top, bottom = max(row - halo, 0), min(row + _STRIP, power.shape[0])
        strip = power[top : bottom + halo].astype(np.float64)
        filtered[row:bottom] = kernel(strip, speckle)[row - top : bottom - top]
    filtered[np.isnan(power)] = np.nan
    return filtered


def filter_speckle(power: xr.DataArray, speckle: Speckle) -> xr.DataArray:
    """Returns filtered power of the same dims and coordinates, with the filter in the attribute `speckle_filter`.

    Args:
        power: Linear power, dims ending in (y, x), attribute `units` "1".
        speckle: Filter, window and looks.

    Raises:
        ValueError: The values are not linear power (decibels, for one), or the dims are others.
    """
    if tuple(power.dims[-2:]) != ("y", "x"):
        raise ValueError(f"dims end in (y, x), got {power.dims}; transpose it")
    if power.attrs.get("units") != "1":
        raise ValueError(
            f"speckle is filtered in linear power, units '1', got {power.attrs.get('units')!r}; convert decibels by "
            "10 ** (dB / 10) first"
        )
    stacked = power.to_numpy().reshape(-1, *power.shape[-2:])
    filtered = np.stack([despeckle(plane, speckle) for plane in stacked]).reshape(power.shape)
    result = power.copy(data=filtered)
    result.attrs["speckle_filter"] = json.dumps(speckle.record(), sort_keys=True)
    return result


def _lee(values: NDArray[np.float64], speckle: Speckle) -> NDArray[np.float64]:
    """R = mean + W (z - mean), W = max(0, 1 - Cu^2 / Ci^2); Lee 1980, doi:10.1109/TPAMI.1980.4766994."""
    moments = local_moments(values, Window(height=speckle.window, width=speckle.window))
    spread = _relative_variance(moments)
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread at all: 1 / 0 gives weight 0
        weight = np.maximum(1.0 - 1.0 / (speckle.looks * spread), 0.0)
    return _where_positive(moments, moments.mean + weight * (values - moments.mean))


def _refined_lee(values: NDArray[np.float64], speckle: Speckle) -> NDArray[np.float64]:
    """Lee's estimate over the half window that lies on the pixel's side of the strongest edge.

    W = (var - mean^2 / L) / (var (1 + 1 / L)), not below 0: Lee 1981, doi:10.1016/S0146-664X(81)80018-4; Lee and
    Pottier 2009, section 5.3.
    """
    moments = half_window_moments(values, speckle.window)
    noise = 1.0 / speckle.looks
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = (moments.variance - moments.mean**2 * noise) / (moments.variance * (1.0 + noise))
    weight = np.where(moments.variance > 0, np.maximum(weight, 0.0), 0.0)
    return _where_positive(moments, moments.mean + weight * (values - moments.mean))


def _frost(values: NDArray[np.float64], speckle: Speckle) -> NDArray[np.float64]:
    """Mean weighted by exp(-damping Ci^2 d), d the distance; Frost et al. 1982, doi:10.1109/TPAMI.1982.4767223."""
    moments = local_moments(values, Window(height=speckle.window, width=speckle.window))
    decay = speckle.damping * np.nan_to_num(_relative_variance(moments), nan=0.0, posinf=0.0)
    half = speckle.halo_px
    present = np.pad(~np.isnan(values), half).astype(np.float64)
    padded = np.pad(np.nan_to_num(values, nan=0.0), half)
    weighted, weights = np.zeros_like(values), np.zeros_like(values)
    for distance, offsets in _rings(half).items():
        ring, num = np.zeros_like(values), np.zeros_like(values)
        for dy, dx in offsets:
            place = (
                slice(half + dy, half + dy + values.shape[0]),
                slice(half + dx, half + dx + values.shape[1]),
            )
            ring += padded[place]
            num += present[place]
        factor = np.exp(-decay * distance)
        weighted += factor * ring
        weights += factor * num
    with np.errstate(invalid="ignore"):  # 0 / 0 where the whole window is missing
        return _where_positive(moments, weighted / weights)


def _gamma_map(values: NDArray[np.float64], speckle: Speckle) -> NDArray[np.float64]:
    """The most probable radar cross-section under Gamma speckle and Gamma texture; Lopes et al. 1990 and 1993.

    mean where Ci <= Cu, the value itself where Ci >= sqrt(2) Cu, between them the root
    (B mean + sqrt(mean^2 B^2 + 4 A L mean z)) / (2 A) with A = (1 + Cu^2) / (Ci^2 - Cu^2), B = A - L - 1
    (doi:10.1109/IGARSS.1990.689028; doi:10.1080/01431169308953999). A negative z counts as 0 in the root.
    """
    moments = local_moments(values, Window(height=speckle.window, width=speckle.window))
    mean, spread, noise = moments.mean, _relative_variance(moments), 1.0 / speckle.looks
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = (1.0 + noise) / (spread - noise)
        linear = shape - speckle.looks - 1.0
        root = np.sqrt(mean**2 * linear**2 + 4.0 * shape * speckle.looks * mean * np.maximum(values, 0.0))
        textured = (linear * mean + root) / (2.0 * shape)
    estimate = np.where(spread <= noise, mean, np.where(spread >= 2.0 * noise, values, textured))
    return _where_positive(moments, estimate)


_KERNELS: Final[Mapping[FilterName, Kernel]] = {
    "lee": _lee,
    "refined-lee": _refined_lee,
    "frost": _frost,
    "gamma-map": _gamma_map,
}


def _relative_variance(moments: LocalMoments) -> NDArray[np.float64]:
    """Ci squared."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spread: NDArray[np.float64] = moments.variance / moments.mean**2
    return spread


def _where_positive(moments: LocalMoments, estimate: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(moments.mean > 0, estimate, moments.mean)


def _rings(half: int) -> dict[float, list[tuple[int, int]]]:
    """Offsets (dy, dx) of a window by their distance, nearest first."""
    rings: dict[float, list[tuple[int, int]]] = {}
    reach = range(-half, half + 1)
    for dy, dx in sorted(((y, x) for y in reach for x in reach), key=lambda offset: (math.hypot(*offset), offset)):
        rings.setdefault(math.hypot(dy, dx), []).append((dy, dx))
    return rings
