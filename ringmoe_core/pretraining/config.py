"""PretrainConfig: what is hidden, what is predicted, what is contrasted, and how much each counts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """Masked prediction alone (`contrastive` "none"), contrast alone (`masked_weight` 0), or both in one step."""

    masked_weight: float = 1.0
    """Of all masked terms together; 0 hides nothing and builds no decoder."""

    optical_weight: float = 1.0
    """Of reflectance of the optical images, in deviations of the band."""

    sar_l1_weight: float = 1.0
    """Of the complex images' term, in nats a pixel where it is a likelihood."""

    sar_l2_weight: float = 1.0
    """Of the detected images' Gamma likelihood, in nats."""

    ms_weight: float = 1.0
    """Of reflectance of the multispectral images, in deviations of the band."""

    spectral_angle_weight: float = 1.0
    """Of the multispectral angle in radians, beside the reflectance."""

    contrastive_weight: float = 0.1
    """Of the contrast between modalities."""

    balance_weight: float = 0.01
    """Of the balance loss of the experts (Switch Transformer, arXiv 2101.03961, section 2.2)."""

    z_weight: float = 0.001
    """Of the routers' z loss (ST-MoE, arXiv 2202.08906, section 3.3)."""

    mask_ratio: float = 0.6
    """Share of units hidden, rounded up: 22 of the 36 of 192 px (the paper's)."""

    mask_unit: int | None = None
    """Side of a unit in pixels, a multiple of the patch; None takes `unit_for` the image's size."""

    mask_together: tuple[tuple[str, ...], ...] = (("optical", "ms"),)
    """Modalities that may show one measurement, and so are hidden at the same places where they have as many dates."""

    hide: Literal["token", "missing"] = "token"
    """Whether a learned token stands for hidden patches (the paper), or they look like missing data, as under cloud."""

    reflectance: Literal["l1", "huber"] = "l1"
    """Loss of optical and multispectral reflectance; Huber's halves meet at one deviation of the band."""

    sar_l1: Literal["covariance", "span", "plain_power", "raw", "log_l1"] = "covariance"
    """What is predicted of complex images: their covariance; total power by a quasi-likelihood; the paper's stretched
    power by squares; I and Q themselves by L1; decibels by L1."""

    sar_l1_box: int = 1
    """Side in pixels of the boxes that the covariance is multilooked over: 1 for single samples."""

    sar_l1_noise_power: float = 1e-3
    """Least variance of a component, linear: -30 dB, near the noise of quad-polarised products."""

    sar_l2_looks: float = 4.4
    """Looks of detected power: Sentinel-1 IW GRD high resolution has 4.4 (product specification S1-RS-MDA-52-7441)."""

    sar_l2_noise_power: float = 1e-4
    """Least mean power predicted, linear: -40 dB, the floor of the model's own input."""

    cross_modal: bool = False
    """Whether a modality is predicted from the visible pixels of the others too, through fusion."""

    contrastive: Literal["none", "info_nce", "sigmoid"] = "none"
    """Kind of contrast."""

    contrastive_days: float = 3.0
    """Longest time between two images of different modalities that count as one state of the ground."""

    sigmoid_bias: float = -4.0
    """First bias of the sigmoid contrast: about minus the logarithm of a batch (-10 for the 32,768 of the source)."""

    decoder_dim: int = 64
    """Channels of the light decoders."""

    projection_dim: int = 128
    """Channels that are contrasted."""

    def __post_init__(self) -> None:
        self._check_choices()
        for name in _AT_LEAST_ZERO:
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be finite and at least 0, got {value}; 0 switches the term off")
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be finite and above 0, got {value}; see its documentation")
        if not 0 < self.mask_ratio < 1:
            raise ValueError(f"mask_ratio must lie between 0 and 1, got {self.mask_ratio}; the paper hides 0.6")
        if self.mask_unit is not None and self.mask_unit < 1:
            raise ValueError(f"mask_unit must be at least 1 pixel, got {self.mask_unit}; None takes one by image size")
        if not self.masks and self.contrastive == "none":
            raise ValueError(
                "pre-training needs an objective, got masked_weight 0 and contrastive 'none'; switch one of them on"
            )
        if self.sar_l1_box > 1 and self.sar_l1 != "covariance":
            raise ValueError(
                f"only covariances are multilooked, got sar_l1_box {self.sar_l1_box} with {self.sar_l1!r}; use box 1"
            )
        self._check_together()

    @property
    def masks(self) -> bool:
        """Whether anything is hidden and predicted."""
        return self.masked_weight > 0

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values; tuples become lists."""
        return asdict(self) | {"mask_together": [list(group) for group in self.mask_together]}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> PretrainConfig:
        """The configuration that `to_dict` wrote; keys that are left out take their defaults.

        Raises:
            ValueError: a key is unknown or a value is out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a pre-training configuration holds known keys only, got {unknown}; remove them")
        given = dict(values)
        if "mask_together" in given:
            given["mask_together"] = tuple(tuple(group) for group in given["mask_together"])  # type: ignore[attr-defined]
        return cls(**given)  # type: ignore[arg-type]

    def _check_choices(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}; choose one of them")

    def _check_together(self) -> None:
        names = [name for group in self.mask_together for name in group]
        if len(set(names)) != len(names):
            raise ValueError(
                f"mask_together must name a modality at most once, got {self.mask_together}; join the groups"
            )


_CHOICES = {
    "hide": ("token", "missing"),
    "reflectance": ("l1", "huber"),
    "sar_l1": ("covariance", "span", "plain_power", "raw", "log_l1"),
    "contrastive": ("none", "info_nce", "sigmoid"),
}

_AT_LEAST_ZERO = (
    "masked_weight", "optical_weight", "sar_l1_weight", "sar_l2_weight", "ms_weight", "spectral_angle_weight",
    "contrastive_weight", "balance_weight", "z_weight", "contrastive_days",
)  # fmt: skip

_ABOVE_ZERO = (
    "sar_l1_box", "sar_l1_noise_power", "sar_l2_looks", "sar_l2_noise_power", "decoder_dim", "projection_dim",
)  # fmt: skip
