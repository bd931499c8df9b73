"""The tasks that a run can name: what they are learnt from, and the head that answers each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flows.train_config import TaskName, TaskStage
    from pipelines.training.loop import TaskSpec
    from ringmoe_core.heads import HeadConfig
    from ringmoe_core.heads.head_inputs import HeadInputs

_SPECS: Final[Mapping[str, Mapping[str, Any]]] = {
    "land_cover": {"kind": "series", "target": "land_cover"},
    "change": {"kind": "series", "target": "change"},
    "radar_land_cover": {"kind": "slc", "target": "land_cover"},
    "height": {"kind": "vhr", "target": "height_m"},
    "objects": {"kind": "vhr", "target": "boxes", "rotated": True},
    "scene": {"kind": "vhr", "target": "scene_class"},
    "movers": {"kind": "video", "target": "boxes"},
}

SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "series": ("sar_l2", "ms"),
    "slc": ("sar_l1",),
    "vhr": ("optical",),
    "video": ("optical",),
}
"""Kind of place -> modalities of its chips."""


def task_specs(weights: Mapping[TaskName, float]) -> list[TaskSpec]:
    """Returns the tasks of a stage, given by the weights of their losses."""
    from pipelines.training.loop import TaskSpec

    return [TaskSpec(name=name, weight=weight, **_SPECS[name]) for name, weight in weights.items()]


def head_configs(names: Mapping[TaskName, float], channels: int) -> dict[str, HeadConfig]:
    """Returns the heads of tasks that the backbone does not answer itself, by the tasks' names."""
    from flows.render import OBJECT_CLASSES
    from pipelines.legend import LAND_COVER
    from pipelines.simulate.vhr import SCENE_CLASSES
    from ringmoe_core.heads import HeadConfig

    width = {"channels": channels}
    heads = {
        "radar_land_cover": HeadConfig(
            kind="segmentation",
            task="radar_land_cover",
            class_names=tuple(entry.name for entry in LAND_COVER),
            options=width,
        ),
        "height": HeadConfig(kind="height", task="height", options=width),
        "objects": HeadConfig(kind="rotated", task="objects", class_names=OBJECT_CLASSES, options=width),
        "scene": HeadConfig(kind="classification", task="scene", class_names=SCENE_CLASSES),
        "movers": HeadConfig(kind="detection", task="movers", class_names=OBJECT_CLASSES, options=width),
    }
    return {str(name): heads[name] for name in names if name in heads}


def head_inputs(names: Iterable[str], stage: TaskStage) -> dict[str, HeadInputs]:
    """Returns what heads of a stage are shown: the sides of its chips, and all bands of their places' modalities.

    Args:
        names: Of the heads.
        stage: That teaches them.
    """
    from pipelines.training.places.band_names import band_names
    from ringmoe_core.heads.head_inputs import HeadInputs

    sides = tuple(sorted({phase.size for phase in stage.phases}))
    return {
        name: HeadInputs(
            windows_px=sides, bands={modality: band_names(modality) for modality in SHOWN[_SPECS[name]["kind"]]}
        )
        for name in names
    }
