"""Objectives for complex radar: pre-training without labels, then a linear probe of 100 labels on unseen scenes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from experiments.probe import balanced_accuracy, draw_labels, probe
from experiments.row import Measure
from experiments.setting import Setting
from pipelines.simulate.slc import SlcSpec, simulate_slc
from pipelines.simulate.slc.ground import TWINS
from pipelines.training.places.physical import complex_channels
from ringmoe_core import RingMoE, RingMoEConfig, Series
from ringmoe_core.pretraining import PretrainBatch, PretrainConfig, Pretrainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.simulate.slc import SimulatedSlc

SETTING = Setting(train_scenes=24, test_scenes=20, size=128, num_dates=1, steps=400, batch=8, chip=64)
TINY = Setting(train_scenes=2, test_scenes=2, size=64, num_dates=1, steps=2, batch=2, chip=64, dim=16)

TRAIN_SEED, LABEL_SEED, TEST_SEED = 600_000, 610_000, 620_000
NUM_LABELS = 100
LEVEL = 0
"""Of the encoder's levels without maps: cells of 4 pixels."""

CELL = 4
LEARNING_RATE = 1e-3


def prepare(seed: int, setting: Setting) -> None:
    """Renders what is not counted as an arm's own time."""
    _scenes(TRAIN_SEED + 1000 * seed, setting.train_scenes, setting.size)
    _scenes(LABEL_SEED + 1000 * seed, label_scenes(setting), setting.size)
    _scenes(TEST_SEED, setting.test_scenes, setting.size)


def run(arm: str, seed: int, setting: Setting) -> Iterator[Measure]:
    """Yields the balanced accuracy over all classes, and over the two that polarimetry alone tells apart."""
    model = RingMoE(RingMoEConfig(dim=setting.dim, maps=False), seed=seed)
    if arm != "none":
        train = _scenes(TRAIN_SEED + 1000 * seed, setting.train_scenes, setting.size)
        pretrain(model, arm, [scene.scattering[0] for scene in train], setting, seed=seed)
    model.eval()
    labelled = _scenes(LABEL_SEED + 1000 * seed, label_scenes(setting), setting.size)
    tests = _scenes(TEST_SEED, setting.test_scenes, setting.size)
    rows, truth = zip(*(cells(model, scene) for scene in labelled), strict=True)
    features, labels = np.concatenate(rows), np.concatenate(truth)
    of_tests = [cells(model, scene) for scene in tests]
    everything = tuple(int(code) for code in np.unique(labels))
    for condition, classes in (("land cover", everything), ("polarimetric pair", TWINS)):
        chosen = draw_labels(labels, NUM_LABELS, classes, np.random.default_rng(seed))
        known = [np.isin(codes, classes) for _, codes in of_tests]
        said = probe(
            features[chosen], labels[chosen], [f[k] for (f, _), k in zip(of_tests, known, strict=True) if k.any()],
            seed=seed,
        )  # fmt: skip
        answers = iter(said)
        for index, ((_, codes), keep) in enumerate(zip(of_tests, known, strict=True)):
            value = balanced_accuracy(next(answers), codes[keep]) if keep.any() else float("nan")
            yield Measure(condition=condition, scene=TEST_SEED + index, value=value)


def label_scenes(setting: Setting) -> int:
    """Returns from how many scenes, none of them pre-trained on, the labels are drawn."""
    return max(2, setting.train_scenes // 4)


def pretrain(
    model: RingMoE, objective: str, images: Sequence[NDArray[np.complex64]], setting: Setting, *, seed: int
) -> None:
    """Trains a model in place on crops of complex images (4, y, x)."""
    trainer = Pretrainer(model, PretrainConfig(sar_l1=objective), seed=seed)  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW(trainer.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    random = np.random.default_rng(seed)
    trainer.train()
    for step in range(setting.steps):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / setting.steps))
        crops = []
        for _ in range(setting.batch):
            image = images[int(random.integers(len(images)))]
            row, col = (int(random.integers(side - setting.chip + 1)) for side in image.shape[1:])
            phase = np.exp(1j * random.uniform(0, 2 * np.pi)).astype(np.complex64)
            crops.append(image[:, row : row + setting.chip, col : col + setting.chip] * phase)
        batch = np.stack(crops)[:, None]
        given = PretrainBatch(
            series={"sar_l1": series(batch)}, physical={"sar_l1": torch.from_numpy(batch)}, seed=seed * 1_000_003 + step
        )
        loss = trainer(given).total
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
        optimiser.step()


def series(scattering: NDArray[np.complex64]) -> Series:
    """Returns model input of complex images (place, date, 4, y, x); every value is known."""
    num, dates, _, height, width = scattering.shape
    return Series(
        pixels_BTCHW=torch.from_numpy(complex_channels(scattering)),
        valid_BTHW=torch.ones(num, dates, height, width, dtype=torch.bool),
        present_BTC=torch.ones(num, dates, 8, dtype=torch.bool),
        day_BT=torch.full((num, dates), 0.5),
    )


def cells(model: RingMoE, scene: SimulatedSlc) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns features and the code of each cell that one class covers whole: (cell, D), (cell,)."""
    with torch.inference_mode():
        level = model.encode({"sar_l1": series(scene.scattering[None, :1])}).levels[LEVEL][0, 0].float()
    features = level.flatten(1).T.numpy()
    height, width = (side // CELL * CELL for side in scene.land_cover.shape)
    blocks = scene.land_cover[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL)
    flat = blocks.transpose(0, 2, 1, 3).reshape(-1, CELL * CELL)
    pure = (flat == flat[:, :1]).all(axis=1)
    return features[pure], flat[pure, 0].astype(np.int64)


@lru_cache(maxsize=4)
def _scenes(first: int, count: int, size: int) -> tuple[SimulatedSlc, ...]:
    return tuple(simulate_slc(SlcSpec(seed=first + index, size=size)) for index in range(count))
