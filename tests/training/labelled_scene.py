"""Made-up labelled regions for the training tests."""

from __future__ import annotations

import numpy as np

from pipelines.training.scene_arrays import SceneArrays, SensorArrays


def sensor(random: np.random.Generator, *, channels: int, num_epochs: int, size: int) -> SensorArrays:
    valid = random.random((num_epochs, size, size)) > 0.2
    return SensorArrays(
        pixels=random.standard_normal((num_epochs, channels, size, size)).astype(np.float16),
        valid=valid,
        observed=np.ones_like(valid),
        present=np.ones((num_epochs, channels), bool),
        day=np.linspace(0, 0.95, num_epochs, dtype=np.float32),
        age=np.linspace(0.95, 0, num_epochs, dtype=np.float32),
    )


def scene(seed: int = 0, *, num_epochs: int = 8, size: int = 96) -> SceneArrays:
    """Two classes of land cover stand in the first multispectral channel, a clearing at epoch 4 in the second."""
    random = np.random.default_rng(seed)
    land_cover = (np.arange(size)[:, None] // 24 + np.arange(size)[None, :] // 24).astype(np.uint8) % 2
    change = np.zeros((size, size), np.uint8)
    change[20:40, 30:60] = 1
    change_epoch = np.where(change > 0, 4, -1).astype(np.int16)
    ms = sensor(random, channels=10, num_epochs=num_epochs, size=size)
    ms.pixels[:, 0] = land_cover * 2.0
    ms.pixels[:, 1] = np.where((np.arange(num_epochs)[:, None, None] >= 4) & (change > 0), 2, -1)
    sar = sensor(random, channels=2, num_epochs=num_epochs, size=size)
    return SceneArrays(ms=ms, sar=sar, land_cover=land_cover, change=change, change_epoch=change_epoch)
