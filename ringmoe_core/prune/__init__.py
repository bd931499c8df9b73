"""Smaller models from trained ones: fewer modalities, fewer experts, or one dense network a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.prune.calibration import Calibration
    from ringmoe_core.prune.concatenation import concatenate
    from ringmoe_core.prune.configs import dense_config, extracted_config, pruned_config
    from ringmoe_core.prune.densification import densify
    from ringmoe_core.prune.distil import DistilConfig, DistilLoss, DistilView, distillation_loss
    from ringmoe_core.prune.expert_pruning import prune_experts
    from ringmoe_core.prune.extraction import extract
    from ringmoe_core.prune.measurement import calibrate
    from ringmoe_core.prune.recalibration import recalibrate

__all__ = [
    "Calibration",
    "DistilConfig",
    "DistilLoss",
    "DistilView",
    "calibrate",
    "concatenate",
    "dense_config",
    "densify",
    "distillation_loss",
    "extract",
    "extracted_config",
    "prune_experts",
    "pruned_config",
    "recalibrate",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calibration": ["Calibration"],
        "concatenation": ["concatenate"],
        "configs": ["dense_config", "extracted_config", "pruned_config"],
        "densification": ["densify"],
        "distil": ["DistilConfig", "DistilLoss", "DistilView", "distillation_loss"],
        "expert_pruning": ["prune_experts"],
        "extraction": ["extract"],
        "measurement": ["calibrate"],
        "recalibration": ["recalibrate"],
    },
)
