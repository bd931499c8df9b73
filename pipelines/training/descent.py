"""The pieces of a training loop: phases, learning rate, optimiser, one step down a loss, the running average."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ringmoe_core.parallel import clip_gradients
from ringmoe_core.selection_bias import shift_selection

if TYPE_CHECKING:
    from pipelines.training.chips import ChipConfig
    from pipelines.training.fit import FitConfig, Phase
    from ringmoe_core import RingMoE
    from ringmoe_core.balance import RoutingReport


def learning_rate(step: int, config: FitConfig) -> float:
    """Returns the rate of a step: linear warm-up, then a cosine to `final_learning_rate`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + 0.5 * span * (1 + math.cos(math.pi * min(1.0, done)))


def average_decay(step: int, config: FitConfig) -> float:
    """Returns the running average's decay after a step: short at first, so that the first weights are forgotten."""
    return min(config.average, (1 + step) / (10 + step))


def make_optimiser(model: RingMoE, config: FitConfig) -> torch.optim.Optimizer:
    """Returns AdamW in which matrices decay; biases, norms and tables of one dimension do not."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def descend(
    model: RingMoE,
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    routing: RoutingReport | None,
    *,
    rate: float,
    clip_norm: float,
) -> None:
    """Takes one step of an optimiser down a loss, with the gradient's norm clipped, and of the selection biases if any.

    Args:
        model: In training mode; spread over processes or not.
        optimiser: Of its parameters.
        loss: Scalar with gradient.
        routing: Use of the experts in the step's forward pass, loads of all processes; None where nothing was routed.
        rate: Learning rate.
        clip_norm: Largest norm of the gradient.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    if not torch.isfinite(loss):
        raise FloatingPointError(f"the loss must stay finite, got {loss.item()}; lower the learning rate")
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    clip_gradients(model.parameters(), clip_norm)
    optimiser.step()
    if model.config.balancing == "bias" and routing is not None:
        shift_selection(model, [routing])


def update_average(average: RingMoE, model: RingMoE, decay: float) -> None:
    """Moves a running average of the weights towards the model: decay * average + (1 - decay) * model.

    Buffers (selection biases) are taken as they are: they belong to the routers' latest loads.
    """
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        for kept, latest in zip(average.buffers(), model.buffers(), strict=True):
            kept.copy_(latest)


def phase_steps(config: FitConfig) -> list[tuple[Phase, int]]:
    """Returns each phase with its number of steps, which sum to the run's."""
    counts = [round(config.steps * phase.share) for phase in config.phases]
    counts[-1] = config.steps - sum(counts[:-1])
    return list(zip(config.phases, counts, strict=True))


def phase_chips(config: FitConfig, phase: Phase) -> ChipConfig:
    """Returns how the chips of a phase are drawn."""
    return replace(config.chips, size=phase.size, batch=phase.batch)
