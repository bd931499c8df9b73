"""A model of some of a model's modalities, which computes the same for them.

Legend: M modalities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ringmoe_core.prune.assemble import assemble
from ringmoe_core.prune.configs import extracted_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE


def extract(model: RingMoE, modalities: Sequence[str]) -> RingMoE:
    """A model that knows only some modalities and gives the same output as `model` on them.

    Modality extraction of RingMoE (arXiv 2504.03166: 14.7 B to 6.5 B parameters for one of four modalities). What is
    kept: the modalities' embeds, full-resolution features, own experts and router rows, the fusion's inputs that tell
    them apart, and everything that all modalities share. Nothing is approximated: a token never met what is left out.

    Args:
        model: any configuration.
        modalities: names to keep, in any order.

    Raises:
        ValueError: no name, a repeated one, or one that the model does not have.
    """
    config = extracted_config(model.config, modalities)
    kept = torch.tensor([model.config.modalities.index(name) for name in config.modalities])
    tensors = {name: _cut(name, value, model.config, kept) for name, value in model.state_dict().items()}
    return assemble(config, tensors, training=model.training)


def _cut(name: str, value: Tensor, config: RingMoEConfig, kept_M: Tensor) -> Tensor:
    """The part of a tensor that belongs to the modalities kept."""
    kept_M = kept_M.to(value.device)
    if ".mixture.specialised." in name:
        stacked = value.reshape(len(config.modalities), config.num_specialised, *value.shape[1:])
        return stacked.index_select(0, kept_M).flatten(0, 1)
    if ".mixture.router.specialised" in name:
        return value.index_select(0, kept_M)
    if name.startswith("fusion.levels.") and name.endswith(".context.weight"):
        shared = value.shape[1] - len(config.modalities)  # season and age come first, the modality's one-hot last
        columns = torch.cat([torch.arange(shared, device=value.device), shared + kept_M])
        return value.index_select(1, columns)
    return value
