"""Masked prediction, contrast, both or neither on unlabelled series, then a linear probe of 10, 100 or 1000 labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from experiments import supervised
from experiments.probe import balanced_accuracy, draw_labels, probe
from experiments.row import Measure
from experiments.setting import Setting
from pipelines.training.evaluate import window_series
from pipelines.training.places.physical import physical_values
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.pretraining import PretrainBatch, PretrainConfig, Pretrainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.training import SceneArrays
    from ringmoe_core import Series

SETTING = Setting(train_scenes=24, test_scenes=20, size=128, num_dates=6, steps=500, batch=8, chip=64)
TINY = Setting(train_scenes=2, test_scenes=2, size=64, num_dates=4, steps=2, batch=2, chip=64, dim=16)

LABELS = (10, 100, 1000)
DATES = 2
"""Dates of a chip in pre-training."""

OBJECTIVES = {
    "masked": PretrainConfig(),
    "contrastive": PretrainConfig(masked_weight=0.0, contrastive="info_nce", contrastive_weight=1.0),
    "both": PretrainConfig(contrastive="info_nce"),
}
LEARNING_RATE = 1e-3
CELL = 4


def prepare(seed: int, setting: Setting) -> None:
    """Renders what is not counted as an arm's own time."""
    supervised.train_scenes(seed, setting)
    supervised.test_scenes(setting)


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the balanced accuracy of probes; their labels come from the scenes that were pre-trained on."""
    model = RingMoE(RingMoEConfig(dim=setting.dim, maps=False), seed=seed)
    scenes = supervised.train_scenes(seed, setting)
    if arm in OBJECTIVES:
        pretrain(model, OBJECTIVES[arm], scenes, setting, seed=seed)
    model.eval()
    rows, truth = zip(*(cells(model, scene) for scene in scenes), strict=True)
    features, labels = np.concatenate(rows), np.concatenate(truth)
    tests = [cells(model, scene) for scene in supervised.test_scenes(setting)]
    classes = tuple(int(code) for code in np.unique(labels))
    for count in LABELS:
        chosen = draw_labels(labels, count, classes, np.random.default_rng(seed))
        said = probe(features[chosen], labels[chosen], [test for test, _ in tests], seed=seed)
        for index, (answer, (_, codes)) in enumerate(zip(said, tests, strict=True)):
            value = balanced_accuracy(answer, codes)
            yield Measure(condition=f"{count} labels", scene=supervised.TEST_SEED + index, value=value)


def pretrain(
    model: RingMoE, config: PretrainConfig, scenes: Sequence[SceneArrays], setting: Setting, *, seed: int
) -> None:
    """Trains a model in place on chips of both sensors, same dates of each."""
    trainer = Pretrainer(model, config, seed=seed)
    optimiser = torch.optim.AdamW(trainer.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    random = np.random.default_rng(seed)
    trainer.train()
    for step in range(setting.steps):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / setting.steps))
        loss = trainer(draw_batch(scenes, setting, random, seed=seed * 1_000_003 + step)).total
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
        optimiser.step()


def draw_batch(
    scenes: Sequence[SceneArrays], setting: Setting, random: np.random.Generator, *, seed: int
) -> PretrainBatch:
    """Returns chips of different scenes where there are as many."""
    places = random.permutation(np.arange(max(len(scenes), setting.batch)) % len(scenes))[: setting.batch]
    parts: list[dict[str, Series]] = []
    for place in places:
        scene = scenes[int(place)]
        row, col = (int(random.integers(side - setting.chip + 1)) for side in scene.shape)
        window = (slice(row, row + setting.chip), slice(col, col + setting.chip))
        dates = np.sort(random.permutation(scene.num_epochs)[:DATES])
        parts.append(window_series(scene, window, dates=[int(date) for date in dates]))
    series = {name: stack([part[name] for part in parts]) for name in parts[0]}
    return PretrainBatch(
        series=series,
        physical={name: physical(one, name) for name, one in series.items()},
        seed=seed,
        place_B=torch.from_numpy(places.astype(np.int64)),
    )


def stack(parts: Sequence[Series]) -> Series:
    """Returns the series of several places as one batch."""
    from ringmoe_core import Series as Joined

    ages = [part.age_BT for part in parts if part.age_BT is not None]
    return Joined(
        pixels_BTCHW=torch.cat([part.pixels_BTCHW for part in parts]),
        valid_BTHW=torch.cat([part.valid_BTHW for part in parts]),
        present_BTC=torch.cat([part.present_BTC for part in parts]),
        day_BT=torch.cat([part.day_BT for part in parts]),
        age_BT=torch.cat(ages),
    )


def physical(series: Series, name: str) -> torch.Tensor:
    """Returns reflectance or linear power, NaN where nothing is known."""
    values = torch.from_numpy(np.asarray(physical_values(series.pixels_BTCHW.numpy(), name)))
    known = series.valid_BTHW[:, :, None] & series.present_BTC[..., None, None]
    return torch.where(known, values, torch.nan)


def cells(model: RingMoE, scene: SceneArrays) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns features of cells that one class covers whole: mean over the dates of each sensor, side by side."""
    everywhere = (slice(0, scene.shape[0]), slice(0, scene.shape[1]))
    with torch.inference_mode():
        features = model.encode(window_series(scene, everywhere))
    level, weight = features.levels[0][0].float(), features.weights[0][0].float()
    parts = []
    for modality in torch.unique(features.modality_BT[0]):
        own = features.modality_BT[0] == modality
        share = weight[own][:, None]
        parts.append((level[own] * share).sum(0) / share.sum(0).clamp_min(1e-6))
    joined = torch.cat(parts).flatten(1).T.numpy()
    height, width = (side // CELL * CELL for side in scene.shape)
    blocks = scene.land_cover[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL)
    flat = blocks.transpose(0, 2, 1, 3).reshape(-1, CELL * CELL)
    pure = (flat == flat[:, :1]).all(axis=1) & (flat[:, 0] != IGNORE)
    return joined[pure], flat[pure, 0].astype(np.int64)
