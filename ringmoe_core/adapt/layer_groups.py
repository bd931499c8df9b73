"""Full fine-tuning in which deeper layers learn faster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import nn

    from ringmoe_core.config import RingMoEConfig

_STAGED: Final = re.compile(r"encoder\.(stages|mergings|norms)\.(\d+)(?:\.(\d+))?")


def layer_groups(
    module: nn.Module,
    config: RingMoEConfig,
    *,
    learning_rate: float,
    decay: float = 0.75,
    weight_decay: float = 0.05,
) -> list[dict[str, Any]]:
    """Groups of parameters for an optimiser; those without gradient are left out.

    learning rate = base * decay^(top - depth), where embeds have depth 0, the blocks 1, 2, ... in order, and fusion,
    decoder and heads the top (ELECTRA, arXiv 2003.10555, appendix A; BEiT, arXiv 2106.08254, section 3.4). Vectors,
    such as biases and norms, and tables of positions get no weight decay.

    Args:
        module: a `RingMoE` or a `TaskModel` over one.
        config: of the backbone.
        learning_rate: of the top.
        decay: in (0, 1]; 1 teaches all layers alike.
        weight_decay: of matrices.

    Raises:
        ValueError: a decay out of range.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"a layer's decay lies in (0, 1], got {decay}; 1 teaches all layers alike")
    top = config.num_layers + 1
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decays = parameter.dim() > 1 and "bias" not in name and "norm" not in name
            groups.setdefault((layer_depth(name, config), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * decay ** (top - depth),
            "weight_decay": weight_decay if decays else 0.0,
            "depth": depth,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def layer_depth(name: str, config: RingMoEConfig) -> int:
    """Depth of a parameter by its name: 0 for embeds, 1 and on for blocks, one more than all blocks for the rest."""
    if "heads." in name or "encoder." not in name:
        return config.num_layers + 1
    found = _STAGED.search(name)
    if found is None:
        return 0
    part, stage = found[1], int(found[2])
    before = sum(config.depths[:stage])
    if part == "stages":
        return before + int(found[3]) + 1
    return before + config.depths[stage] + (1 if part == "mergings" else 0)  # a merging leads to the next stage
