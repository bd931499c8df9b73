"""What supervised training minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn import functional

from pipelines.training.scene_arrays import IGNORE

if TYPE_CHECKING:
    import torch

    from pipelines.training.chips import Batch
    from ringmoe_core import Features, RingMoE
    from ringmoe_core.balance import RoutingReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig:
    """Weights of the terms."""

    change: float = 1.0
    dice: float = 0.5
    """Weight of the soft Dice loss of any change, which a rare class needs beside cross-entropy."""

    balance: float = 0.01
    z: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Terms of one step; `total` carries the gradient."""

    total: torch.Tensor
    land_cover: float
    change: float
    balance: float
    accuracy: float
    """Share of labelled pixels of the batch whose class is right."""

    routing: RoutingReport | None
    """Use of the experts, for balancing by selection bias; None where nothing was routed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model makes of a batch, up to the logits of both tasks."""

    features: Features
    maps_BGDHW: torch.Tensor
    """Decoded maps of each group of images."""

    observed_BGHW: torch.Tensor
    """Bool, whether any image of the group has a valid observation of the pixel."""

    land_cover_BKHW: torch.Tensor
    """float32 logits of the first group."""

    change_BKHW: torch.Tensor
    """float32 logits of the second group against the third."""


def objective(model: RingMoE, batch: Batch, config: ObjectiveConfig) -> Losses:
    """Returns the supervised losses of a model on a batch, as `supervised_losses` defines them."""
    return supervised_losses(answers(model, batch), batch, config)


def answers(model: RingMoE, batch: Batch) -> Answers:
    """Returns a model's features, maps and logits of a batch."""
    features = model.encode(batch.series)
    fused = model.fuse(features, batch.membership_BGT)
    B, G, _ = batch.membership_BGT.shape
    maps_NDHW = model.decode(fused)
    height, width = maps_NDHW.shape[-2:]
    maps_BGDHW = maps_NDHW.reshape(B, G, -1, height, width)
    observed_NHW = fused.count_NHW.detach()[:, :height, :width] > 0
    return Answers(
        features=features,
        maps_BGDHW=maps_BGDHW,
        observed_BGHW=observed_NHW.reshape(B, G, height, width),
        land_cover_BKHW=model.segment(maps_BGDHW[:, 0]).float(),
        change_BKHW=model.change(maps_BGDHW[:, 1], maps_BGDHW[:, 2]).float(),
    )


def supervised_losses(given: Answers, batch: Batch, config: ObjectiveConfig) -> Losses:
    """Returns the losses of answers against the labels.

    Cross-entropy over land cover; cross-entropy and soft Dice (Milletari et al. 2016, section 3) over change;
    balance and z losses of the routers.
    """
    land_cover_BKHW, change_BKHW = given.land_cover_BKHW, given.change_BKHW
    land_cover = functional.cross_entropy(land_cover_BKHW, batch.land_cover_BHW, ignore_index=IGNORE)
    change = functional.cross_entropy(change_BKHW, batch.change_BHW, ignore_index=IGNORE)
    balance, z = _routing_losses(given.features, land_cover)
    dice = any_change_dice(change_BKHW, batch.change_BHW)
    total = land_cover + config.change * (change + config.dice * dice) + config.balance * balance + config.z * z
    known = batch.land_cover_BHW != IGNORE
    right = (land_cover_BKHW.argmax(1) == batch.land_cover_BHW) & known
    return Losses(
        total=total,
        land_cover=float(land_cover.detach()),
        change=float(change.detach()),
        balance=float(balance.detach()),
        accuracy=float(right.sum() / known.sum().clamp(min=1)),
        routing=given.features.routing,
    )


def _routing_losses(features: Features, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Balance and z losses; both 0 for a batch without one live image, which routed nothing."""
    if features.routing is None:
        return like.new_zeros(()), like.new_zeros(())
    return features.routing.balance_loss, features.routing.z_loss


def any_change_dice(logits_BKHW: torch.Tensor, target_BHW: torch.Tensor) -> torch.Tensor:
    """Returns 1 - 2 |p t| / (|p| + |t|) over the batch, p the probability of any change, ignored pixels left out."""
    known_BHW = (target_BHW != IGNORE).float()
    change_BHW = (1 - logits_BKHW.softmax(1)[:, 0]) * known_BHW
    target = ((target_BHW > 0) & (target_BHW != IGNORE)).float()
    return 1 - (2 * (change_BHW * target).sum() + 1) / (change_BHW.sum() + target.sum() + 1)
