"""Smaller models from trained ones: fewer modalities, fewer experts, or one dense network a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.prune.configs import dense_config, extracted_config, pruned_config

__all__ = [
    "dense_config",
    "extracted_config",
    "pruned_config",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "configs": ["dense_config", "extracted_config", "pruned_config"],
    },
)
