"""Both sensors against either, while clouds cover more and more of every optical date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from experiments import supervised
from experiments.row import Measure
from experiments.setting import Setting
from ringmoe_core import RingMoEConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.training import SceneArrays

SETTING = Setting(train_scenes=24, test_scenes=20, size=128, num_dates=8, steps=400, batch=4, chip=64)
TINY = Setting(train_scenes=1, test_scenes=2, size=64, num_dates=4, steps=2, batch=2, chip=64, dim=16)

SHARES = (0, 25, 50, 75, 100)
CLOUD_SIZE_PX = 12.0
SHOWN = {"both": ("sar_l2", "ms"), "optical": ("ms",), "radar": ("sar_l2",)}
HIDDEN = {"optical": "sar", "radar": "ms"}


def prepare(seed: int, setting: Setting) -> None:
    """Renders what is not counted as an arm's own time."""
    supervised.train_scenes(seed, setting)
    supervised.test_scenes(setting)


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the mean IoU of an arm at each share of cloud on each test scene."""
    scenes = supervised.train_scenes(seed, setting)
    if arm in HIDDEN:
        scenes = tuple(supervised.without(scene, HIDDEN[arm]) for scene in scenes)
    model = supervised.train(RingMoEConfig(dim=setting.dim), scenes, setting, seed=seed)
    for index, scene in enumerate(supervised.test_scenes(setting)):
        for share in SHARES:
            clouded = under_cloud(scene, share / 100, seed=supervised.TEST_SEED + index)
            value = supervised.score(model, clouded, SHOWN[arm])
            yield Measure(condition=f"cloud {share} %", scene=supervised.TEST_SEED + index, value=value)


def under_cloud(scene: SceneArrays, share: float, *, seed: int) -> SceneArrays:
    """Returns a scene whose optical dates are each covered over a share of their pixels, in blobs, known as cloud.

    The clouds of a smaller share lie within those of a larger one; what the scene's own clouds hide stays hidden.
    """
    random = np.random.default_rng(seed)
    dates, height, width = scene.ms.valid.shape
    clear = np.empty_like(scene.ms.valid)
    for date in range(dates):
        field = gaussian_filter(random.normal(size=(height, width)), CLOUD_SIZE_PX, mode="wrap")
        rank = field.ravel().argsort().argsort().reshape(height, width)
        clear[date] = rank >= round(share * height * width)
    return replace(scene, ms=replace(scene.ms, valid=scene.ms.valid & clear, observed=scene.ms.observed & clear))
