"""A mixture of experts against the dense model whose one feed-forward network is as wide as a token's experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments import supervised
from experiments.row import Measure
from experiments.setting import Setting
from ringmoe_core import RingMoEConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringmoe_core import RingMoE

SETTING = Setting(train_scenes=24, test_scenes=20, size=128, num_dates=8, steps=400, batch=4, chip=64)
TINY = Setting(train_scenes=1, test_scenes=2, size=64, num_dates=4, steps=2, batch=2, chip=64, dim=16)

MLP_RATIO = 2
BRANCHES = 3
"""Experts that a token passes: one specialised, one collaborative, the shared one."""


def prepare(seed: int, setting: Setting) -> None:
    """Renders what is not counted as an arm's own time."""
    supervised.train_scenes(seed, setting)
    supervised.test_scenes(setting)


def arm_config(arm: str, setting: Setting) -> RingMoEConfig:
    """Returns the configuration of an arm: `sparse` (as nano) or `dense`."""
    if arm == "sparse":
        return RingMoEConfig(dim=setting.dim, mlp_ratio=MLP_RATIO)
    return RingMoEConfig(dim=setting.dim, num_specialised=0, num_collaborative=0, mlp_ratio=BRANCHES * MLP_RATIO)


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the mean IoU of an arm on each test scene, after as many steps."""
    scenes = supervised.train_scenes(seed, setting)
    yield from measures(supervised.train(arm_config(arm, setting), scenes, setting, seed=seed), setting)


def measures(model: RingMoE, setting: Setting) -> Iterator[Measure]:
    """Yields the mean IoU of a model on each test scene."""
    for index, scene in enumerate(supervised.test_scenes(setting)):
        value = supervised.score(model, scene)
        yield Measure(condition="all", scene=supervised.TEST_SEED + index, value=value)
