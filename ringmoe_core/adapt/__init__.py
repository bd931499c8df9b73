"""How much of a backbone is taught a new task: nothing, small adapters, or all of it, deeper layers faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.adapt.adapter_file import AdapterMetadata, load_adapters, save_adapters
    from ringmoe_core.adapt.convpass import ConvpassConfig, add_convpass
    from ringmoe_core.adapt.layer_groups import layer_groups
    from ringmoe_core.adapt.lora import LoraConfig, add_lora, merge_lora
    from ringmoe_core.adapt.trainable import ParameterCount, freeze, trainable_parameters

__all__ = [
    "AdapterMetadata",
    "ConvpassConfig",
    "LoraConfig",
    "ParameterCount",
    "add_convpass",
    "add_lora",
    "freeze",
    "layer_groups",
    "load_adapters",
    "merge_lora",
    "save_adapters",
    "trainable_parameters",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adapter_file": ["AdapterMetadata", "load_adapters", "save_adapters"],
        "convpass": ["ConvpassConfig", "add_convpass"],
        "layer_groups": ["layer_groups"],
        "lora": ["LoraConfig", "add_lora", "merge_lora"],
        "trainable": ["ParameterCount", "freeze", "trainable_parameters"],
    },
)
