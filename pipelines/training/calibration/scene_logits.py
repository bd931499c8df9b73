"""A model's logits over a labelled region, with the labels: what a temperature is fitted on.

Legend: S splits between dates, K classes, n samples (pixels).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch

from pipelines.training.evaluate import scene_windows, split_membership, window_series
from pipelines.training.scene_arrays import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.scene_arrays import SceneArrays
    from ringmoe_core import RingMoE

PIXELS: Final = 8192
"""Pixels of a scene that are kept, drawn without replacement: neighbours say the same, scenes differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLogits:
    """Samples of one scene; pixels without a label are left out."""

    land_cover: npt.NDArray[np.float32]
    """(n, K)."""

    land_cover_label: npt.NDArray[np.int64]
    """(n,)."""

    change: npt.NDArray[np.float32]
    """(m, S, K)."""

    change_label: npt.NDArray[np.int64]
    """(m,)."""


def scene_logits(
    model: RingMoE,
    scene: SceneArrays,
    *,
    modalities: Sequence[str] = ("sar_l2", "ms"),
    pixels: int = PIXELS,
    seed: int = 0,
) -> SceneLogits:
    """Returns the logits of pixels drawn over a region, all dates shown.

    Args:
        model: In evaluation mode.
        scene: The region, at least one window of 128 pixels or smaller.
        modalities: Which sensors the model may see.
        pixels: Most pixels to keep.
        seed: Of the draw.
    """
    height, width = scene.shape
    chosen = np.random.default_rng(seed).permutation(height * width)[:pixels]
    kept = np.zeros(height * width, dtype=bool)
    kept[chosen] = True
    parts = [
        _window(model, scene, window, kept.reshape(height, width)[window], modalities)
        for window in scene_windows(scene)
    ]
    return SceneLogits(
        land_cover=np.concatenate([part.land_cover for part in parts]),
        land_cover_label=np.concatenate([part.land_cover_label for part in parts]),
        change=np.concatenate([part.change for part in parts]),
        change_label=np.concatenate([part.change_label for part in parts]),
    )


def _window(
    model: RingMoE,
    scene: SceneArrays,
    window: tuple[slice, slice],
    kept: npt.NDArray[np.bool_],
    modalities: Sequence[str],
) -> SceneLogits:
    series = window_series(scene, window, modalities)
    groups = torch.from_numpy(split_membership(scene.num_epochs, len(series)))[None]
    cover, change = scene.land_cover[window], scene.change[window]
    with torch.inference_mode():
        maps_GDHW = model.decode(model.fuse(model.encode(series), groups))
        cover_KHW = model.segment(maps_GDHW[:1]).float()[0].numpy()
        change_SKHW = model.change(maps_GDHW[1:-2], maps_GDHW[3:]).float().numpy()
    known, counted = kept & (cover != IGNORE), kept & (change != IGNORE)
    return SceneLogits(
        land_cover=cover_KHW[:, known].T,
        land_cover_label=cover[known].astype(np.int64),
        change=np.moveaxis(change_SKHW[:, :, counted], -1, 0),
        change_label=change[counted].astype(np.int64),
    )
