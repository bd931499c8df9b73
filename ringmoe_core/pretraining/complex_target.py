"""Targets of single-look complex images: the covariance, and four others to compare it with.

Legend: N images, C = 4 polarisations HH, HV, VH, VV, P components of the scattering vector, R numbers, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from ringmoe_core.losses.covariance import CovarianceFactor, factor_covariance
from ringmoe_core.losses.gamma import floor_log_mean
from ringmoe_core.losses.gaussian import gaussian_covariance_nll
from ringmoe_core.losses.plain_power import plain_power_loss, plain_power_target
from ringmoe_core.losses.reconstruction import reconstruction_l1
from ringmoe_core.losses.scattering import (
    HH,
    HV,
    NUM_COMPONENTS,
    VV,
    sample_covariance,
    scattering_vector,
    vector_components,
)
from ringmoe_core.losses.span import span_loss
from ringmoe_core.losses.wishart import wishart_nll
from ringmoe_core.pretraining.target_scale import NEPERS_PER_DB, TargetScale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ringmoe_core.pretraining.target import Truth

SPAN_DB: Final = -7.0
"""Of the decoder's zero: two co-polarised channels of -11 dB and two cross-polarised ones of -18 dB add up to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceTarget:
    """The covariance of the reciprocal scattering vector, by the likelihood of single samples or of boxes.

    One covariance is predicted for all images; one with fewer polarisations is judged by its part of it.
    """

    scale: TargetScale
    noise_power: float
    box: int = 1

    @property
    def num_numbers(self) -> int:
        """P^2."""
        return NUM_COMPONENTS**2

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Mean likelihood a pixel, over images of all polarisations."""
        weight_NHW = (truth.whole & truth.judged_NHW).float()
        known_NCHW = torch.where(truth.known_NCHW, truth.values_NCHW, torch.nan)  # an absent channel may hold anything
        vector_NPHW = scattering_vector(known_NCHW)
        total, mass = numbers_NRHW[:0].sum(), weight_NHW.sum()  # zero, with gradient
        for keep, images in _by_components(truth.present_NC):
            share = weight_NHW[images].sum() / torch.where(mass > 0, mass, 1.0)
            part = self._judge(numbers_NRHW[images], vector_NPHW[images][:, list(keep)], weight_NHW[images], keep)
            total = total + share * part
        return {"": total}

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """Covariance (N, P, P, H, W)."""
        return self._factor(numbers_NRHW).covariance()

    def _factor(self, numbers_NRHW: Tensor) -> CovarianceFactor:
        logs = self._vector_scale().log_power(numbers_NRHW[:, :NUM_COMPONENTS])
        return factor_covariance(torch.cat([logs, numbers_NRHW[:, NUM_COMPONENTS:]], dim=1), self.noise_power)

    def _vector_scale(self) -> TargetScale:
        """Of HH, both cross-polarised channels together, and VV."""
        cross_db = self.scale.mean[HV] + 3.0
        return TargetScale(
            mean=(self.scale.mean[HH], cross_db, self.scale.mean[VV]),
            std=(self.scale.std[HH], self.scale.std[HV], self.scale.std[VV]),
        )

    def _judge(self, numbers_NRHW: Tensor, vector_NPHW: Tensor, weight_NHW: Tensor, keep: tuple[int, ...]) -> Tensor:
        if self.box == 1:
            return gaussian_covariance_nll(self._factor(numbers_NRHW).marginal(keep), vector_NPHW, weight_NHW)
        factor = self._factor(functional.avg_pool2d(numbers_NRHW, self.box, ceil_mode=True)).marginal(keep)
        shown = torch.where(weight_NHW[:, None] > 0, vector_NPHW, 0.0)
        looks_NHW = self._sum(weight_NHW[:, None])[:, 0]
        products = sample_covariance(shown).flatten(1, 2)
        sums = torch.complex(self._sum(products.real), self._sum(products.imag))
        mean = (
            sums.reshape(sums.shape[0], len(keep), len(keep), *sums.shape[2:]) / looks_NHW.clamp_min(1)[:, None, None]
        )
        return wishart_nll(factor, mean, looks_NHW, 1.0)  # a cell counts as often as it has looks: nats a pixel

    def _sum(self, planes: Tensor) -> Tensor:
        """Sums over boxes; those at the right and the bottom hold what is left."""
        return functional.avg_pool2d(planes, self.box, ceil_mode=True, divisor_override=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTarget:
    """Total power of the polarisations that an image has, by a quasi-likelihood."""

    scale: TargetScale
    noise_power: float

    @property
    def num_numbers(self) -> int:
        """One: the logarithm of the mean."""
        return 1

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The quasi-likelihood with shape 1."""
        weight_NHW = (truth.whole & truth.judged_NHW).float()
        span_NHW = torch.where(truth.known_NCHW, _power(truth.values_NCHW), 0.0).sum(1)
        return {"": span_loss(self._log_mean(numbers_NRHW)[:, 0], span_NHW, weight_NHW)}

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """Mean span (N, 1, H, W)."""
        return self._log_mean(numbers_NRHW).exp()

    def _log_mean(self, numbers_NRHW: Tensor) -> Tensor:
        return floor_log_mean((numbers_NRHW * self.scale.std[0] + SPAN_DB) * NEPERS_PER_DB, self.noise_power)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainPowerTarget:
    """The paper's power: clipped at 1, stretched over each image, by squares."""

    @property
    def num_numbers(self) -> int:
        """One."""
        return 1

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Mean squared error."""
        target_NHW = plain_power_target(torch.where(truth.known_NCHW, truth.values_NCHW, 0.0), truth.whole)
        weight_NHW = (truth.whole & truth.judged_NHW).float()
        return {"": plain_power_loss(numbers_NRHW[:, 0], target_NHW, weight_NHW)}

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """Stretched power (N, 1, H, W), which has no unit."""
        return numbers_NRHW


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTarget:
    """I and Q of each polarisation by L1, as the released four-modality code has it: phases cannot be predicted."""

    scale: TargetScale

    @property
    def num_numbers(self) -> int:
        """I and Q of each polarisation."""
        return 2 * len(self.scale.mean)

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Mean absolute error in deviations of I and Q."""
        parts = torch.view_as_real(truth.values_NCHW / self._amplitudes(truth.values_NCHW))  # (N, C, H, W, 2)
        target_NRHW = parts.permute(0, 1, 4, 2, 3).flatten(1, 2)
        return {"": reconstruction_l1(numbers_NRHW, target_NRHW, truth.weight.repeat_interleave(2, dim=1))}

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """Complex backscatter (N, C, H, W)."""
        real, imaginary = (numbers_NRHW[:, start::2].contiguous() for start in (0, 1))
        return torch.complex(real, imaginary) * self._amplitudes(numbers_NRHW)

    def _amplitudes(self, like: Tensor) -> Tensor:
        """Deviation of I or Q of each polarisation, sqrt(power / 2)."""
        values = [(10 ** (mean / 10) / 2) ** 0.5 for mean in self.scale.mean]
        return torch.tensor(values, device=like.device).reshape(1, -1, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Decibels of each polarisation by L1, whose minimum is the median: 1.59 dB below the mean at one look."""

    scale: TargetScale
    noise_power: float

    @property
    def num_numbers(self) -> int:
        """C."""
        return len(self.scale.mean)

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Mean absolute error in deviations of the decibels."""
        decibels = 10 * torch.log10(_power(truth.values_NCHW).clamp_min(self.noise_power))
        return {"": reconstruction_l1(numbers_NRHW, self.scale.standardised(decibels), truth.weight)}

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """Linear power (N, C, H, W), of the median."""
        return self.scale.log_power(numbers_NRHW).exp()


def _power(scattering_NCHW: Tensor) -> Tensor:
    return scattering_NCHW.real.square() + scattering_NCHW.imag.square()


def _by_components(present_NC: Tensor) -> Iterator[tuple[tuple[int, ...], Tensor | slice]]:
    """Images with equal components of the scattering vector; all at once where that is all of them."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for image, present in enumerate(present_NC.tolist()):
        groups.setdefault(vector_components((present[0], present[1], present[2], present[3])), []).append(image)
    for keep, images in groups.items():
        if keep:
            whole = len(images) == len(present_NC)
            yield keep, slice(None) if whole else torch.tensor(images, device=present_NC.device)
