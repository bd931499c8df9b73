"""The target of each modality under a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmoe_core.pretraining.complex_target import (
    CovarianceTarget,
    LogTarget,
    PlainPowerTarget,
    RawTarget,
    SpanTarget,
)
from ringmoe_core.pretraining.detected_target import PowerTarget, ReflectanceTarget
from ringmoe_core.pretraining.target_scale import target_scale

if TYPE_CHECKING:
    from ringmoe_core.pretraining.config import PretrainConfig
    from ringmoe_core.pretraining.target import Target


def modality_target(modality: str, channels: int, config: PretrainConfig) -> Target:
    """What is predicted of a modality of so many input channels.

    Raises:
        ValueError: a modality that is not known, or complex images that are not I and Q of four polarisations.
    """
    if modality != "sar_l1":
        scale = target_scale(modality, channels)
        if modality == "sar_l2":
            return PowerTarget(scale=scale, looks=config.sar_l2_looks, noise_power=config.sar_l2_noise_power)
        return ReflectanceTarget(scale=scale, kind=config.reflectance, has_angle=modality == "ms")
    if channels != 8:  # noqa: PLR2004
        raise ValueError(
            f"sar_l1 has I and Q of HH, HV, VH and VV, 8 channels, got {channels}; give absent ones as not present"
        )
    scale = target_scale(modality, channels // 2)
    noise = config.sar_l1_noise_power
    targets: dict[str, Target] = {
        "covariance": CovarianceTarget(scale=scale, noise_power=noise, box=config.sar_l1_box),
        "span": SpanTarget(scale=scale, noise_power=noise),
        "plain_power": PlainPowerTarget(),
        "raw": RawTarget(scale=scale),
        "log_l1": LogTarget(scale=scale, noise_power=noise),
    }
    return targets[config.sar_l1]
