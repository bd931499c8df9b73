"""How large models of a configuration are, counted on the models themselves, built without storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringmoe_core.flops import count_flops
from ringmoe_core.model import RingMoE
from ringmoe_core.prune.configs import dense_config, extracted_config, pruned_config

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig

KEPT_SHARE: Final = 0.25
"""Of the collaborative experts, after expert pruning (arXiv 2504.03166)."""

SIDE: Final = 192
"""Pixels across the image whose FLOPs are counted, the paper's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCount:
    """Size of a model."""

    total: int
    """All parameters."""

    active: int
    """Those that one token of the largest modality meets: one modality's embedding and the experts it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizes:
    """Parameters of a model and of what it can be cut down to, and what it takes to run and load it.

    The one modality is the one with the most channels.
    """

    total: int
    """Parameters of the whole model."""

    one_modality: int
    """Those left with one modality: its embedding, its own experts, and all that is shared."""

    after_ep: int
    """Those left of `one_modality` with a quarter of the collaborative experts, rounded up and at least `top_k`."""

    active: int
    """Those of `one_modality` that a token meets: of each bank, the experts that it takes."""

    dense: int
    """Those of a model of one modality with one feed-forward network a block and no router."""

    gflop_192: float
    """10^9 FLOPs, 2 a multiply-add, of one image of 192 x 192 px in the one-modality model."""

    bf16_bytes: int
    """Bytes to load for the whole model in bfloat16."""

    bf16_bytes_one_modality: int
    """Bytes to load for one modality in bfloat16."""


def count_parameters(config: RingMoEConfig) -> ParameterCount:
    """Size of a model of this configuration."""
    return ParameterCount(total=_total(RingMoE(config, seed=None)), active=_active(_one_modality(config)))


def measure_sizes(config: RingMoEConfig) -> ModelSizes:
    """Sizes of a model of this configuration and of its descendants."""
    whole, one = RingMoE(config, seed=None), _one_modality(config)
    if one.config.num_collaborative:
        share = max(KEPT_SHARE, one.config.top_k / one.config.num_collaborative)
        pruned = RingMoE(pruned_config(one.config, keep=share), seed=None)
    else:
        pruned = one
    return ModelSizes(
        total=_total(whole),
        one_modality=_total(one),
        after_ep=_total(pruned),
        active=_active(one),
        dense=_total(RingMoE(dense_config(one.config), seed=None)),
        gflop_192=round(count_flops(one, side=SIDE) / 1e9, 3),
        bf16_bytes=_bf16_bytes(whole),
        bf16_bytes_one_modality=_bf16_bytes(one),
    )


def _one_modality(config: RingMoEConfig) -> RingMoE:
    largest = config.modalities[config.channels.index(max(config.channels))]
    return RingMoE(extracted_config(config, (largest,)), seed=None)


def _total(model: RingMoE) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _active(model: RingMoE) -> int:
    """Parameters of a model of one modality that a token meets; a bank's experts are of equal size."""
    config = model.config
    return round(
        sum(
            parameter.numel()
            * (config.top_k / config.num_specialised if ".mixture.specialised." in name else 1)
            * (config.top_k / config.num_collaborative if ".mixture.collaborative." in name else 1)
            for name, parameter in model.named_parameters()
        )
    )


def _bf16_bytes(model: RingMoE) -> int:
    """Two bytes a parameter; buffers keep their type."""
    buffers = {name: value for name, value in model.named_buffers() if name in model.state_dict()}
    return 2 * _total(model) + sum(value.numel() * value.element_size() for value in buffers.values())
