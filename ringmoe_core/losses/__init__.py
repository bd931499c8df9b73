"""Objectives: pure functions on tensors, each with its equation and its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.losses.covariance import CovarianceFactor, factor_covariance
    from ringmoe_core.losses.gamma import gamma_nll
    from ringmoe_core.losses.gaussian import gaussian_covariance_nll
    from ringmoe_core.losses.mean import masked_mean
    from ringmoe_core.losses.noise_contrastive import info_nce
    from ringmoe_core.losses.plain_power import plain_power_loss, plain_power_target
    from ringmoe_core.losses.reconstruction import reconstruction_huber, reconstruction_l1
    from ringmoe_core.losses.routing import routing_losses
    from ringmoe_core.losses.sigmoid_pairs import sigmoid_contrastive
    from ringmoe_core.losses.span import span_loss
    from ringmoe_core.losses.spectrum import spectral_angle
    from ringmoe_core.losses.wishart import wishart_nll

__all__ = [
    "CovarianceFactor",
    "factor_covariance",
    "gamma_nll",
    "gaussian_covariance_nll",
    "info_nce",
    "masked_mean",
    "plain_power_loss",
    "plain_power_target",
    "reconstruction_huber",
    "reconstruction_l1",
    "routing_losses",
    "sigmoid_contrastive",
    "span_loss",
    "spectral_angle",
    "wishart_nll",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "covariance": ["CovarianceFactor", "factor_covariance"],
        "gamma": ["gamma_nll"],
        "gaussian": ["gaussian_covariance_nll"],
        "mean": ["masked_mean"],
        "noise_contrastive": ["info_nce"],
        "plain_power": ["plain_power_loss", "plain_power_target"],
        "reconstruction": ["reconstruction_huber", "reconstruction_l1"],
        "routing": ["routing_losses"],
        "sigmoid_pairs": ["sigmoid_contrastive"],
        "span": ["span_loss"],
        "spectrum": ["spectral_angle"],
        "wishart": ["wishart_nll"],
    },
)
