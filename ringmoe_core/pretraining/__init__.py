"""Pre-training without labels: hide, predict, contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.pretraining.batch import PretrainBatch
    from ringmoe_core.pretraining.config import PretrainConfig
    from ringmoe_core.pretraining.pretrainer import Pretrainer, PretrainLosses
    from ringmoe_core.pretraining.random_mask import draw_masks, unit_for
    from ringmoe_core.pretraining.withheld import WithheldImages
    from ringmoe_core.pretraining.withheld_config import WithheldConfig

__all__ = [
    "PretrainBatch",
    "PretrainConfig",
    "PretrainLosses",
    "Pretrainer",
    "WithheldConfig",
    "WithheldImages",
    "draw_masks",
    "unit_for",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch": ["PretrainBatch"],
        "config": ["PretrainConfig"],
        "pretrainer": ["PretrainLosses", "Pretrainer"],
        "random_mask": ["draw_masks", "unit_for"],
        "withheld": ["WithheldImages"],
        "withheld_config": ["WithheldConfig"],
    },
)
