"""Chip: a window of a place as a model is shown it, with its truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from pipelines.training.scene_arrays import SensorArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The images of one modality in a chip."""

    pixels: npt.NDArray[np.float32]
    """(date, channel, y, x), normalised."""

    valid: npt.NDArray[np.bool_]
    """(date, y, x)."""

    present: npt.NDArray[np.bool_]
    """(date, channel)."""

    day: npt.NDArray[np.float32]
    age: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One row of a batch."""

    place: str
    row: int
    col: int
    size: int
    """Pixels a side."""

    series: Mapping[str, Cut]
    targets: Mapping[str, npt.NDArray[np.generic]]
    """Cut to the window; boxes in pixels of the chip."""

    gsd_m: float
    nodata: float
    """Share of pixels, over the images that the chip was drawn for, that are missing, before any is withheld."""

    split: int | None = None
    """Last date before the split, of chips that ask for change."""

    epochs: tuple[int, ...] = ()
    """Dates that the chip carries, of the place's."""


def cut_sensor(
    sensor: SensorArrays, epochs: npt.NDArray[np.int64], corner: tuple[int, int], size: int, *, masked: bool = True
) -> Cut:
    """Returns a window of some dates; an epoch of -1 gives an image without a valid pixel.

    Args:
        sensor: All dates of a place.
        epochs: Which dates, -1 for none.
        corner: First row and column.
        size: Pixels a side.
        masked: Whether the mask of clouds and the like is used, or only what says that a number was measured.
    """
    (row, col), known = corner, epochs >= 0
    at = np.where(known, epochs, 0)
    masks = sensor.valid if masked else sensor.observed
    window = (slice(row, row + size), slice(col, col + size))
    valid = masks[at][:, window[0], window[1]] & known[:, None, None]
    return Cut(
        pixels=sensor.pixels[at, :, window[0], window[1]].astype(np.float32),
        valid=valid,
        present=sensor.present[at].copy(),
        day=sensor.day[at].astype(np.float32),
        age=sensor.age[at].astype(np.float32),
    )


def nodata_share(cuts: Iterable[Cut]) -> float:
    """Returns the share of pixels of some images that no band has a number for; 1 for none."""
    masks = [(cut.valid & np.asarray(cut.present.any(-1))[:, None, None]).ravel() for cut in cuts]
    seen = np.concatenate(masks) if masks else np.zeros(0, bool)
    return 1 - float(seen.mean()) if len(seen) else 1.0


def without_missing(cut: Cut) -> Cut:
    """Returns the cut with zeros where nothing was measured or the band is absent, as a model is fed it."""
    shown = cut.valid[:, None] & cut.present[..., None, None]
    return replace(cut, pixels=np.where(shown, cut.pixels, np.float32(0)))


def is_finite(cut: Cut) -> bool:
    """Whether every valid pixel of a present band is a number."""
    if np.isfinite(cut.pixels).all():
        return True
    shown = cut.valid[:, None] & cut.present[..., None, None]
    return bool(np.isfinite(np.where(shown, cut.pixels, np.float32(0))).all())


def boxes_in(
    targets: Mapping[str, npt.NDArray[np.generic]], corner: tuple[int, int], size: int
) -> npt.NDArray[np.float32]:
    """Returns the boxes (n, 6) whose centre lies in a window, in pixels of the window."""
    row, col = corner
    boxes = np.asarray(targets["boxes"], np.float32).copy()
    boxes[:, 0] -= col
    boxes[:, 1] -= row
    return boxes[((boxes[:, :2] >= 0) & (boxes[:, :2] < size)).all(1)]
