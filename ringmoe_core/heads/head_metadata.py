"""HeadMetadata: what a file says about the heads in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringmoe_core.config import RingMoEConfig
from ringmoe_core.heads.head_config import HeadConfig
from ringmoe_core.heads.head_inputs import HeadInputs

WITHOUT_BACKBONE = ("pixel_series",)
"""Kinds that need no backbone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMetadata:
    """What a file says about the heads in it."""

    configs: Mapping[str, HeadConfig]
    """Of each head, by its name."""

    model_config: RingMoEConfig
    """Of the backbone that they were trained on."""

    backbone_sha256: str
    """Of its tensors, as `LoadedModel.sha256`; empty where no head needs a backbone."""

    normalisation: str
    """Id of the constants that turned physical values into input."""

    provenance: str
    """How the weights came about: data, command, steps, seed."""

    adapters_sha256: str = ""
    """Of the file of adapters that the heads were trained with; empty for none."""

    temperatures: Mapping[str, float] = field(default_factory=dict)
    """What each head's logits are divided by (`apply_temperature`); 1 for those left out."""

    inputs: Mapping[str, HeadInputs] = field(default_factory=dict)
    """What each head was shown while it learned; nothing is known of those left out, as of all in older files."""

    def __post_init__(self) -> None:
        if not self.configs:
            raise ValueError("a file of heads holds at least one, got none; name them")
        if not self.backbone_sha256 and not self.without_backbone:
            raise ValueError("heads belong to a backbone, got no SHA-256 of its tensors; give LoadedModel.sha256")
        for what, named in (("temperatures", self.temperatures), ("inputs", self.inputs)):
            unknown = sorted(set(named) - set(self.configs))
            if unknown:
                raise ValueError(f"{what} belong to heads {sorted(self.configs)}, got {unknown}; correct them")
        for name, value in self.temperatures.items():
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"a temperature must be above 0 and finite, got {value} for '{name}'; fit it again")

    @property
    def without_backbone(self) -> bool:
        """Whether no head needs one."""
        return all(one.kind in WITHOUT_BACKBONE for one in self.configs.values())

    def temperature(self, name: str) -> float:
        """Of a head; 1 where it was not calibrated."""
        return float(self.temperatures.get(name, 1.0))

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values; a temperature for every head."""
        return {
            "configs": {name: config.to_dict() for name, config in self.configs.items()},
            "model_config": self.model_config.to_dict(),
            "backbone_sha256": self.backbone_sha256,
            "adapters_sha256": self.adapters_sha256,
            "normalisation": self.normalisation,
            "provenance": self.provenance,
            "temperatures": {name: self.temperature(name) for name in self.configs},
            "inputs": {name: inputs.to_dict() for name, inputs in self.inputs.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HeadMetadata:
        """The metadata that `to_dict` wrote.

        Raises:
            TypeError: a key is unknown or missing.
            ValueError: a value is out of range.
        """
        restored = dict(values)
        restored["configs"] = {name: HeadConfig.from_dict(one) for name, one in values["configs"].items()}
        restored["model_config"] = RingMoEConfig.from_dict(values["model_config"])
        inputs = values.get("inputs", {})
        restored["inputs"] = {name: HeadInputs.from_dict(one) for name, one in inputs.items()}
        return cls(**restored)
