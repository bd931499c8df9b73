"""From logits to the figures of a model's calibration, with intervals over scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.training.calibration.reliability import (
    Reliability,
    bootstrap_error,
    brier_score,
    equal_mass,
    equal_width,
    reliability,
)
from pipelines.training.calibration.temperature import fit_temperature, negative_log_likelihood, probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.calibration.scene_logits import SceneLogits


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """One a task."""

    land_cover: float = 1.0
    change: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFigures:
    """How honest one published percentage is."""

    error: float
    """ECE over 15 bins of equal width."""

    interval: tuple[float, float]
    """95 % of it, drawn over scenes."""

    error_mass: float
    """ECE over 15 bins of equal mass."""

    brier: float
    negative_log_likelihood: float
    accuracy: float
    """Share of pixels whose stated class is right, or of which the statement of change is."""

    table: tuple[dict[str, float], ...]
    """Rows of the reliability table: count, confidence, right."""


def fit_temperatures(scenes: Sequence[SceneLogits]) -> Temperatures:
    """Returns the temperatures that held-out scenes ask for."""
    return Temperatures(
        land_cover=fit_temperature(
            np.concatenate([s.land_cover for s in scenes]), np.concatenate([s.land_cover_label for s in scenes])
        ),
        change=fit_temperature(
            np.concatenate([s.change for s in scenes]), np.concatenate([s.change_label for s in scenes])
        ),
    )


def land_cover_figures(scenes: Sequence[SceneLogits], temperature: float) -> CalibrationFigures:
    """Returns the figures of `confidence`, the probability of the stated class."""
    probability = [probabilities(s.land_cover, temperature) for s in scenes]
    right = [p.argmax(axis=1) == s.land_cover_label for p, s in zip(probability, scenes, strict=True)]
    labels = np.concatenate([s.land_cover_label for s in scenes])
    logits = np.concatenate([s.land_cover for s in scenes])
    return _figures(
        [p.max(axis=1) for p in probability],
        right,
        brier=brier_score(np.concatenate(probability), labels),
        likelihood=negative_log_likelihood(logits, labels, temperature),
    )


def change_figures(scenes: Sequence[SceneLogits], temperature: float) -> CalibrationFigures:
    """Returns the figures of `probability`, that of any change: stated p against the share that did change."""
    stated = [1 - probabilities(s.change, temperature)[:, 0] for s in scenes]
    truth = [s.change_label > 0 for s in scenes]
    logits = np.concatenate([s.change for s in scenes])
    labels = np.concatenate([s.change_label for s in scenes])
    return _figures(
        stated,
        truth,
        brier=brier_score(probabilities(logits, temperature), labels),
        likelihood=negative_log_likelihood(logits, labels, temperature),
    )


def _figures(
    stated: Sequence[npt.NDArray[np.float64]],
    right: Sequence[npt.NDArray[np.bool_]],
    *,
    brier: float,
    likelihood: float,
) -> CalibrationFigures:
    clipped = [np.clip(values, 0, 1) for values in stated]
    scenes = [reliability(c, r, equal_width()) for c, r in zip(clipped, right, strict=True)]
    together: Reliability = sum(scenes[1:], start=scenes[0])
    everything, truth = np.concatenate(clipped), np.concatenate(right)
    return CalibrationFigures(
        error=together.error,
        interval=bootstrap_error(scenes),
        error_mass=reliability(everything, truth, equal_mass(everything)).error,
        brier=brier,
        negative_log_likelihood=likelihood,
        accuracy=together.accuracy,
        table=tuple(together.rows()),
    )
