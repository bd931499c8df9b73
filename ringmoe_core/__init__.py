"""RingMoE in PyTorch: tensors in, tensors out; knows no map and no file format but its own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.band import Band
    from ringmoe_core.checkpoint import CheckpointMetadata, LoadedModel, load_checkpoint, save_checkpoint
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.errors import CheckpointError
    from ringmoe_core.features import Features
    from ringmoe_core.fusion import FusedPyramid
    from ringmoe_core.modality import MODALITIES
    from ringmoe_core.model import RingMoE
    from ringmoe_core.presets import PRESETS, nano
    from ringmoe_core.series import Series
    from ringmoe_core.task_model import TaskModel

__all__ = [  # noqa: RUF022 plain order, as in every package
    "Band",
    "CheckpointError",
    "CheckpointMetadata",
    "Features",
    "FusedPyramid",
    "LoadedModel",
    "MODALITIES",
    "PRESETS",
    "RingMoE",
    "RingMoEConfig",
    "Series",
    "TaskModel",
    "load_checkpoint",
    "nano",
    "save_checkpoint",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "band": ["Band"],
        "checkpoint": ["CheckpointMetadata", "LoadedModel", "load_checkpoint", "save_checkpoint"],
        "config": ["RingMoEConfig"],
        "features": ["Features"],
        "errors": ["CheckpointError"],
        "fusion": ["FusedPyramid"],
        "modality": ["MODALITIES"],
        "model": ["RingMoE"],
        "presets": ["PRESETS", "nano"],
        "series": ["Series"],
        "task_model": ["TaskModel"],
    },
)
