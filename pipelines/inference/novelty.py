"""How unlike its training a model finds what it is shown: 0 is ordinary, 100 is beyond everything held out.

Three parts, the largest of which counts:

- **rules**: images of a platform, a set of bands, a time of the year or a pixel size that the weights never met; the
  share of a pixel's valid observations that are such, percent, of the modality in which it is larger;
- **radiometry**: the share of a cell's valid values that lie outside the range of the training's normalised input;
- **features**: the squared Mahalanobis distance of a cell to the training's, d^2 = (f - m)' S^-1 (f - m) for the
  nearest mean m under one covariance S (Lee, Lee, Lee and Shin, NeurIPS 2018, section 2.1). f holds the fused features
  and, of each channel, mean and spread of the input over the cell: a network may map what it never met onto what it
  knows, and then only its input tells.

The last two are turned into percentiles of regions that were held out, and so is the larger of them: of cells like the
training's, about 100 - p percent score above p. All of it depends on a window of the lattice alone.

Legend: B places, T images, C channels, H, W pixels, h, w cells, D numbers that describe a cell, M means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core import FusedPyramid, Series

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

NUM_SEASONS: Final = 12
"""Parts of the year, of 30.4 days each, that a training has seen or not."""

GSD_FACTOR: Final = 1.5
"""Pixels up to so many times larger or smaller than the training's are its own size still."""

COUNTS: Final = (1, 2, 3, 5, 9)
"""Least number of observations of each row of `feature_quantiles`."""

PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the weights have met, by name."""

    bands: Mapping[str, tuple[tuple[bool, ...], ...]]
    """Sets of bands of each modality, as `present` has them."""

    seasons: tuple[bool, ...]
    """Whether each of `NUM_SEASONS` equal parts of the year was met, by any modality."""

    platforms: tuple[str, ...]
    """Families such as `sentinel-2`; see `family`."""

    gsd_m: float
    """Pixel size, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """Statistics of a training, by which a window's novelty is told."""

    model_sha256: str
    """Of the weights that made the features."""

    seen: Seen
    level: int
    """Index of the fused level whose cells are scored."""

    means_MD: FloatArray
    whitening_DD: FloatArray
    """Rows w with S^-1 = w' w."""

    envelope: Mapping[str, FloatArray]
    """Least and greatest ordinary value of each channel of a modality, (channel, 2), normalised units."""

    feature_quantiles: FloatArray
    """Of held-out cells' distances at equal steps from 0 to 1, a row each of `COUNTS` observations: few spread more."""

    radiometry_quantiles: FloatArray
    larger_quantiles: FloatArray
    """Likewise of the shares, and of the larger of both percentiles, of all cells."""

    def familiar_images(self, platforms: tuple[str, ...], gsd_m: float) -> BoolArray:
        """Returns whether each image's platform and pixel size are known, (image,); '' tells nothing and passes.

        Args:
            platforms: Of each image, as the cube has them.
            gsd_m: Of the grid, metres.
        """
        fits = self.seen.gsd_m / GSD_FACTOR <= gsd_m <= self.seen.gsd_m * GSD_FACTOR
        known = [not name or family(name) in self.seen.platforms for name in platforms]
        return np.array(known, dtype=np.bool_) & fits

    def score(self, fused: FusedPyramid, series: Mapping[str, Series], familiar: Mapping[str, BoolArray]) -> FloatArray:
        """Returns the novelty (B, H, W) of windows, 0 to 100; 0 where nothing is observed.

        Args:
            fused: Of the group of all images, batch B.
            series: The input by modality.
            familiar: Of each modality whether the platform and pixel size of its images are known, (T,).
        """
        cells = self.cells(fused, series)
        height, width = fused.size
        side = -(-height // cells.shape[1])
        pixels = cells.repeat(side, axis=1).repeat(side, axis=2)[:, :height, :width]
        score: FloatArray = np.maximum(pixels, self.rule_share(series, familiar)).astype(np.float32)
        return score

    def cells(self, fused: FusedPyramid, series: Mapping[str, Series]) -> FloatArray:
        """Returns the percentile (B, h, w) of cells by radiometry and features; 0 where nothing is observed."""
        larger = np.maximum(
            self.feature_percentile(fused, self.distances(fused, series)),
            percentile(self.outside_share(fused, series), self.radiometry_quantiles),
        )
        observed = observed_cells(fused, self.level)
        return np.where(observed, percentile(larger, self.larger_quantiles), np.float32(0))

    def feature_percentile(self, fused: FusedPyramid, distances: FloatArray) -> FloatArray:
        """Returns the percentile (B, h, w) of distances among cells of about as many observations."""
        return percentile_by_count(distances, observations(fused, self.level), self.feature_quantiles)

    def distances(self, fused: FusedPyramid, series: Mapping[str, Series]) -> FloatArray:
        """Returns the squared distance (B, h, w) of cells to the nearest mean."""
        channels = {name: len(ends) for name, ends in self.envelope.items()}
        return distance(describe(fused, series, self.level, channels), self.means_MD, self.whitening_DD)

    def outside_share(self, fused: FusedPyramid, series: Mapping[str, Series]) -> FloatArray:
        """Returns the share (B, h, w) of a cell's valid values outside the envelope, 0 to 1."""
        grid = (int(fused.levels[self.level].shape[-2]), int(fused.levels[self.level].shape[-1]))
        return outside_share(series, self.envelope, grid)

    def rule_share(self, series: Mapping[str, Series], familiar: Mapping[str, BoolArray]) -> FloatArray:
        """Returns the percentage (B, H, W) of valid observations that break a rule, of the modality where most do.

        Among many dates of a known sensor a foreign one would go under: all of its observations are strange.
        """
        largest: npt.NDArray[np.float32] | float = 0.0
        for name, part in series.items():
            valid = part.valid_BTHW.numpy()
            strange = ~(self._known_bands(name, part.present_BTC.numpy()) & self._known_season(part.day_BT.numpy()))
            strange |= ~familiar[name]
            total = np.maximum(valid.sum(axis=1, dtype=np.float32), 1)
            broken = (valid & strange[:, :, None, None]).sum(axis=1, dtype=np.float32)
            largest = np.maximum(largest, PERCENT * broken / total)
        return np.asarray(largest, dtype=np.float32)

    def _known_bands(self, modality: str, present_BTC: BoolArray) -> BoolArray:
        sets = np.array(self.seen.bands.get(modality, ()), dtype=np.bool_).reshape(-1, present_BTC.shape[-1])
        known: BoolArray = (present_BTC[:, :, None] == sets).all(axis=-1).any(axis=-1)
        return known

    def _known_season(self, day_BT: FloatArray) -> BoolArray:
        return np.array(self.seen.seasons, dtype=np.bool_)[season(day_BT)]


def season(day: FloatArray) -> npt.NDArray[np.int64]:
    """Returns the part of the year, 0 to `NUM_SEASONS` - 1, of fractions of the year."""
    return np.clip((day * NUM_SEASONS).astype(np.int64), 0, NUM_SEASONS - 1)


def family(platform: str) -> str:
    """Returns the satellites' common name: `Sentinel-2A` is of `sentinel-2`; names without a unit are themselves."""
    return re.sub(r"(?<=\d)[a-z]$", "", platform.strip().lower().replace("_", "-"))


def describe(fused: FusedPyramid, series: Mapping[str, Series], level: int, channels: Mapping[str, int]) -> FloatArray:
    """Returns what cells are told apart by (B, h, w, D): fused features, then mean and spread of every channel.

    Args:
        fused: Of the group of all images.
        series: The input by modality; one may be absent.
        level: Whose cells.
        channels: How many each modality has; modalities by name. A channel without a valid value has 0 and 0.
    """
    features = fused.levels[level].detach().float().permute(0, 2, 3, 1).numpy()
    num, *grid = features.shape[:3]
    parts = [features]
    for name, count in sorted(channels.items()):
        if name in series:
            parts.extend(_mean_and_spread(series[name], (grid[0], grid[1])))
        else:
            parts.append(np.zeros((num, *grid, 2 * count), dtype=np.float32))
    return np.concatenate(parts, axis=-1)


def _mean_and_spread(part: Series, grid: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the valid values of a cell over pixels and dates, (B, h, w, C) each."""
    counted = part.valid_BTHW.numpy()[:, :, None] & part.present_BTC.numpy()[..., None, None]
    values = np.where(counted, part.pixels_BTCHW.numpy(), np.float32(0))
    num, _, channels, height, width = values.shape
    sums = [
        _by_cell(moment.sum(axis=1, dtype=np.float32).reshape(-1, height, width), grid).reshape(num, channels, *grid)
        for moment in (counted, values, values**2)
    ]
    count = np.maximum(sums[0], 1)
    mean = sums[1] / count
    spread = np.sqrt(np.maximum(sums[2] / count - mean**2, 0))
    return np.moveaxis(mean, 1, -1).astype(np.float32), np.moveaxis(spread, 1, -1).astype(np.float32)


def distance(cells: FloatArray, means_MD: FloatArray, whitening_DD: FloatArray) -> FloatArray:
    """Returns the squared Mahalanobis distance (...) of features (..., D) to the nearest of the means."""
    white = cells @ whitening_DD.T
    nearest = np.full(cells.shape[:-1], np.inf, dtype=np.float32)
    for mean in means_MD @ whitening_DD.T:
        np.minimum(nearest, ((white - mean) ** 2).sum(axis=-1), out=nearest)
    return nearest


def outside_share(
    series: Mapping[str, Series], envelope: Mapping[str, FloatArray], grid: tuple[int, int]
) -> FloatArray:
    """Returns the share (B, h, w) of valid values of present bands that lie outside their envelope.

    Args:
        series: By modality.
        envelope: Of each channel its least and greatest ordinary value.
        grid: Rows and columns of cells; the last may reach beyond the pixels.
    """
    outside: npt.NDArray[np.float64] | float = 0.0
    total: npt.NDArray[np.float64] | float = 0.0
    for name, part in series.items():
        low, high = envelope[name].T
        pixels = part.pixels_BTCHW.numpy()
        beyond = (pixels < low[:, None, None]) | (pixels > high[:, None, None])
        counted = part.valid_BTHW.numpy()[:, :, None] & part.present_BTC.numpy()[..., None, None]
        outside = outside + _by_cell((beyond & counted).sum(axis=(1, 2)), grid)
        total = total + _by_cell(np.broadcast_to(counted, pixels.shape).sum(axis=(1, 2)), grid)
    return np.asarray(outside / np.maximum(total, 1), dtype=np.float32)


def observed_cells(fused: FusedPyramid, level: int) -> BoolArray:
    """Returns whether any pixel of a cell (B, h, w) has a valid observation."""
    height, width = fused.size
    grid = (int(fused.levels[level].shape[-2]), int(fused.levels[level].shape[-1]))
    count = fused.count_NHW.detach().numpy()[:, :height, :width]
    return _by_cell(count, grid) > 0


def observations(fused: FusedPyramid, level: int) -> FloatArray:
    """Returns the mean number of valid observations of a cell's observed pixels, (B, h, w)."""
    height, width = fused.size
    grid = (int(fused.levels[level].shape[-2]), int(fused.levels[level].shape[-1]))
    count = fused.count_NHW.detach().numpy()[:, :height, :width]
    return np.asarray(_by_cell(count, grid) / np.maximum(_by_cell(count > 0, grid), 1), dtype=np.float32)


def percentile_by_count(values: FloatArray, counts: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Returns percentiles by the row of quantiles that belongs to each value's count; see `percentile`."""
    row = count_row(counts)
    told = np.empty(values.shape, dtype=np.float32)
    for index, one in enumerate(quantiles):
        chosen = row == index
        told[chosen] = percentile(values[chosen], one)
    return told


def count_row(counts: FloatArray) -> npt.NDArray[np.int64]:
    """Returns which of `COUNTS` a number of observations is nearest below, as an index."""
    return np.searchsorted(np.array(COUNTS[1:]) - 0.5, counts, side="right").astype(np.int64)


def percentile(values: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Returns the percentage of a distribution that lies below each value, 0 to 100.

    Args:
        values: Any shape.
        quantiles: Of the distribution at equal steps of probability, ascending; a value at or below the first gives
            0, above the last 100; of equal quantiles the lowest counts, so that what is usual is not novel.
    """
    steps, first = np.unique(quantiles, return_index=True)
    rank = np.interp(values, steps, first * (PERCENT / (len(quantiles) - 1)), left=0.0, right=PERCENT)
    beyond: FloatArray = np.where(values > steps[-1], PERCENT, rank).astype(np.float32)
    return beyond


def _by_cell(pixels: npt.NDArray[np.generic], grid: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Sums (B, H, W) over square cells, (B, h, w)."""
    side = -(-pixels.shape[1] // grid[0])
    padding = [(0, 0), (0, grid[0] * side - pixels.shape[1]), (0, grid[1] * side - pixels.shape[2])]
    padded = np.pad(pixels.astype(np.float64), padding)
    summed: npt.NDArray[np.float64] = padded.reshape(len(pixels), grid[0], side, grid[1], side).sum(axis=(2, 4))
    return summed
