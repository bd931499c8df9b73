"""From blended probabilities and the cube's masks to the layers of a prediction, rows at a time, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.inference.epochs import after_epochs, before_epochs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.inference.blend import FinishedRows
    from pipelines.inference.channels import BoolArray, FloatArray
    from pipelines.inference.epochs import Epochs, TimeArray
    from pipelines.inference.own import OwnHead
    from pipelines.inference.slab import Slab

NO_SPLIT: Final = -1
NO_DAY: Final = -1
NO_NOVELTY: Final = 255

LayerArray = npt.NDArray[np.generic]
CountArray = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One used date of one group."""

    epoch: int
    day: int
    """Days since 1970-01-01 in UTC."""

    group: str
    index: int
    """Position among the group's used dates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The split at which a change is most probable, per pixel."""

    split: npt.NDArray[np.int64]
    """(y, x), `NO_SPLIT` where no split has an observation on both sides."""

    probability: FloatArray
    """(change_class, y, x), NaN there."""


def observations(plan: Epochs, times: Mapping[str, TimeArray]) -> tuple[Observation, ...]:
    """Returns the used dates of all groups in time order.

    Args:
        plan: The epochs.
        times: Per group the times of all its dates.
    """
    rows = []
    for group, array in times.items():
        for index, (epoch, date) in enumerate(zip(plan.holders(group), plan.dates(group), strict=True)):
            day = int(array[date].astype("datetime64[D]").astype(np.int64))
            rows.append((array[date], Observation(epoch=epoch, day=day, group=group, index=index)))
    return tuple(row for _, row in sorted(rows, key=lambda entry: (entry[0], entry[1].group)))


def reduce_rows(
    finished: FinishedRows,
    slab: Slab,
    num_epochs: int,
    seen: Sequence[Observation],
    *,
    change: bool,
    own: Sequence[OwnHead] = (),
) -> dict[str, LayerArray]:
    """Returns the layers of finished rows by name, as `layers.LAYERS` lists them.

    A pixel without any valid observation of a used date has no probability, whatever its neighbours show.

    Args:
        finished: Blended probabilities.
        slab: Holds at least those rows.
        num_epochs: Number of epochs.
        seen: The used dates in time order.
        change: Whether change was asked; the change layers are left out otherwise.
        own: The user's heads, whose classes follow those of land cover.
    """
    first = finished.top - slab.top
    rows = slice(first, first + finished.land_cover.shape[1])
    planes = [slab.observed[entry.group][entry.index][rows] for entry in seen]
    shape = slab.reason_any[rows].shape
    counts = np.zeros((num_epochs, *shape), dtype=np.uint16)
    layers: dict[str, LayerArray] = {}
    for group in ("s2", "s1"):
        layers[f"n_valid_{group}"] = sum(
            (plane.astype(np.uint16) for entry, plane in zip(seen, planes, strict=True) if entry.group == group),
            start=np.zeros(shape, dtype=np.uint16),
        )
    for entry, plane in zip(seen, planes, strict=True):
        counts[entry.epoch] += plane
    never = counts.sum(axis=0) == 0
    layers["reason"] = np.where(never, slab.reason_any[rows], slab.reason_all[rows])
    if finished.novelty.shape[0]:
        percent = np.where(never, np.float32(NO_NOVELTY), np.rint(finished.novelty[0]))
        layers["novelty"] = percent.astype(np.uint8)
    num_classes = finished.land_cover.shape[0] - sum(head.num_classes for head in own)
    if num_classes:
        layers["land_cover_probability"] = np.where(never, np.float32(np.nan), finished.land_cover[:num_classes])
    for head in own:
        planes_of_head = slice(num_classes, num_classes := num_classes + head.num_classes)
        layers[head.layer] = np.where(never, np.float32(np.nan), finished.land_cover[planes_of_head])
    if change:
        layers |= change_layers(finished.change, counts, planes, seen)
    return layers


def change_layers(
    probability: FloatArray, counts: CountArray, planes: Sequence[BoolArray], seen: Sequence[Observation]
) -> dict[str, LayerArray]:
    """Returns the layers of change at the best split of each pixel.

    Args:
        probability: (split, change_class, y, x), the first class is no change.
        counts: Valid observations (epoch, y, x).
        planes: Valid plane (y, x) of each entry of `seen`.
        seen: The used dates in time order.
    """
    num_epochs = counts.shape[0]
    num_before = [counts[list(before_epochs(split))].sum(axis=0) for split in range(len(probability))]
    num_after = [counts[list(after_epochs(split, num_epochs))].sum(axis=0) for split in range(len(probability))]
    best = best_split(probability, num_before, num_after)
    before = np.full(best.split.shape, NO_DAY, dtype=np.int32)
    after = before.copy()
    for entry, plane in zip(seen, planes, strict=True):
        before[plane & (entry.epoch <= best.split)] = entry.day
    for entry, plane in zip(reversed(seen), reversed(planes), strict=True):
        after[plane & (entry.epoch > best.split) & (best.split != NO_SPLIT)] = entry.day
    return {
        "change_probability": best.probability,
        "change_split": best.split.astype(np.int16),
        "change_before": before,
        "change_after": after,
        "n_before": _take(num_before, best.split),
        "n_after": _take(num_after, best.split),
    }


def best_split(probability: FloatArray, num_before: Sequence[CountArray], num_after: Sequence[CountArray]) -> Best:
    """Returns the split of the largest probability of any change, the earliest of equals.

    A split counts only where the pixel was observed in the epochs before and in those after it: elsewhere the model
    answers from the neighbourhood alone, and missing must not look like change, nor like none.

    Args:
        probability: (split, change_class, y, x), the first class is no change.
        num_before: Valid observations (y, x) in the epochs fused before each split.
        num_after: Likewise after.
    """
    _, num_classes, height, width = probability.shape
    split = np.full((height, width), NO_SPLIT, dtype=np.int64)
    most = np.full((height, width), -1.0, dtype=np.float32)
    chosen = np.full((num_classes, height, width), np.nan, dtype=np.float32)
    for index, (before, after) in enumerate(zip(num_before, num_after, strict=True)):
        score = 1 - probability[index, 0]
        better = (before > 0) & (after > 0) & (score > most)
        split[better] = index
        most[better] = score[better]
        chosen[:, better] = probability[index][:, better]
    return Best(split=split, probability=chosen)


def _take(counts: Sequence[CountArray], split: npt.NDArray[np.int64]) -> CountArray:
    """Returns the count at each pixel's split, 0 where it has none."""
    out = np.zeros(split.shape, dtype=np.uint16)
    for index, plane in enumerate(counts):
        out = np.where(split == index, plane.astype(np.uint16), out)
    return out
