"""Teaches the head that reads a point's series alone, and the layout by which a series is one row of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipelines.inference.channels import MODALITY_BANDS
from pipelines.inference.pixel_statistics import series_statistics
from ringmoe_core.heads.pixel_series import PixelSeriesHead
from ringmoe_core.heads.point_series import PointSeries

if TYPE_CHECKING:
    from pipelines.training.own_labels.learner import Answer, Learner, Rows, Scores
    from pipelines.training.own_labels.point_table import PointTable

    Ints = npt.NDArray[np.int64]

STEPS: Final = 160
BATCH: Final = 64
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 5e-2
DIM: Final = 32
DEPTH: Final = 1
DROPPED_DATES: Final = 0.2
"""Share of the dates that a training step does not see: clouds of other years."""

NOISE: Final = 0.1
"""Standard deviation of the noise on normalised values in a training step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLayout:
    """How series lie in a row: each modality's values (step, band), then the day of each step."""

    bands: dict[str, int]
    """Number of bands of each modality, in order."""

    num_steps: int

    def rows(self, table: PointTable) -> Rows:
        """Returns the rows of a table's points, NaN where missing."""
        parts = [table.series[name].reshape(len(table.lon), -1) for name in self.bands]
        return np.ascontiguousarray(np.concatenate([*parts, table.day], axis=1), dtype=np.float32)

    def points(self, rows: torch.Tensor) -> dict[str, PointSeries]:
        """Returns rows as the head's input."""
        day = rows[:, -self.num_steps :]
        points, first = {}, 0
        for name, num in self.bands.items():
            values = rows[:, first : first + self.num_steps * num].reshape(len(rows), self.num_steps, num)
            first += self.num_steps * num
            present = torch.isfinite(values)
            points[name] = PointSeries(
                values_BTC=torch.nan_to_num(values), valid_BT=present.any(-1), present_BTC=present, day_BT=day
            )
        return points

    def statistics(self, rows: Rows) -> Rows:
        """Returns per-band temporal statistics, (point, statistic), as a map's pixels have them."""
        first, parts = 0, []
        for name, num in self.bands.items():
            values = rows[:, first : first + self.num_steps * num].reshape(len(rows), self.num_steps, num)
            first += self.num_steps * num
            assert name in MODALITY_BANDS, "held by the table's mapping"
            pixels = values.transpose(1, 2, 0)[..., None]
            seen = np.ones((self.num_steps, len(rows), 1), dtype=np.bool_)
            present = np.ones((self.num_steps, num), dtype=np.bool_)
            parts.append(series_statistics(pixels, seen, present, name)[..., 0].T)
        return np.ascontiguousarray(np.concatenate(parts, axis=1))


def layout_of(table: PointTable) -> SeriesLayout:
    """Returns the layout of a table's series."""
    return SeriesLayout(
        bands={name: values.shape[2] for name, values in table.series.items()}, num_steps=table.day.shape[1]
    )


def series_learner(layout: SeriesLayout, *, seed: int = 0, steps: int = STEPS) -> Learner:
    """Returns a learner of heads of series; its rows are the layout's."""

    def learn(rows: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
        head = fit_series_head(layout, rows, label, weight, num_classes, seed=seed, steps=steps)

        def answer(asked: Rows) -> Scores:
            with torch.inference_mode():
                return np.asarray(head(layout.points(torch.from_numpy(asked))).double().numpy())

        return answer

    return learn


def statistics_learner(layout: SeriesLayout, learner: Learner) -> Learner:
    """Returns a learner that sees the statistics of the layout's rows instead."""

    def learn(rows: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
        answer = learner(layout.statistics(rows), label, weight, num_classes)
        return lambda asked: answer(layout.statistics(asked))

    return learn


def fit_series_head(
    layout: SeriesLayout,
    rows: Rows,
    label: Ints,
    weight: npt.NDArray[np.float64],
    num_classes: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
) -> PixelSeriesHead:
    """Returns a head of series that has learnt the labels, in evaluation mode.

    Args:
        layout: Of the rows.
        rows: (point, value), NaN is missing.
        label: (point,).
        weight: (point,), positive.
        num_classes: Number of outputs.
        seed: Of weights, batches, dropped dates and noise.
        steps: Training steps.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = PixelSeriesHead(layout.bands, num_classes, dim=DIM, depth=DEPTH)
        optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        inputs, targets, weights = torch.from_numpy(rows), torch.from_numpy(label), torch.from_numpy(weight)
        head.train()
        for _ in range(steps):
            drawn = torch.multinomial(weights, min(BATCH, len(targets)), replacement=len(targets) < BATCH)
            loss = functional.cross_entropy(head(layout.points(_augmented(inputs[drawn], layout))), targets[drawn])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return head.eval()


def _augmented(rows: torch.Tensor, layout: SeriesLayout) -> torch.Tensor:
    """Noise on the values, and whole dates of a modality left out."""
    values = rows[:, : -layout.num_steps] + NOISE * torch.randn(len(rows), rows.shape[1] - layout.num_steps)
    parts, first = [], 0
    for num in layout.bands.values():
        part = values[:, first : first + layout.num_steps * num].reshape(len(rows), layout.num_steps, num)
        first += layout.num_steps * num
        gone = torch.rand(len(rows), layout.num_steps, 1) < DROPPED_DATES
        parts.append(part.masked_fill(gone, torch.nan).flatten(1))
    return torch.cat([*parts, rows[:, -layout.num_steps :]], dim=1)
