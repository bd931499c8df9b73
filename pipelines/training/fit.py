"""The training loop: seeded, budgeted, with its progress reported as values."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from pipelines.training.chips import ChipConfig, ChipSampler
from pipelines.training.descent import (
    average_decay,
    descend,
    learning_rate,
    make_optimiser,
    phase_chips,
    phase_steps,
    update_average,
)
from pipelines.training.objective import Losses, ObjectiveConfig, objective

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelines.training.scene_arrays import SceneArrays
    from ringmoe_core import RingMoE


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Part of a run with one chip size."""

    size: int
    batch: int
    share: float
    """Share of the run's steps, the shares of all phases sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """A run: how many steps, of what, how fast."""

    steps: int
    phases: tuple[Phase, ...] = (Phase(size=64, batch=16, share=0.7), Phase(size=128, batch=4, share=0.3))
    learning_rate: float = 1.5e-3
    final_learning_rate: float = 1e-5
    warmup_steps: int = 100
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    average: float = 0.998
    """Decay of the running average of the weights, which is what the run returns."""

    seed: int = 0
    bfloat16: bool = False
    """Whether matrix products run in bfloat16 (autocast); weights, norms, routers and losses stay float32."""

    chips: ChipConfig = field(default_factory=ChipConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a run has at least one step, got {self.steps}; raise steps")
        if not math.isclose(sum(phase.share for phase in self.phases), 1.0):
            raise ValueError(f"the phases' shares must sum to 1, got {[p.share for p in self.phases]}; correct them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step was like."""

    step: int
    steps: int
    losses: Losses
    learning_rate: float
    seconds: float
    """Since the start of the run."""


def fit(
    model: RingMoE,
    scenes: Sequence[SceneArrays],
    config: FitConfig,
    *,
    on_step: Callable[[Step], None] | None = None,
) -> RingMoE:
    """Trains a model on labelled regions and returns the running average of its weights.

    Args:
        model: Trained in place, on the device that it is on (CPU here).
        scenes: Regions with at least `config.chips.num_epochs` dates, at least as large as the largest chip.
        config: The run.
        on_step: Called after every step.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    optimiser = make_optimiser(model, config)
    started = time.monotonic()
    step = 0
    for number, (phase, steps) in enumerate(phase_steps(config)):
        sampler = ChipSampler(scenes, phase_chips(config, phase), seed=config.seed + number)
        for _ in range(steps):
            rate = learning_rate(step, config)
            losses = _advance(model, optimiser, sampler, config, rate)
            update_average(average, model, average_decay(step, config))
            step += 1
            if on_step is not None:
                on_step(
                    Step(
                        step=step,
                        steps=config.steps,
                        losses=losses,
                        learning_rate=rate,
                        seconds=time.monotonic() - started,
                    )
                )
    return average.eval()


def _advance(
    model: RingMoE, optimiser: torch.optim.Optimizer, sampler: ChipSampler, config: FitConfig, rate: float
) -> Losses:
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        losses = objective(model, sampler.draw(), config.objective)
    descend(model, optimiser, losses.total, losses.routing, rate=rate, clip_norm=config.clip_norm)
    return losses
