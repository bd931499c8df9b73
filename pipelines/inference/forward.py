"""From the windows of one batch to their class probabilities: the only file here that runs a model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from pipelines.inference.channels import mask_channels
from pipelines.inference.own import own_probabilities
from pipelines.inference.slab import Slab, cut
from ringmoe_core import Features, FusedPyramid, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.grid import Window
    from pipelines.inference.channels import BoolArray, FloatArray
    from pipelines.inference.epochs import Fusions
    from pipelines.inference.novelty import Novelty
    from pipelines.inference.own import OwnHead


class Mapper(Protocol):
    """What is asked of a model; `ringmoe_core.RingMoE` is one, tests have smaller ones."""

    def encode(self, series: Mapping[str, Series]) -> Features:
        """Features of every image."""
        ...

    def fuse(self, features: Features, membership_BGT: torch.Tensor) -> FusedPyramid:
        """One pyramid a place and group of images."""
        ...

    def decode(self, fused: FusedPyramid) -> torch.Tensor:
        """Maps (B G, P, H, W)."""
        ...

    def segment(self, maps_NPHW: torch.Tensor) -> torch.Tensor:
        """Land-cover logits (N, K, H, W)."""
        ...

    def change(self, before_NPHW: torch.Tensor, after_NPHW: torch.Tensor) -> torch.Tensor:
        """Change logits (N, K, H, W)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the model at every window."""

    fusions: Fusions
    membership: BoolArray
    """(fusion, image), as `epochs.membership` gives it."""

    num_classes: int
    """Land-cover classes, 0 where not asked."""

    num_change_classes: int
    """Kinds of change, 0 where not asked."""

    land_cover_temperature: float = 1.0
    change_temperature: float = 1.0
    """Logits are divided by them: before windows are blended, so that no chunk or order enters."""

    novelty: Novelty | None = None
    """Statistics of the training; None where the weights carry none. Fusion 0 then holds all epochs."""

    familiar: Mapping[str, BoolArray] = field(default_factory=dict)
    """Per modality whether the platform and pixel size of its images are known, (date,)."""

    own: tuple[OwnHead, ...] = ()
    """A user's heads; their classes follow those of land cover in an answer."""

    @property
    def num_planes(self) -> int:
        """Planes of class probabilities: land cover, then each of the user's heads."""
        return self.num_classes + sum(head.num_classes for head in self.own)

    @property
    def change_shape(self) -> tuple[int, int]:
        """(splits, change classes)."""
        return len(self.fusions.before), self.num_change_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAnswer:
    """Probabilities over one window."""

    window: Window
    land_cover: FloatArray
    """(class, y, x), the classes of land cover and then of each of the user's heads."""

    change: FloatArray
    """(split, change_class, y, x)."""

    novelty: FloatArray
    """Percent (1, y, x); (0, y, x) where not asked."""


def window_series(slab: Slab, windows: Sequence[Window]) -> tuple[list[Window], dict[str, Series]]:
    """Returns the windows that hold a valid pixel, and the model's input for them.

    Args:
        slab: Rows that hold the windows.
        windows: One batch of the lattice.
    """
    parts = {
        name: [mask_channels(*cut(stack, window, slab.top)) for window in windows]
        for name, stack in slab.stacks.items()
    }
    kept = [index for index in range(len(windows)) if any(part[index].valid.any() for part in parts.values())]
    if not kept:
        return [], {}
    return [windows[index] for index in kept], {
        name: Series(
            pixels_BTCHW=torch.from_numpy(np.stack([parts[name][index].pixels for index in kept])),
            valid_BTHW=torch.from_numpy(np.stack([parts[name][index].valid for index in kept])),
            present_BTC=torch.from_numpy(np.stack([parts[name][index].present for index in kept])),
            day_BT=torch.from_numpy(np.tile(stack.day, (len(kept), 1))),
            age_BT=torch.from_numpy(np.tile(stack.age, (len(kept), 1))),
        )
        for name, stack in slab.stacks.items()
    }


def answer_batch(
    model: Mapper, question: Question, windows: Sequence[Window], series: Mapping[str, Series]
) -> list[WindowAnswer]:
    """Returns the probabilities of each window; every logit's softmax is taken in float32.

    Args:
        model: In evaluation mode.
        question: Which fusions are wanted.
        windows: At least one.
        series: As `window_series` gives it for them.
    """
    num = len(windows)
    membership_BGT = torch.from_numpy(question.membership)[None].expand(num, -1, -1)
    with torch.inference_mode():
        fused = model.fuse(model.encode(series), membership_BGT)
        maps_NPHW = model.decode(fused)
        maps_BGPHW = maps_NPHW.reshape(num, -1, *maps_NPHW.shape[1:])
        land_cover = _land_cover(model, question, maps_BGPHW)
        if question.own:
            own = own_probabilities(question.own, maps_BGPHW[:, 0], series)
            land_cover = np.concatenate([land_cover, own], axis=1)
        change = _change(model, question, maps_BGPHW)
        novelty = _novelty(question, fused, series)
    return [
        WindowAnswer(window=window, land_cover=land_cover[index], change=change[index], novelty=novelty[index])
        for index, window in enumerate(windows)
    ]


def _novelty(question: Question, fused: FusedPyramid, series: Mapping[str, Series]) -> FloatArray:
    """Percent (place, 1, y, x), of the first fusion, which holds all images."""
    num_groups = len(question.membership)
    height, width = fused.size
    if question.novelty is None:
        return np.zeros((fused.count_NHW.shape[0] // num_groups, 0, height, width), dtype=np.float32)
    first = replace(
        fused, levels=tuple(level[::num_groups] for level in fused.levels), count_NHW=fused.count_NHW[::num_groups]
    )
    return question.novelty.score(first, series, question.familiar)[:, None]


def _land_cover(model: Mapper, question: Question, maps_BGPHW: torch.Tensor) -> FloatArray:
    if not question.num_classes:
        return np.zeros((maps_BGPHW.shape[0], 0, *maps_BGPHW.shape[-2:]), dtype=np.float32)
    logits_BKHW = model.segment(maps_BGPHW[:, 0])
    probability: FloatArray = (logits_BKHW.float() / question.land_cover_temperature).softmax(1).numpy()
    return probability


def _change(model: Mapper, question: Question, maps_BGPHW: torch.Tensor) -> FloatArray:
    """Asks one split after the other: small temporaries stay in the cache."""
    shape = (maps_BGPHW.shape[0], *question.change_shape, *maps_BGPHW.shape[-2:])
    probability = np.empty(shape, dtype=np.float32)
    for split, (before, after) in enumerate(zip(question.fusions.before, question.fusions.after, strict=True)):
        logits_BKHW = model.change(maps_BGPHW[:, before], maps_BGPHW[:, after])
        probability[:, split] = (logits_BKHW.float() / question.change_temperature).softmax(1).numpy()
    return probability
