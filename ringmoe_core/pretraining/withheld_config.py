"""WithheldConfig: which images of a series are withheld, how they are predicted, and how much each counts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldConfig:
    """Prediction of withheld images from the maps of the others; weights as those of `PretrainConfig`."""

    least_share: float = 0.2
    most_share: float = 0.7
    """Of a place's images that are withheld: drawn evenly between these, at least one image on either side."""

    whole_sensor: float = 0.2
    """Probability that all images of one sensor are withheld instead, where there are two."""

    num_judged: int = 2
    """Most withheld images of a sensor and place that one step predicts."""

    reader_dim: int = 64
    """Channels between maps and prediction."""

    optical_weight: float = 1.0
    sar_l2_weight: float = 1.0
    ms_weight: float = 1.0
    spectral_angle_weight: float = 1.0
    """Of the multispectral angle in radians, beside the reflectance."""

    balance_weight: float = 0.01
    z_weight: float = 0.001

    reflectance: Literal["l1", "huber"] = "l1"
    """Loss of optical and multispectral reflectance; Huber's halves meet at one deviation of the band."""

    sar_l2_looks: float = 4.4
    """Looks of detected power: Sentinel-1 IW GRD high resolution has 4.4 (product specification S1-RS-MDA-52-7441)."""

    sar_l2_noise_power: float = 1e-4
    """Least mean power predicted, linear: -40 dB, the floor of the model's own input."""

    def __post_init__(self) -> None:
        if not 0 < self.least_share <= self.most_share < 1:
            raise ValueError(
                f"shares are 0 < least_share <= most_share < 1, got {self.least_share} and {self.most_share}; "
                "something is withheld and something shown"
            )
        if not 0 <= self.whole_sensor <= 1:
            raise ValueError(f"whole_sensor is a probability, 0 to 1, got {self.whole_sensor}; correct it")
        if self.num_judged < 1 or self.reader_dim < 1:
            raise ValueError(
                f"num_judged and reader_dim are at least 1, got {self.num_judged} and {self.reader_dim}; raise them"
            )
        if self.reflectance not in {"l1", "huber"}:
            raise ValueError(f"reflectance must be one of ('l1', 'huber'), got {self.reflectance!r}; choose one")
        for name in (*_WEIGHTS, "sar_l2_looks", "sar_l2_noise_power"):
            value, least = getattr(self, name), 0.0 if name in _WEIGHTS else _LEAST_ABOVE_ZERO
            if not (value >= least and math.isfinite(value)):
                raise ValueError(f"{name} must be finite and {_BOUND[name in _WEIGHTS]}, got {value}; correct it")

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> WithheldConfig:
        """The configuration that `to_dict` wrote; keys that are left out take their defaults.

        Raises:
            ValueError: a key is unknown or a value is out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a configuration of withheld images holds known keys only, got {unknown}; remove them")
        return cls(**values)  # type: ignore[arg-type]


_WEIGHTS = ("optical_weight", "sar_l2_weight", "ms_weight", "spectral_angle_weight", "balance_weight", "z_weight")
_LEAST_ABOVE_ZERO = 1e-12
_BOUND = {True: "at least 0", False: "above 0"}
