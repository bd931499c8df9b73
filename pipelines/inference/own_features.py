"""The features of chosen pixels, window by window on the lattice: what a user's head learns from, and will be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pipelines.inference.blend import window_weights
from pipelines.inference.fed_bands import fed_bands
from pipelines.inference.forward import Mapper, window_series
from pipelines.inference.pixel_statistics import NUM_STATISTICS, window_statistics
from pipelines.inference.slab import read_slab
from pipelines.inference.torch_threads import torch_threads
from ringmoe_core.heads.head_inputs import HeadInputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.grid import Window
    from pipelines.inference.apply import Job
    from pipelines.inference.channels import BoolArray
    from pipelines.inference.slab import Slab

    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFeatures:
    """Views of pixels: one for each window that covers them."""

    features: npt.NDArray[np.float32]
    """(view, map channel + statistic); statistics are NaN where missing."""

    num_maps: int
    """How many of the features are the decoded maps' channels; they come first."""

    pixel: Ints
    """(view,) index into the pixels that were asked for."""

    weight: npt.NDArray[np.float64]
    """(view,) of the window's blend at the pixel, positive, not normalised."""

    observed: BoolArray
    """(pixel,) whether any used date is valid there; a map has no answer elsewhere."""

    inputs: HeadInputs
    """Windows and bands that they were read from."""


def features_at(
    job: Job, model: Mapper, row: Ints, col: Ints, *, on_windows: Callable[[int, int], None] | None = None
) -> PixelFeatures:
    """Returns the features of pixels; only windows that cover one are read and run, in the batches of a whole map.

    Args:
        job: The plan of a map of the whole grid, land cover asked: its first fusion holds all epochs.
        model: In evaluation mode.
        row: Of each pixel on the grid.
        col: Of each pixel.
        on_windows: Told (lattice rows done, lattice rows in all).
    """
    lattice = job.lattice
    parts: list[_Part] = []
    observed = np.zeros(row.shape, dtype=np.bool_)
    tops = [
        (index, top) for index, top in enumerate(lattice.rows) if ((row >= top) & (row < top + lattice.window)).any()
    ]
    with torch_threads(1):
        for done, (index, top) in enumerate(tops, start=1):
            rows = slice(max(top, 0), min(top + lattice.window, lattice.height))
            slab = read_slab(job.cube, job.plan, job.modalities, rows, num_workers=job.options.num_workers)
            within = np.flatnonzero((row >= rows.start) & (row < rows.stop))
            observed[within] |= _observed(job, slab, row[within] - rows.start, col[within])
            for batch in job.batches(index):
                parts += _batch(job, model, slab, batch, (row, col))
            if on_windows is not None:
                on_windows(done, len(tops))
    inputs = HeadInputs(windows_px=(lattice.window,), bands=fed_bands(job.cube, job.modalities))
    return _joined(parts, observed, inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    maps: npt.NDArray[np.float32]
    statistics: npt.NDArray[np.float32]
    pixel: Ints
    weight: npt.NDArray[np.float64]


def _batch(job: Job, model: Mapper, slab: Slab, batch: tuple[Window, ...], places: tuple[Ints, Ints]) -> list[_Part]:
    row, col = places
    weights = window_weights(job.lattice.window, job.lattice.stride)
    held = {
        window.col: np.flatnonzero(
            (row >= window.top)
            & (row < window.top + window.size)
            & (col >= window.left)
            & (col < window.left + window.size)
        )
        for window in batch
    }
    if not any(found.size for found in held.values()):
        return []
    windows, series = window_series(slab, batch)
    if not windows:
        return []
    membership_BGT = torch.from_numpy(job.question.membership[:1])[None].expand(len(windows), -1, -1)
    with torch.inference_mode():
        maps_BPHW = model.decode(model.fuse(model.encode(series), membership_BGT))
    statistics = window_statistics(series)
    parts = []
    for index, window in enumerate(windows):
        pixel = held[window.col]
        at = (slice(None), row[pixel] - window.top, col[pixel] - window.left)
        parts.append(
            _Part(
                maps=maps_BPHW[index].float().numpy()[at].T,
                statistics=statistics[index][at].T,
                pixel=pixel,
                weight=weights[at[1:]].astype(np.float64),
            )
        )
    return parts


def _observed(job: Job, slab: Slab, row: Ints, col: Ints) -> BoolArray:
    planes = [slab.observed[entry.group][entry.index][row, col] for entry in job.seen]
    return np.asarray(np.any(planes, axis=0)) if planes else np.zeros(row.shape, dtype=np.bool_)


def _joined(parts: list[_Part], observed: BoolArray, inputs: HeadInputs) -> PixelFeatures:
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        empty = np.empty((0, NUM_STATISTICS), dtype=np.float32)
        weight = nothing.astype(np.float64)
        return PixelFeatures(features=empty, num_maps=0, pixel=nothing, weight=weight, observed=observed, inputs=inputs)
    maps = np.concatenate([part.maps for part in parts])
    pixel = np.concatenate([part.pixel for part in parts])
    kept = observed[pixel]
    features = np.concatenate([maps, np.concatenate([part.statistics for part in parts])], axis=1)
    return PixelFeatures(
        features=features[kept],
        num_maps=maps.shape[1],
        pixel=pixel[kept],
        weight=np.concatenate([part.weight for part in parts])[kept],
        observed=observed,
        inputs=inputs,
    )
