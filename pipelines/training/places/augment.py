"""Changes to a chip after which it is still a measurement of some ground: turns, mirrors, gains, a common phase."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.inference.channels import CONVENTIONS, MODALITY_BANDS, SAR_BANDS
from pipelines.training.places.place import PLANES

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipelines.training.places.chip import Chip, Cut

CROSS_POLARISED: Final = slice(2, 6)
"""Channels of HV and VH in `sar_l1`."""


def turn_chip(chip: Chip, *, turns: int, mirror: bool) -> Chip:
    """Returns a chip turned by quarters against the clock as displayed (y down), then mirrored left to right.

    For detected images only: the phase of complex ones would not survive.

    Args:
        chip: Any chip without complex radar.
        turns: 0 to 3.
        mirror: Whether columns are reversed.
    """
    targets = {
        name: _turned(values, turns, mirror=mirror) if name in PLANES else values
        for name, values in chip.targets.items()
    }
    if "boxes" in targets:
        targets["boxes"] = turn_boxes(np.asarray(targets["boxes"], np.float32), chip.size, turns=turns, mirror=mirror)
    series = {
        name: replace(
            cut, pixels=_turned(cut.pixels, turns, mirror=mirror), valid=_turned(cut.valid, turns, mirror=mirror)
        )
        for name, cut in chip.series.items()
    }
    return replace(chip, series=series, targets=targets)


def turn_boxes(boxes: npt.NDArray[np.float32], size: int, *, turns: int, mirror: bool) -> npt.NDArray[np.float32]:
    """Returns boxes (n, 6: cx, cy, w, h, angle, class) as `turn_chip` turns pixels of a square of `size`.

    A quarter turn takes the point (x, y) to (y, size - x) and the direction (dx, dy) to (dy, -dx), so an angle to
    itself less a quarter; a mirror takes x to size - x and an angle to its negative. Angles end in [-pi/2, pi/2).
    """
    out = boxes.copy()
    for _ in range(turns % 4):
        out[:, 0], out[:, 1] = out[:, 1].copy(), size - out[:, 0]
        out[:, 4] -= math.pi / 2
    if mirror:
        out[:, 0] = size - out[:, 0]
        out[:, 4] = -out[:, 4]
    out[:, 4] = (out[:, 4] + math.pi / 2) % math.pi - math.pi / 2
    return out


def _turned(array: npt.NDArray[Any], turns: int, *, mirror: bool) -> npt.NDArray[Any]:
    out = np.rot90(array, turns, axes=(-2, -1))
    return np.ascontiguousarray(out[..., ::-1] if mirror else out)


def shift_phase(cut: Cut, phase_rad: float) -> Cut:
    """Returns complex channels (I and Q of four polarisations) times exp(i phase): what no covariance can see."""
    real, imaginary = cut.pixels[:, 0::2], cut.pixels[:, 1::2]
    pixels = np.empty_like(cut.pixels)
    cos, sin = np.float32(math.cos(phase_rad)), np.float32(math.sin(phase_rad))
    pixels[:, 0::2] = cos * real - sin * imaginary
    pixels[:, 1::2] = sin * real + cos * imaginary
    return replace(cut, pixels=pixels)


def flip_azimuth(chip: Chip) -> Chip:
    """Returns a chip of complex radar with its rows (azimuth) reversed.

    Mirrored along the track, the antenna's horizontal axis changes sign: HV and VH are negated, HH and VV stay
    (a reflection about the incidence plane takes S to diag(1, -1) S diag(1, -1)). A flip in range would need the ground
    seen from the other side, which no sign rule gives.
    """
    targets = {name: values[::-1].copy() if name in PLANES else values for name, values in chip.targets.items()}
    series = {}
    for name, cut in chip.series.items():
        pixels = np.ascontiguousarray(cut.pixels[..., ::-1, :])
        if name == "sar_l1":
            pixels[:, CROSS_POLARISED] *= -1
        series[name] = replace(cut, pixels=pixels, valid=np.ascontiguousarray(cut.valid[..., ::-1, :]))
    return replace(chip, series=series, targets=targets)


def scale_reflectance(cut: Cut, gain: float, modality: str) -> Cut:
    """Returns normalised reflectance as a gain of 1 + `gain` on reflectance itself makes it."""
    bands = MODALITY_BANDS["optical" if modality == "optical" else "ms"]
    zero = np.array([CONVENTIONS[band].mean / CONVENTIONS[band].std for band in bands], np.float32)[:, None, None]
    return replace(cut, pixels=cut.pixels * np.float32(1 + gain) + np.float32(gain) * zero)


def offset_power(cut: Cut, offset_db: float) -> Cut:
    """Returns normalised decibels moved by an offset in dB."""
    return replace(cut, pixels=cut.pixels + np.float32(offset_db / CONVENTIONS[SAR_BANDS[0]].std))
