"""Whether confidence means frequency, and whether a model has seen the like of what it is shown."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.calibration.measure import (
        CalibrationFigures,
        Temperatures,
        change_figures,
        fit_temperatures,
        land_cover_figures,
    )
    from pipelines.training.calibration.reliability import brier_score, expected_calibration_error
    from pipelines.training.calibration.scene_logits import SceneLogits, scene_logits
    from pipelines.training.calibration.temperature import fit_temperature

__all__ = [
    "CalibrationFigures",
    "SceneLogits",
    "Temperatures",
    "brier_score",
    "change_figures",
    "expected_calibration_error",
    "fit_temperature",
    "fit_temperatures",
    "land_cover_figures",
    "scene_logits",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "measure": [
            "CalibrationFigures",
            "Temperatures",
            "change_figures",
            "fit_temperatures",
            "land_cover_figures",
        ],
        "reliability": ["brier_score", "expected_calibration_error"],
        "scene_logits": ["SceneLogits", "scene_logits"],
        "temperature": ["fit_temperature"],
    },
)
