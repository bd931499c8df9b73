"""One stage of training: batches in order, steps down their losses, states to resume from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from pipelines.training.loop.errors import DivergedError
from pipelines.training.loop.learner import on_device
from pipelines.training.loop.prefetch import prefetching
from pipelines.training.loop.resume import random_state, set_random_state
from pipelines.training.loop.schedule import rate_at
from pipelines.training.loop.stage import TIMED_STEPS, phase_at, steps_for
from pipelines.training.loop.stage_state import StageState
from pipelines.training.loop.step_record import StepRecord
from pipelines.training.loop.trainee import Trainee
from pipelines.training.places.sampler import SamplerState
from ringmoe_core.selection_bias import shift_selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from pipelines.training.loop.fabric import Fabric
    from pipelines.training.loop.learner import Learner, StepLosses
    from pipelines.training.loop.resume import SavedState
    from pipelines.training.loop.stage import StageConfig
    from pipelines.training.places.sampler import ChipBatch
    from ringmoe_core.balance import RoutingReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRule:
    """When a state to resume from is written."""

    every_steps: int = 200
    every_minutes: float = 5.0
    write: Callable[[dict[str, Tensor], dict[str, Any]], None] | None = None
    """Takes tensors and values, in the first process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """One stage with what it runs on."""

    learner: Learner
    stage: StageConfig
    fabric: Fabric
    seed: int
    """Of the draws; another for every stage."""

    save: SaveRule = field(default_factory=SaveRule)
    on_step: Callable[[StepRecord], None] | None = None
    """Called after every step, in every process."""


def run_stage(run: StageRun, saved: SavedState | None = None) -> StageState:
    """Trains a learner, which ends with the running average of its weights; all processes call it together.

    Args:
        run: What, how long, on what.
        saved: Where to go on; None to begin.

    Raises:
        DivergedError: The loss is no longer finite.
        SamplerError: There is nothing to draw.
        ValueError: A batch cannot be divided among the processes.
    """
    return _Stage(run).train(saved)


class _Stage:
    """The loop and its counters."""

    def __init__(self, run: StageRun) -> None:
        self._run, self._stage, self._fabric = run, run.stage, run.fabric
        uneven = [phase.batch for phase in run.stage.phases if phase.batch % run.fabric.world_size]
        if uneven:
            raise ValueError(
                f"a batch must be a multiple of the {run.fabric.world_size} processes, got {uneven}; raise it"
            )
        self._samplers = [
            run.learner.sampler(size=phase.size, batch=phase.batch, seed=run.seed + number)
            for number, phase in enumerate(run.stage.phases)
        ]
        self._trainee = Trainee(run.learner.module, run.stage, backbone=run.learner.backbone.config)
        self._state = StageState(sampler=SamplerState(seed=run.seed), steps=run.stage.steps)
        self._before = self._waited = self._timed_from = 0.0
        self._started = self._saved_at = time.monotonic()

    def train(self, saved: SavedState | None) -> StageState:
        """Runs all phases."""
        if saved is not None:
            self._load(saved)
        self._started = self._saved_at = time.monotonic()
        self._before = self._state.seconds
        self._run.learner.module.train()
        while not self._is_done():
            self._phase()
        self._trainee.take_average()
        return self._state

    def _is_done(self) -> bool:
        return self._state.steps is not None and self._state.step >= self._state.steps

    def _phase(self) -> None:
        """Steps of one phase; ends early where a stage in minutes has just learnt how many steps it has."""
        known = self._state.steps
        number = phase_at(self._state.step, known, self._stage.phases) if known is not None else 0
        last = self._last_step(number)
        sampler, rows = self._samplers[number], self._rows(number)

        def make(index: int) -> tuple[ChipBatch, Any]:
            batch = sampler.batch(index, rows)
            return batch, self._run.learner.prepare(batch)

        accumulate = self._stage.accumulate
        with prefetching(make, first=self._state.step * accumulate, last=last * accumulate) as batches:
            waited = self._waited
            while self._state.step < last and self._state.steps == known:
                self._step([batches.take() for _ in range(accumulate)], lambda: waited + batches.waited)
            self._waited += batches.waited

    def _last_step(self, number: int) -> int:
        if self._state.steps is None:
            return TIMED_STEPS
        step = self._state.step
        while step < self._state.steps and phase_at(step, self._state.steps, self._stage.phases) == number:
            step += 1
        return step

    def _rows(self, number: int) -> range:
        share = self._stage.phases[number].batch // self._fabric.world_size
        return range(self._fabric.global_rank * share, (self._fabric.global_rank + 1) * share)

    def _step(self, batches: list[tuple[ChipBatch, Any]], waited: Callable[[], float]) -> None:
        begun = time.monotonic()
        given = [self._learn(prepared) for _, prepared in batches]
        for batch, _ in batches:
            self._state.sampler.took(batch)
        rate = rate_at(
            self._state.step, self._state.steps or self._stage.schedule.warmup_steps + 1, self._stage.schedule
        )
        norm = self._trainee.step(self._state.step, rate)
        backbone = self._run.learner.backbone
        reports = [losses.routing for losses in given if losses.routing is not None]
        if backbone.config.balancing == "bias" and reports:
            shift_selection(backbone, reports)
        self._state.step += 1
        self._state.seconds = self._before + time.monotonic() - self._started
        self._fix_steps(time.monotonic() - begun)
        if self._run.on_step is not None:
            self._run.on_step(self._record(batches, given, rate, norm, waited()))
        self._save_when_due()

    def _learn(self, prepared: Any) -> StepLosses:
        """Losses and gradients of one batch."""
        with self._fabric.autocast():
            losses = self._run.learner.losses(on_device(prepared, self._fabric.device))
        if not torch.isfinite(losses.total):
            raise DivergedError(
                f"the loss must stay finite, got {float(losses.total.detach())} at step {self._state.step + 1} of "
                f"{self._stage.name} ({dict(losses.terms)}); lower the learning rate"
            )
        self._fabric.backward(losses.total / self._stage.accumulate)
        return losses

    def _fix_steps(self, seconds: float) -> None:
        """A stage in minutes times its first steps, then has a number of steps like any other."""
        if self._state.steps is not None:
            return
        assert self._stage.minutes is not None
        if self._state.step == TIMED_STEPS // 4:
            self._timed_from = self._state.seconds
        if self._state.step == TIMED_STEPS:
            each = (self._state.seconds - self._timed_from) / (TIMED_STEPS - TIMED_STEPS // 4)
            steps = torch.tensor(steps_for(self._stage.minutes, max(each, seconds / 1e3), done=TIMED_STEPS))
            if self._fabric.world_size > 1:
                distributed.all_reduce(steps, op=distributed.ReduceOp.MIN)
            self._state.steps = int(steps)

    def _record(
        self, batches: list[tuple[ChipBatch, Any]], given: list[StepLosses], rate: float, norm: float, waited: float
    ) -> StepRecord:
        terms = [losses.terms for losses in given]
        totals = [float(losses.total.detach()) for losses in given]
        if self._fabric.world_size > 1:
            parts: list[Any] = [None] * self._fabric.world_size
            distributed.all_gather_object(parts, (terms, totals))
            terms, totals = [one for part in parts for one in part[0]], [one for part in parts for one in part[1]]
        names = dict.fromkeys(name for one in terms for name in one)
        here = max(self._state.seconds - self._before, 1e-9)
        return StepRecord(
            stage=self._stage.name, step=self._state.step, steps=self._state.steps, rate=rate, norm=norm,
            kinds=tuple(batch.kind for batch, _ in batches),
            total=_mean(totals), terms={name: _mean([one[name] for one in terms if name in one]) for name in names},
            seconds=self._state.seconds, waited=min(1.0, waited / here), counts=self._state.sampler.counts,
            routing=tuple(_detached(losses.routing) for losses in given if losses.routing is not None),
        )  # fmt: skip

    def _save_when_due(self) -> None:
        rule = self._run.save
        if rule.write is None or self._is_done() or self._state.steps is None:
            return
        due = self._state.step % rule.every_steps == 0
        if not due and self._fabric.world_size == 1:  # clocks of several processes differ
            due = time.monotonic() - self._saved_at > 60 * rule.every_minutes
        if due:
            self._save(rule.write)
            self._saved_at = time.monotonic()

    def _save(self, write: Callable[[dict[str, Tensor], dict[str, Any]], None]) -> None:
        tensors, moved = self._trainee.state()
        states = [random_state()]
        if self._fabric.world_size > 1:
            gathered: list[Any] = [None] * self._fabric.world_size
            distributed.all_gather_object(gathered, states[0])
            states = gathered
        if self._fabric.global_rank == 0:
            for rank, (generators, _) in enumerate(states):
                tensors |= {f"random.{rank}.{name}": value for name, value in generators.items()}
            values = {"moved": moved, "random": [values for _, values in states], "progress": self._state.to_dict()}
            write(tensors, values)

    def _load(self, saved: SavedState) -> None:
        self._trainee.load(saved.tensors, saved.values["moved"])
        self._state.load(saved.values["progress"])
        states, rank = saved.values["random"], self._fabric.global_rank
        if len(states) != self._fabric.world_size:
            raise ValueError(
                f"a run goes on with as many processes as it began with, {len(states)}, got {self._fabric.world_size}"
            )
        own = f"random.{rank}."
        generators = {name.removeprefix(own): value for name, value in saved.tensors.items() if name.startswith(own)}
        set_random_state(generators, states[rank])


def _detached(report: RoutingReport) -> RoutingReport:
    """Without the graph, which would keep the step's activations."""
    return replace(report, balance_loss=report.balance_loss.detach(), z_loss=report.z_loss.detach())


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
