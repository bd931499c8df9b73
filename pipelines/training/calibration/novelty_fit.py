"""Statistics of a training by which novelty is told, gathered from labelled or unlabelled regions.

Windows are shown as users show them: any number of dates, one sensor or both, with and without a mask, with the sets
of bands that chips are drawn with. What a training does, this does; what it never does is novel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch

from pipelines.inference.channels import MODALITY_BANDS
from pipelines.inference.novelty import (
    COUNTS,
    NUM_SEASONS,
    Novelty,
    Seen,
    count_row,
    describe,
    distance,
    observations,
    observed_cells,
    outside_share,
    percentile,
    percentile_by_count,
)
from pipelines.inference.novelty import season as season_of
from pipelines.training.chips import BAND_SUBSETS, ChipConfig
from pipelines.training.evaluate import WINDOW, window_series
from ringmoe_core import Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelines.inference.channels import CubeModality
    from pipelines.training.scene_arrays import SceneArrays
    from ringmoe_core import FusedPyramid, RingMoE

FloatArray = npt.NDArray[np.float32]

MODALITIES: Final[tuple[CubeModality, ...]] = ("sar_l2", "ms")
LEVEL: Final = 3
"""Index of the fused level: cells of 16 pixels, 8 x 8 a window; a smaller model's last."""

NUM_MEANS: Final = 12
"""Means of what describes a cell: about one a class or kind of input, found without labels."""

ENVELOPE: Final = 5e-4
"""Share of training values that lie beyond each end of the envelope."""

LEAST_CELLS: Final = 200
"""Held-out cells of a number of observations without which its percentiles are those of all cells."""

ROUNDS: Final = 20
"""Of Lloyd's algorithm; means hardly move after ten."""

NUM_QUANTILES: Final = 1001
SHRINKAGE: Final = 1e-3
"""Share of the mean variance added to every direction of the covariance, for those that hardly vary."""

PIXELS_A_WINDOW: Final = 512
"""Pixels of each image that the envelope is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyConfig:
    """How the statistics are gathered."""

    draws: int = 8
    """Windows drawn of each region."""

    seed: int = 0
    platforms: tuple[str, ...] = ("sentinel-1", "sentinel-2")
    gsd_m: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One window as it was shown, and what the model made of it."""

    series: dict[str, Series]
    fused: FusedPyramid


def fit_novelty(
    model: RingMoE,
    model_sha256: str,
    training: Sequence[SceneArrays],
    held_out: Sequence[SceneArrays],
    config: NoveltyConfig,
) -> Novelty:
    """Returns the statistics of a training.

    Args:
        model: In evaluation mode.
        model_sha256: Of its tensors.
        training: Regions like those that it was trained on: means, covariance and envelope.
        held_out: Others, which the percentiles are taken from.
        config: How.

    Raises:
        ValueError: No region of either kind.
    """
    if not training or not held_out:
        raise ValueError(f"regions of both kinds are needed, got {len(training)} and {len(held_out)}; render some")
    level = min(LEVEL, len(model.config.depths))
    shown = list(show(model, training, config, seed=config.seed))
    features = np.concatenate([cells_of(entry, level) for entry in shown])
    means, whitening = nearest_means(features, seed=config.seed)
    envelope: dict[str, FloatArray] = {
        name: _envelope([e.series[name] for e in shown if name in e.series], config) for name in MODALITIES
    }
    apart = list(show(model, held_out, config, seed=config.seed + 1))
    distances, shares, counts = [], [], []
    for entry in apart:
        observed = observed_cells(entry.fused, level)
        distances.append(distance(cells_of(entry, level), means, whitening))
        counts.append(observations(entry.fused, level)[observed])
        shares.append(outside_share(entry.series, envelope, observed.shape[1:3])[observed])
    far, outside = np.concatenate(distances), np.concatenate(shares)
    dates = np.concatenate(counts)
    by_count, of_shares = _quantiles_by_count(far, dates), _quantiles(outside)
    larger = np.maximum(percentile_by_count(far, dates, by_count), percentile(outside, of_shares))
    return Novelty(
        model_sha256=model_sha256,
        seen=seen_by(training, config),
        level=level,
        means_MD=means,
        whitening_DD=whitening,
        envelope=envelope,
        feature_quantiles=by_count,
        radiometry_quantiles=of_shares,
        larger_quantiles=_quantiles(larger),
    )


def show(model: RingMoE, scenes: Sequence[SceneArrays], config: NoveltyConfig, *, seed: int) -> Iterator[Shown]:
    """Yields windows of regions with drawn dates, sensors, bands and masks, and the fused features of all images."""
    random = np.random.default_rng(seed)
    for scene in scenes:
        for _ in range(config.draws):
            series = draw_input(scene, random)
            groups = torch.ones(1, 1, sum(part.num_dates for part in series.values()), dtype=torch.bool)
            with torch.inference_mode():
                yield Shown(series=series, fused=model.fuse(model.encode(series), groups))


def draw_input(scene: SceneArrays, random: np.random.Generator) -> dict[str, Series]:
    """Returns one window of a region as a user might show it."""
    chips = ChipConfig()
    side = [min(WINDOW, length) for length in scene.shape]
    corner = [int(random.integers(length - part + 1)) for length, part in zip(scene.shape, side, strict=True)]
    window = (slice(corner[0], corner[0] + side[0]), slice(corner[1], corner[1] + side[1]))
    dates = np.sort(random.permutation(scene.num_epochs)[: int(random.integers(1, scene.num_epochs + 1))])
    draw = random.random()
    kept = ("sar_l2",) if draw < chips.one_modality / 2 else ("ms",) if draw < chips.one_modality else MODALITIES
    series = window_series(scene, window, kept, [int(date) for date in dates])
    if "ms" in series and random.random() < chips.band_subset:
        subset = np.zeros(len(MODALITY_BANDS["ms"]), dtype=bool)
        subset[list(BAND_SUBSETS[int(random.integers(len(BAND_SUBSETS)))])] = True
        series["ms"] = with_bands(series["ms"], subset)
    return series


def with_bands(series: Series, kept: npt.NDArray[np.bool_]) -> Series:
    """Returns a series that has no other bands than those kept, (channel,)."""
    present = series.present_BTC & torch.from_numpy(kept)
    return Series(
        pixels_BTCHW=series.pixels_BTCHW * torch.from_numpy(kept)[:, None, None],
        valid_BTHW=series.valid_BTHW,
        present_BTC=present,
        day_BT=series.day_BT,
        age_BT=series.age_BT,
    )


def cells_of(shown: Shown, level: int) -> FloatArray:
    """Returns what describes the observed cells of a level, (cell, D)."""
    channels: dict[str, int] = {name: len(MODALITY_BANDS[name]) for name in MODALITIES}
    cells: FloatArray = describe(shown.fused, shown.series, level, channels)[observed_cells(shown.fused, level)]
    return cells


def nearest_means(features: FloatArray, *, seed: int, num_means: int = NUM_MEANS) -> tuple[FloatArray, FloatArray]:
    """Returns means (M, D) by Lloyd's algorithm in whitened space, and the whitening (D, D) of what they leave.

    Args:
        features: (cell, D).
        seed: Of the first means.
        num_means: Fewer where there are fewer cells.
    """
    values = features.astype(np.float64)
    white = (values - values.mean(axis=0)) @ _whitening(values - values.mean(axis=0)).T
    means = white[np.random.default_rng(seed).permutation(len(white))[:num_means]]
    for _ in range(ROUNDS):
        own = _nearest(white, means)
        means = np.stack([white[own == k].mean(axis=0) for k in np.unique(own)])
    own = _nearest(white, means)
    centres = np.stack([values[own == k].mean(axis=0) for k in np.unique(own)])
    left = values - centres[np.unique(own, return_inverse=True)[1]]
    return centres.astype(np.float32), _whitening(left).astype(np.float32)


def seen_by(scenes: Sequence[SceneArrays], config: NoveltyConfig) -> Seen:
    """Returns the sets of bands, seasons and platforms of a training on these regions."""
    days = np.concatenate([part.day for scene in scenes for part in (scene.ms, scene.sar)])
    met = np.zeros(NUM_SEASONS, dtype=bool)
    met[season_of(days)] = True
    num_bands = len(MODALITY_BANDS["ms"])
    subsets = [tuple(channel in subset for channel in range(num_bands)) for subset in BAND_SUBSETS]
    whole = {tuple(bool(band) for band in row) for scene in scenes for row in scene.ms.present if row.any()}
    radar = {tuple(bool(band) for band in row) for scene in scenes for row in scene.sar.present if row.any()}
    return Seen(
        bands={"ms": tuple(sorted({*subsets, *whole})), "sar_l2": tuple(sorted(radar))},
        seasons=tuple(bool(value) for value in met),
        platforms=config.platforms,
        gsd_m=config.gsd_m,
    )


def _nearest(white: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    squares = (means**2).sum(axis=1) - 2 * white @ means.T
    own: npt.NDArray[np.int64] = squares.argmin(axis=1)
    return own


def _whitening(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """W with W'W = S^-1, S the covariance with `SHRINKAGE` of its mean variance added to the diagonal."""
    covariance: npt.NDArray[np.float64] = centred.T @ centred / len(centred)
    dim = len(covariance)
    floor = max(SHRINKAGE * float(np.trace(covariance)) / dim, float(np.finfo(np.float32).tiny))
    lower = np.linalg.cholesky(covariance + np.eye(dim) * floor)
    whitening: npt.NDArray[np.float64] = np.asarray(np.linalg.solve(lower, np.eye(dim)), dtype=np.float64)
    return whitening


def _envelope(parts: Sequence[Series], config: NoveltyConfig) -> FloatArray:
    """Quantiles of the valid values of each channel, (channel, 2)."""
    random = np.random.default_rng(config.seed)
    sampled: list[FloatArray] = []
    for part in parts:
        pixels = part.pixels_BTCHW.numpy()[0]
        usable = part.valid_BTHW.numpy()[0, :, None] & part.present_BTC.numpy()[0][..., None, None]
        values = np.where(usable, pixels, np.float32(np.nan)).swapaxes(0, 1).reshape(pixels.shape[1], -1)
        sampled.append(values[:, random.integers(values.shape[1], size=PIXELS_A_WINDOW * len(pixels))])
    joined = np.concatenate(sampled, axis=1)
    seen = [row[np.isfinite(row)] for row in joined]
    ends = [np.quantile(row, [ENVELOPE, 1 - ENVELOPE]) if row.size else (-np.inf, np.inf) for row in seen]
    return np.array(ends, dtype=np.float32)


def _quantiles(values: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(np.quantile(values, np.linspace(0, 1, NUM_QUANTILES)), dtype=np.float32)


def _quantiles_by_count(values: FloatArray, counts: FloatArray) -> FloatArray:
    """A row each of `COUNTS`; of all cells where a count has too few of its own."""
    row = count_row(counts)
    own = [values[row == index] for index in range(len(COUNTS))]
    return np.stack([_quantiles(part if len(part) >= LEAST_CELLS else values) for part in own])
