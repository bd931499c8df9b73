"""Distillation: several students learn from one teacher in lockstep, on the same chips and the labels beside them."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from pipelines.training.chips import Batch, ChipSampler
from pipelines.training.descent import (
    average_decay,
    descend,
    learning_rate,
    make_optimiser,
    phase_chips,
    phase_steps,
    update_average,
)
from pipelines.training.objective import Answers, answers, supervised_losses
from ringmoe_core.prune import DistilConfig, DistilView, distillation_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipelines.training.fit import FitConfig
    from pipelines.training.scene_arrays import SceneArrays
    from ringmoe_core import RingMoE


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationConfig:
    """A run: the loop, what is taken from the teacher, and how the two kinds of loss are weighed."""

    fit: FitConfig
    """Steps, chips, learning rate, average and the weights of the supervised terms; the same for every student."""

    loss: DistilConfig = field(default_factory=DistilConfig)
    """Features and logits of the teacher."""

    distillation: float = 1.0
    """Weight of the distillation loss, at least 0."""

    labels: float = 1.0
    """Weight of the supervised losses, at least 0."""

    def __post_init__(self) -> None:
        if min(self.distillation, self.labels) < 0 or self.distillation == self.labels == 0:
            raise ValueError(
                f"the weights of teacher and labels must be at least 0 and not both 0, got {self.distillation} and "
                f"{self.labels}; raise one"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentLosses:
    """What one step was like for one student."""

    distillation: float
    """Unweighted loss against the teacher."""

    land_cover: float
    change: float
    accuracy: float
    """Share of labelled pixels of the batch whose class is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilStep:
    """What one step was like."""

    step: int
    steps: int
    students: dict[str, StudentLosses]
    learning_rate: float
    seconds: float
    """Since the start of the run."""


def distil(
    teacher: RingMoE,
    students: Mapping[str, RingMoE],
    scenes: Sequence[SceneArrays],
    config: DistillationConfig,
    *,
    on_step: Callable[[DistilStep], None] | None = None,
) -> dict[str, RingMoE]:
    """Trains students on a teacher's answers and on labels; returns the running average of each one's weights.

    Every student sees the same chips in the same order, and one forward pass of the teacher serves all of them, so
    that differences between students come from where they started (Hinton et al., arXiv 1503.02531, for the logits;
    Romero et al., arXiv 1412.6550, for the features). Students do not touch each other: one trained alone ends the
    same.

    Args:
        teacher: Left as it is; runs in evaluation mode.
        students: By name, each trained in place; same modalities, classes and level widths as the teacher.
        scenes: Regions with at least `config.fit.chips.num_epochs` dates, at least as large as the largest chip.
        config: The run.
        on_step: Called after every step of all students.

    Raises:
        FloatingPointError: A loss is no longer finite.
        ValueError: There is no student.
    """
    if not students:
        raise ValueError("distillation needs at least one student, got none; name one")
    pupils = [_Pupil.of(name, model, config.fit) for name, model in students.items()]
    started, step = time.monotonic(), 0
    with _evaluating(teacher):
        for number, (phase, steps) in enumerate(phase_steps(config.fit)):
            sampler = ChipSampler(scenes, phase_chips(config.fit, phase), seed=config.fit.seed + number)
            for _ in range(steps):
                rate = learning_rate(step, config.fit)
                batch = sampler.draw()
                target = _target(teacher, batch, config)
                losses = {pupil.name: pupil.learn(target, batch, config, step) for pupil in pupils}
                step += 1
                if on_step is not None:
                    on_step(
                        DistilStep(
                            step=step,
                            steps=config.fit.steps,
                            students=losses,
                            learning_rate=rate,
                            seconds=time.monotonic() - started,
                        )
                    )
    return {pupil.name: pupil.average.eval() for pupil in pupils}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pupil:
    name: str
    model: RingMoE
    average: RingMoE
    optimiser: torch.optim.Optimizer

    @classmethod
    def of(cls, name: str, model: RingMoE, config: FitConfig) -> _Pupil:
        average = copy.deepcopy(model).requires_grad_(requires_grad=False)
        return cls(name=name, model=model.train(), average=average, optimiser=make_optimiser(model, config))

    def learn(self, target: DistilView, batch: Batch, config: DistillationConfig, step: int) -> StudentLosses:
        """Takes one step; the graph of this student is gone before the next one builds its own."""
        with _autocast(config):
            given = answers(self.model, batch)
            supervised = supervised_losses(given, batch, config.fit.objective)
            taught = distillation_loss(_view(given), target, config.loss)
        descend(
            self.model,
            self.optimiser,
            config.labels * supervised.total + config.distillation * taught.total,
            supervised.routing,
            rate=learning_rate(step, config.fit),
            clip_norm=config.fit.clip_norm,
        )
        update_average(self.average, self.model, average_decay(step, config.fit))
        return StudentLosses(
            distillation=float(taught.total.detach()),
            land_cover=supervised.land_cover,
            change=supervised.change,
            accuracy=supervised.accuracy,
        )


def _target(teacher: RingMoE, batch: Batch, config: DistillationConfig) -> DistilView:
    with torch.no_grad(), _autocast(config):
        return _view(answers(teacher, batch))


def _view(given: Answers) -> DistilView:
    observed_BGHW = given.observed_BGHW
    return DistilView(
        maps_NPHW=given.maps_BGDHW.flatten(0, 1),
        land_cover_NKHW=given.land_cover_BKHW,
        change_NKHW=given.change_BKHW,
        levels=given.features.levels,
        level_weights=given.features.weights,
        map_valid_NHW=observed_BGHW.flatten(0, 1),
        land_cover_valid_NHW=observed_BGHW[:, 0],
        change_valid_NHW=observed_BGHW[:, 1] & observed_BGHW[:, 2],
    )


def _autocast(config: DistillationConfig) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=config.fit.bfloat16)


@contextmanager
def _evaluating(teacher: RingMoE) -> Iterator[None]:
    was_training = teacher.training
    teacher.eval()
    try:
        yield
    finally:
        teacher.train(was_training)
