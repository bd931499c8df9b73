"""A model's answers on labelled regions, and the figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelines.training.scene_arrays import SceneArrays, SensorArrays
    from ringmoe_core import RingMoE

WINDOW = 128
"""Pixels a side of the pieces that a region is cut into; regions are multiples of it or smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneAnswer:
    """What a model says of one region."""

    land_cover: npt.NDArray[np.float32]
    """(class, y, x), probabilities."""

    change: npt.NDArray[np.float32]
    """(change class, y, x), probabilities at the split where any change is most probable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFigures:
    """Counts of one region, to be summed or resampled over regions."""

    right: int
    labelled: int
    true_positive: int
    false_positive: int
    false_negative: int


def answer(model: RingMoE, scene: SceneArrays, *, modalities: Sequence[str] = ("sar_l2", "ms")) -> SceneAnswer:
    """Returns the model's probabilities over a region from all of its dates.

    Args:
        model: In evaluation mode.
        scene: The region.
        modalities: Which sensors the model may see.
    """
    height, width = scene.shape
    land_cover = np.empty((len(model.config.class_codes), height, width), np.float32)
    change = np.empty((len(model.config.change_codes), height, width), np.float32)
    for window in scene_windows(scene):
        cover, changed = _answer_window(model, scene, window, modalities)
        land_cover[:, window[0], window[1]], change[:, window[0], window[1]] = cover, changed
    return SceneAnswer(land_cover=land_cover, change=change)


def land_cover_answer(
    model: RingMoE, scene: SceneArrays, *, modalities: Sequence[str] = ("sar_l2", "ms"), side: int = WINDOW
) -> npt.NDArray[np.float32]:
    """Returns the land cover of `answer` alone, (class, y, x) probabilities: no split is looked at.

    Args:
        model: In evaluation mode.
        scene: The region.
        modalities: Which sensors the model may see.
        side: Of the pieces that the model sees at a time, pixels.
    """
    land_cover = np.empty((len(model.config.class_codes), *scene.shape), np.float32)
    for window in scene_windows(scene, side):
        series = window_series(scene, window, modalities)
        groups = torch.ones(1, 1, scene.num_epochs * len(series), dtype=torch.bool)
        with torch.inference_mode():
            maps_GDHW = model.decode(model.fuse(model.encode(series), groups))
            land_cover[:, window[0], window[1]] = model.segment(maps_GDHW).float().softmax(1)[0].numpy()
    return land_cover


def scene_windows(scene: SceneArrays, side: int = WINDOW) -> Iterator[tuple[slice, slice]]:
    """Yields the pieces of a region of so many pixels a side, rows and columns, left to right, then down."""
    height, width = scene.shape
    for row in range(0, height, side):
        for col in range(0, width, side):
            yield slice(row, min(row + side, height)), slice(col, min(col + side, width))


def window_series(
    scene: SceneArrays,
    window: tuple[slice, slice],
    modalities: Sequence[str] = ("sar_l2", "ms"),
    dates: Sequence[int] | None = None,
) -> dict[str, Series]:
    """Returns one window of a region as model input, ages counted from the last date that is shown of any sensor.

    Args:
        scene: The region.
        window: Rows and columns.
        modalities: Sensors to show.
        dates: Epochs to show; None shows all.
    """
    kept = list(range(scene.num_epochs) if dates is None else dates)
    sensors = {name: sensor for name, sensor in (("sar_l2", scene.sar), ("ms", scene.ms)) if name in modalities}
    newest = min(sensor.age[kept].min() for sensor in sensors.values())
    return {name: _series(sensor, window, kept, newest) for name, sensor in sensors.items()}


def split_membership(num_epochs: int, num_modalities: int) -> npt.NDArray[np.bool_]:
    """Returns (group, date): all dates; then the pairs {e, e+1} with the single first and last date at the ends.

    Pair k holds epochs k-1 and k, so that split e (between e and e+1) has pair e before it and pair e+2 after it.
    """
    epoch = np.arange(num_epochs)
    pairs = [(epoch == k - 1) | (epoch == k) for k in range(num_epochs + 1)]
    groups = np.stack([np.ones(num_epochs, bool), *pairs])
    return np.tile(groups, (1, num_modalities))


def figures(answered: SceneAnswer, scene: SceneArrays, *, threshold: float) -> SceneFigures:
    """Returns the counts behind overall accuracy and the F1 of any change at a probability threshold."""
    known = scene.land_cover != IGNORE
    right = (answered.land_cover.argmax(0) == scene.land_cover) & known
    said = (1 - answered.change[0]) >= threshold
    truth = (scene.change > 0) & (scene.change != IGNORE)
    counted = scene.change != IGNORE
    return SceneFigures(
        right=int(right.sum()),
        labelled=int(known.sum()),
        true_positive=int((said & truth).sum()),
        false_positive=int((said & ~truth & counted).sum()),
        false_negative=int((~said & truth).sum()),
    )


def overall_accuracy(counts: Sequence[SceneFigures]) -> float:
    """Returns the share of labelled pixels that are right, over all regions."""
    return sum(c.right for c in counts) / max(1, sum(c.labelled for c in counts))


def change_f1(counts: Sequence[SceneFigures]) -> float:
    """Returns 2 TP / (2 TP + FP + FN) over all regions, 0 where there is neither truth nor claim."""
    hits = sum(c.true_positive for c in counts)
    misses = sum(c.false_positive + c.false_negative for c in counts)
    return 2 * hits / (2 * hits + misses) if hits or misses else 0.0


def _answer_window(
    model: RingMoE, scene: SceneArrays, window: tuple[slice, slice], modalities: Sequence[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    series = window_series(scene, window, modalities)
    groups = torch.from_numpy(split_membership(scene.num_epochs, len(series)))[None]
    with torch.inference_mode():
        features = model.encode(series)
        maps_GDHW = model.decode(model.fuse(features, groups))
        cover = model.segment(maps_GDHW[:1]).float().softmax(1)[0]
        change_SKHW = model.change(maps_GDHW[1:-2], maps_GDHW[3:]).float().softmax(1)
        best_HW = change_SKHW[:, 0].argmin(0)
        index = best_HW[None, None].expand(1, change_SKHW.shape[1], -1, -1)
        change = change_SKHW.gather(0, index)[0]
    return cover.numpy(), change.numpy()


def _series(sensor: SensorArrays, window: tuple[slice, slice], kept: list[int], newest: np.float32) -> Series:
    pixels = sensor.pixels[kept][:, :, window[0], window[1]].astype(np.float32)
    valid = sensor.valid[kept][:, window[0], window[1]]
    present = sensor.present[kept]
    return Series(
        pixels_BTCHW=torch.from_numpy(pixels * (valid[:, None] & present[..., None, None]))[None],
        valid_BTHW=torch.from_numpy(np.ascontiguousarray(valid))[None],
        present_BTC=torch.from_numpy(present)[None],
        day_BT=torch.from_numpy(sensor.day[kept])[None],
        age_BT=torch.from_numpy(sensor.age[kept] - newest)[None],
    )
