"""Training and scoring of supervised arms: paired in first values, scenes and data order, judged on unseen scenes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from flows.train import labelled_scene
from pipelines.simulate import RegionSpec
from pipelines.training import FitConfig, Phase, fit
from pipelines.training.chips import ChipConfig
from pipelines.training.evaluate import land_cover_answer
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import RingMoE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from experiments.setting import Setting
    from pipelines.training import SceneArrays, Step
    from ringmoe_core import RingMoEConfig

TRAIN_SEED = 500_000
"""First of a run's training scenes; a seed has a thousand of its own."""

TEST_SEED = 400_000
"""First of the test scenes, the same for all arms and seeds."""


def train_scenes(seed: int, setting: Setting) -> tuple[SceneArrays, ...]:
    """Returns the training scenes of a seed."""
    return _rendered(TRAIN_SEED + 1000 * seed, setting.train_scenes, setting.size, setting.num_dates)


def test_scenes(setting: Setting) -> tuple[SceneArrays, ...]:
    """Returns the scenes that judge; scene i has the seed `TEST_SEED` + i."""
    return _rendered(TEST_SEED, setting.test_scenes, setting.size, setting.num_dates)


def train(
    config: RingMoEConfig,
    scenes: Sequence[SceneArrays],
    setting: Setting,
    *,
    seed: int,
    steps: int | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> RingMoE:
    """Returns a model after `steps` (the setting's), its first values and chips given by the seed."""
    num = setting.steps if steps is None else steps
    fit_config = FitConfig(
        steps=num,
        phases=(Phase(size=setting.chip, batch=setting.batch, share=1.0),),
        warmup_steps=max(1, min(100, num // 10)),
        seed=seed,
        chips=ChipConfig(num_epochs=min(6, setting.num_dates)),
    )
    return fit(RingMoE(config, seed=seed), scenes, fit_config, on_step=on_step)


def mean_iou(said: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Returns the mean IoU over the classes that a scene has or that were said there, where labels are known."""
    known = truth != IGNORE
    values = []
    for label in np.union1d(np.unique(said[known]), np.unique(truth[known])):
        hit = ((said == label) & (truth == label) & known).sum()
        values.append(hit / (((said == label) | (truth == label)) & known).sum())
    return float(np.mean(values))


def score(model: RingMoE, scene: SceneArrays, modalities: Sequence[str] = ("sar_l2", "ms")) -> float:
    """Returns the mean IoU of a model's land cover over a scene."""
    return mean_iou(land_cover_answer(model, scene, modalities=modalities).argmax(0), scene.land_cover)


def without(scene: SceneArrays, sensor: str) -> SceneArrays:
    """Returns a scene in which one sensor, `ms` or `sar`, saw nothing."""
    part = getattr(scene, sensor)
    blind = replace(part, valid=np.zeros_like(part.valid), observed=np.zeros_like(part.observed))
    return replace(scene, **{sensor: blind})


@lru_cache(maxsize=4)
def _rendered(first: int, count: int, size: int, num_dates: int) -> tuple[SceneArrays, ...]:
    specs = [RegionSpec(seed=first + index, size=size, num_dates=num_dates) for index in range(count)]
    return tuple(labelled_scene(spec) for spec in specs)
