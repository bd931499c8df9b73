"""The training loop over several processes, which together do what one does."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from pipelines.training.chips import Batch, ChipSampler
from pipelines.training.descent import average_decay, descend, learning_rate, make_optimiser, phase_chips, phase_steps
from pipelines.training.fit import Step
from pipelines.training.objective import Losses, answers, supervised_losses
from ringmoe_core.parallel import gather_over_ranks, local_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelines.training.fit import FitConfig
    from pipelines.training.scene_arrays import SceneArrays
    from ringmoe_core import RingMoE, Series
    from ringmoe_core.precision import Precision


def fit_ranks(
    model: RingMoE,
    scenes: Sequence[SceneArrays],
    config: FitConfig,
    *,
    precision: Precision,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Trains a model, which ends with the running average of its weights; all processes call it together.

    Every process draws the whole batch, runs its part of the places and sees the logits of all, so that the loss is
    that of the batch, whatever the number of processes: one alone does what `fit` does.

    Args:
        model: As `ringmoe_core.parallel.parallelise` leaves it; as it is where there is one process.
        scenes: As for `fit`, the same in all processes.
        config: The run; `bfloat16` is overruled by `precision`. Batches are multiples of the number of processes.
        precision: Where the model is, and what its products are computed in.
        on_step: Called after every step, in every process, with the same values.

    Raises:
        FloatingPointError: The loss is no longer finite.
        ValueError: A batch cannot be divided evenly.
    """
    _, world = _place()
    uneven = [phase.batch for phase in config.phases if phase.batch % world]
    if uneven:
        raise ValueError(f"a batch must be a multiple of the {world} processes, got {uneven}; raise it")
    parameters = list(model.parameters())
    averages = [local_tensor(value).clone() for value in parameters]
    optimiser = make_optimiser(model, config)
    started, step = time.monotonic(), 0
    for number, (phase, steps) in enumerate(phase_steps(config)):
        sampler = ChipSampler(scenes, phase_chips(config, phase), seed=config.seed + number)
        for _ in range(steps):
            rate = learning_rate(step, config)
            losses = _advance(model, optimiser, sampler.draw(), config, precision, rate)
            shards = [local_tensor(value) for value in parameters]
            torch._foreach_lerp_(averages, shards, 1 - average_decay(step, config))
            step += 1
            if on_step is not None:
                seconds = time.monotonic() - started
                on_step(Step(step=step, steps=config.steps, losses=losses, learning_rate=rate, seconds=seconds))
    torch._foreach_copy_([local_tensor(value) for value in parameters], averages)


def _advance(  # noqa: PLR0917 what one step needs
    model: RingMoE,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    config: FitConfig,
    precision: Precision,
    rate: float,
) -> Losses:
    model.train()
    with precision.autocast():
        own = answers(model, _part(batch, precision.device))
        given = replace(
            own,
            land_cover_BKHW=gather_over_ranks(own.land_cover_BKHW),
            change_BKHW=gather_over_ranks(own.change_BKHW),
        )
        losses = supervised_losses(given, _labels_on(batch, precision.device), config.objective)
    descend(model, optimiser, losses.total, losses.routing, rate=rate, clip_norm=config.clip_norm)
    return losses


def _part(batch: Batch, device: torch.device) -> Batch:
    """This process's places of a batch, on its device."""
    rank, world = _place()
    num = batch.membership_BGT.shape[0] // world
    places = slice(rank * num, (rank + 1) * num)
    return Batch(
        series={name: _cut(one, places, device) for name, one in batch.series.items()},
        membership_BGT=batch.membership_BGT[places].to(device),
        land_cover_BHW=batch.land_cover_BHW[places].to(device),
        change_BHW=batch.change_BHW[places].to(device),
    )


def _labels_on(batch: Batch, device: torch.device) -> Batch:
    return replace(batch, land_cover_BHW=batch.land_cover_BHW.to(device), change_BHW=batch.change_BHW.to(device))


def _cut(series: Series, places: slice, device: torch.device) -> Series:
    values = {field.name: getattr(series, field.name) for field in fields(series)}
    cut: dict[str, Any] = {n: value[places].to(device) for n, value in values.items() if torch.is_tensor(value)}
    return replace(series, **cut)


def _place() -> tuple[int, int]:
    """Rank of this process and number of all."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
