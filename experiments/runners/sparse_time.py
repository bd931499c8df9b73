"""The same two models, the dense one with as many steps as take the mixture's CPU time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from experiments import supervised
from experiments.runners.sparse_flops import SETTING, TINY, arm_config, measures, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.row import Measure
    from experiments.setting import Setting
    from pipelines.training import Step

__all__ = ["SETTING", "TINY", "prepare", "run"]

TIMED_STEPS = 8
FIRST_STEPS = 2
"""Left out of the timing: memory is found and kernels are chosen in them."""


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the mean IoU of an arm on each test scene, after equal CPU time."""
    steps = setting.steps
    if arm == "dense":
        steps = round(steps * step_seconds("sparse", seed, setting) / step_seconds("dense", seed, setting))
    scenes = supervised.train_scenes(seed, setting)
    model = supervised.train(arm_config(arm, setting), scenes, setting, seed=seed, steps=max(1, steps))
    yield from measures(model, setting)


def step_seconds(arm: str, seed: int, setting: Setting) -> float:
    """Returns the median CPU time of a training step of an arm, in this process."""
    marks: list[float] = []

    def mark(_step: Step) -> None:
        marks.append(time.process_time())

    scenes = supervised.train_scenes(seed, setting)
    supervised.train(arm_config(arm, setting), scenes, setting, seed=seed, steps=TIMED_STEPS, on_step=mark)
    return float(np.median(np.diff(marks)[FIRST_STEPS:]))
