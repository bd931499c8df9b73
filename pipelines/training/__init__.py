"""Chips drawn from labelled cubes, the training loop, evaluation and the baseline."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.baseline import Forest, LabelledCube, fit_forest
    from pipelines.training.distil import DistillationConfig, distil
    from pipelines.training.evaluate import answer, change_f1, figures, overall_accuracy
    from pipelines.training.fit import FitConfig, Phase, Step, fit
    from pipelines.training.scene_arrays import SceneArrays, scene_arrays

__all__ = [
    "DistillationConfig",
    "FitConfig",
    "Forest",
    "LabelledCube",
    "Phase",
    "SceneArrays",
    "Step",
    "answer",
    "change_f1",
    "distil",
    "figures",
    "fit",
    "fit_forest",
    "overall_accuracy",
    "scene_arrays",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baseline": ["Forest", "LabelledCube", "fit_forest"],
        "distil": ["DistillationConfig", "distil"],
        "evaluate": ["answer", "change_f1", "figures", "overall_accuracy"],
        "fit": ["FitConfig", "Phase", "Step", "fit"],
        "scene_arrays": ["SceneArrays", "scene_arrays"],
    },
)
