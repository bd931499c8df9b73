"""Each kind of expert left out, the others widened to equal FLOPs a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments import supervised
from experiments.runners.sparse_flops import BRANCHES, MLP_RATIO, SETTING, TINY, measures, prepare
from ringmoe_core import RingMoEConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.row import Measure
    from experiments.setting import Setting

__all__ = ["SETTING", "TINY", "prepare", "run"]

BANKS = {"all kinds": (2, 2), "no specialised": (0, 2), "no collaborative": (2, 0), "shared alone": (0, 0)}
"""Specialised and collaborative experts; the shared one is in every block."""


def arm_config(arm: str, setting: Setting) -> RingMoEConfig:
    """Returns the configuration of an arm, of as many FLOPs a token as nano's but for the routers."""
    specialised, collaborative = BANKS[arm]
    branches = 1 + (specialised > 0) + (collaborative > 0)
    return RingMoEConfig(
        dim=setting.dim,
        num_specialised=specialised,
        num_collaborative=collaborative,
        mlp_ratio=BRANCHES * MLP_RATIO // branches,
    )


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the mean IoU of an arm on each test scene."""
    scenes = supervised.train_scenes(seed, setting)
    yield from measures(supervised.train(arm_config(arm, setting), scenes, setting, seed=seed), setting)
