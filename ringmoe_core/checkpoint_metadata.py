"""CheckpointMetadata: what a file says about the model in it, besides its configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.config import RingMoEConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMetadata:
    """What a file says about the model in it, besides its configuration."""

    trained_modalities: tuple[str, ...]
    """Modalities that the weights have seen; others run, but on untrained experts."""

    normalisation: str
    """Id of the constants that turned physical values into input."""

    class_names: tuple[str, ...]
    """Name of each land-cover logit, in order; may be empty for a model without maps."""

    change_names: tuple[str, ...]
    """Name of each change logit, in order; may be empty for a model without maps."""

    provenance: str
    """How the weights came about: data, command, steps, seed."""

    change_threshold: float = 0.5
    """Probability of any change from which a pixel is published as changed, chosen on validation regions; 0 to 1."""

    land_cover_temperature: float = 1.0
    """Land-cover logits are divided by it before the softmax, so that confidence is frequency; 1 is not calibrated."""

    change_temperature: float = 1.0
    """Likewise of change logits; `change_threshold` is a probability at this temperature."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CheckpointMetadata:
        """The metadata of JSON, where lists stand for tuples.

        Raises:
            TypeError: a key is unknown or missing.
        """
        restored: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**restored)


def check_metadata(metadata: CheckpointMetadata, config: RingMoEConfig) -> None:
    """Checks that both speak of the same model.

    Raises:
        ValueError: they do not.
    """
    if not 0 < metadata.change_threshold <= 1:
        raise ValueError(f"a change threshold lies in (0, 1], got {metadata.change_threshold}; validate it again")
    for name in ("land_cover_temperature", "change_temperature"):
        value = getattr(metadata, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and above 0, got {value}; fit it again, or leave it at 1")
    unknown = sorted(set(metadata.trained_modalities) - set(config.modalities))
    if unknown:
        raise ValueError(f"trained modalities must be among {config.modalities}, got {unknown}; correct them")
    for names, codes in ((metadata.class_names, config.class_codes), (metadata.change_names, config.change_codes)):
        if len(names) != len(codes) and (names or config.maps):
            raise ValueError(f"one name a class is needed, got {names} for codes {codes}; make both equally long")
