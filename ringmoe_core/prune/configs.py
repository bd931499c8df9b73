"""Configurations of pruned models: what each step leaves of a configuration, before any tensor is touched."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.config import RingMoEConfig

Gate = Literal["original", "recalibrated"]
"""What becomes of the gates of a pruned bank: `original` keeps the removed experts' router rows in the softmax'
denominator, `recalibrated` drops them and scales the kept experts by least squares."""

ROUNDING = 1e-9
"""Shares such as 0.1 of 30 experts mean 3, not the 4 that float arithmetic would round up to."""


def extracted_config(config: RingMoEConfig, modalities: Sequence[str]) -> RingMoEConfig:
    """The configuration that knows only some modalities, in the configuration's own order.

    Args:
        config: of the full model.
        modalities: names to keep, each once, in any order.

    Raises:
        ValueError: no name, a repeated one, or one that the configuration does not have.
    """
    unknown = sorted(set(modalities) - set(config.modalities))
    if unknown:
        raise ValueError(f"modalities to keep must be among {config.modalities}, got {unknown}; rename them")
    if not modalities or len(set(modalities)) != len(modalities):
        raise ValueError(f"modalities to keep must be named once each, got {tuple(modalities)}; list each once")
    pairs = [pair for pair in zip(config.modalities, config.channels, strict=True) if pair[0] in modalities]
    return replace(config, modalities=tuple(name for name, _ in pairs), channels=tuple(num for _, num in pairs))


def pruned_config(
    config: RingMoEConfig, *, keep: float, gate: Gate = "original", keep_specialised: float = 1.0
) -> RingMoEConfig:
    """The configuration with fewer experts.

    Args:
        config: of the full model.
        keep: share of the collaborative experts that stay, (0, 1]; rounded up to whole experts.
        gate: with `original` the removed experts stay in the softmax' denominator as `num_pruned`.
        keep_specialised: share of each modality's own experts that stay, (0, 1]. Their bank has no ghosts, so less
            than 1 needs recalibrated gates.

    Raises:
        ValueError: a share out of range, fewer experts than a token takes, no bank to prune, or an unknown gate.
    """
    if gate not in get_args(Gate):
        raise ValueError(f"a gate is one of {get_args(Gate)}, got {gate!r}; choose one of them")
    if gate == "original" and keep_specialised != 1:
        raise ValueError(
            f"specialised experts are pruned with recalibrated gates only, got keep_specialised {keep_specialised} "
            "and original gates; recalibrate, or keep all of them"
        )
    kept = _kept("keep", keep, config.num_collaborative, config.top_k)
    kept_own = _kept("keep_specialised", keep_specialised, config.num_specialised, config.top_k)
    ghosts = config.num_pruned + config.num_collaborative - kept if gate == "original" else 0
    return replace(config, num_collaborative=kept, num_specialised=kept_own, num_pruned=ghosts)


def dense_config(config: RingMoEConfig, *, mlp_ratio: int | None = None) -> RingMoEConfig:
    """The configuration with one feed-forward network a block and no router.

    Args:
        config: of the full model.
        mlp_ratio: hidden width of that network over its input width, at least 1; None for the width of one expert.

    Raises:
        ValueError: the ratio is below 1.
    """
    return replace(
        config,
        num_specialised=0,
        num_collaborative=0,
        num_pruned=0,
        top_k=1,
        balancing="loss",
        mlp_ratio=config.mlp_ratio if mlp_ratio is None else mlp_ratio,
    )


def _kept(name: str, share: float, num_experts: int, top_k: int) -> int:
    """Whole experts that a share means."""
    if share == 1:
        return num_experts
    if not 0 < share <= 1:
        raise ValueError(f"{name} must lie in (0, 1], got {share}; give the share of experts that stay")
    if not num_experts:
        raise ValueError(f"{name} needs a bank with experts, got one with none ({name} {share}); leave it alone")
    kept = math.ceil(share * num_experts - ROUNDING)
    if kept < top_k:
        raise ValueError(
            f"{name} must leave at least the {top_k} experts that a token takes, got {share} of {num_experts} "
            f"({kept}); keep more"
        )
    return kept
