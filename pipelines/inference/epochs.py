"""Epochs: the acquisitions of all groups merged by time into the few steps that the model sees.

An epoch holds at most one date a group. Change is asked at every split between consecutive epochs. Pure planning:
times and counts in, indices out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Group = Literal["s1", "s2"]
TimeArray = npt.NDArray[np.datetime64]

MAX_EPOCHS: Final = 12
"""Most steps a model is shown: a year by months, and what the checkpoints are trained with."""

EPOCH_DAYS: Final = 3.0
"""An epoch spans at most this many days from its first acquisition, so a gap beyond it always starts a new one.

The span is bounded rather than the gaps: Sentinel-1 and Sentinel-2 together return every two to three days in places,
and epochs chained over such gaps would swallow a whole season.
"""

_MICROSECOND: Final = np.timedelta64(1, "us")
_DAY: Final = np.timedelta64(1, "D") // _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """The dates of one group of the cube, as the planner needs them."""

    times: TimeArray
    """Acquisition in UTC, ascending."""

    valid_counts: npt.NDArray[np.int64]
    """How many pixels of the grid are valid, per date, at least 0."""

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.times.shape != self.valid_counts.shape:
            raise ValueError(
                f"every date has one count of valid pixels, got {self.times.shape} and {self.valid_counts.shape}"
            )
        if (np.diff(self.times.astype("datetime64[us]").astype(np.int64)) <= 0).any():
            raise ValueError(f"times must be ascending without doubles, got {self.times[:4]}...; sort the cube by time")
        if (self.valid_counts < 0).any():
            raise ValueError(f"counts must be at least 0, got {int(self.valid_counts.min())}; count valid pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One step in time: at most one date of each group, at least one in all."""

    start: np.datetime64
    end: np.datetime64
    """First and last acquisition chosen, equal where there is one."""

    s2: int | None = None
    s1: int | None = None
    """Index of the date in its group, None where the group has none here."""

    def __post_init__(self) -> None:
        if self.s2 is None and self.s1 is None:
            raise ValueError("an epoch holds at least one date, got none; leave it out of the plan")
        if self.end < self.start:
            raise ValueError(f"an epoch must not end before it starts, got {self.start} to {self.end}; swap them")

    def date(self, group: str) -> int | None:
        """Returns the index of the epoch's date in a group, None where it has none."""
        return self.s2 if group == "s2" else self.s1


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """The plan: consecutive epochs, and the dates that no epoch shows to the model."""

    epochs: tuple[Epoch, ...]
    """Ascending and apart from each other."""

    unused_s2: tuple[int, ...] = ()
    unused_s1: tuple[int, ...] = ()
    """Dates passed over: another date of the same epoch has more valid pixels, or the date has none."""

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def num_splits(self) -> int:
        """How many pairs of consecutive epochs there are; split s lies between the epochs s and s + 1."""
        return max(0, len(self.epochs) - 1)

    def dates(self, group: str) -> tuple[int, ...]:
        """Returns the date indices of a group that are used, in time order."""
        return tuple(date for epoch in self.epochs if (date := epoch.date(group)) is not None)

    def holders(self, group: str) -> tuple[int, ...]:
        """Returns the epochs that hold a date of the group, in the order of `dates`."""
        return tuple(index for index, epoch in enumerate(self.epochs) if epoch.date(group) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusions:
    """Which epochs are fused together, and which fusions each question is asked of."""

    members: tuple[tuple[int, ...], ...]
    """Epochs of each fusion. Where land cover is wanted, fusion 0 holds all epochs."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    """Per split, the fusion before and the fusion after it; empty where change is not wanted."""


def before_epochs(split: int) -> tuple[int, ...]:
    """Returns the epochs before a split: the two nearest, or the one there is."""
    return (split - 1, split) if split >= 1 else (split,)


def after_epochs(split: int, num_epochs: int) -> tuple[int, ...]:
    """Returns the epochs after a split: the two nearest, or the one there is."""
    return (split + 1, split + 2) if split + 2 < num_epochs else (split + 1,)


def plan_epochs(
    dates: Mapping[Group, Dates], *, max_epochs: int = MAX_EPOCHS, epoch_days: float = EPOCH_DAYS
) -> Epochs:
    """Returns the epochs of a cube.

    Dates without a valid pixel are left out. The rest are merged in time order: an epoch takes every acquisition up
    to `epoch_days` after its first. Where that gives more than `max_epochs`, the span from the first to the last
    epoch's start is cut into `max_epochs` bins of equal length and the epochs that start in one bin become one (an
    empty bin gives none). Of several dates of a group in one epoch, the one with the most valid pixels is kept; of
    equals the one nearest in time to the other group's, so that a radar image shows the day of the optical one; of
    those the earliest.

    Args:
        dates: Per group its dates; a group may be absent or empty.
        max_epochs: At least 1.
        epoch_days: Longest span of an epoch before binning, positive.

    Raises:
        ValueError: An argument out of range.
    """
    if max_epochs < 1 or not epoch_days > 0:
        raise ValueError(f"at least 1 epoch of a positive span, got {max_epochs} of {epoch_days} days; raise them")
    clusters = _clusters(_timeline(dates), round(epoch_days * _DAY))
    if len(clusters) > max_epochs:
        clusters = _bins(clusters, max_epochs)
    epochs = tuple(_choose(cluster, dates) for cluster in clusters)
    plan = Epochs(epochs=epochs)
    unused = {group: set(range(len(dates[group].times))) - set(plan.dates(group)) for group in dates}
    return Epochs(
        epochs=epochs,
        unused_s2=tuple(sorted(unused.get("s2", ()))),
        unused_s1=tuple(sorted(unused.get("s1", ()))),
    )


def plan_fusions(num_epochs: int, *, land_cover: bool, change: bool) -> Fusions:
    """Returns the sets of epochs to fuse, each once.

    Args:
        num_epochs: At least 0.
        land_cover: Adds the set of all epochs, first.
        change: Adds the sets before and after every split.
    """
    members: list[tuple[int, ...]] = [tuple(range(num_epochs))] if land_cover and num_epochs else []
    sides: list[list[int]] = [[], []]
    first = len(members)
    for split in range(max(0, num_epochs - 1)) if change else ():
        for side, epochs in zip(sides, (before_epochs(split), after_epochs(split, num_epochs)), strict=True):
            if epochs not in members[first:]:
                members.append(epochs)
            side.append(members.index(epochs, first))
    return Fusions(members=tuple(members), before=tuple(sides[0]), after=tuple(sides[1]))


def membership(plan: Epochs, fusions: Fusions, groups: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Returns which image takes part in which fusion, bool (fusion, image).

    Args:
        plan: The epochs.
        fusions: The sets of epochs.
        groups: The cube group behind each modality, in the order in which the model joins its modalities; the images
            are the used dates of the first, then of the second, and so on.
    """
    holders = np.array([epoch for group in groups for epoch in plan.holders(group)], dtype=np.int64)
    sets = [np.isin(holders, members) for members in fusions.members]
    return np.array(sets, dtype=np.bool_).reshape(len(sets), len(holders))


def _timeline(dates: Mapping[Group, Dates]) -> list[tuple[int, Group, int]]:
    """Returns (microseconds since 1970, group, index) of every date with a valid pixel, in time order."""
    entries = [
        (int(time), group, index)
        for group, entry in dates.items()
        for index, time in enumerate(entry.times.astype("datetime64[us]").astype(np.int64))
        if entry.valid_counts[index] > 0
    ]
    return sorted(entries)


def _clusters(timeline: list[tuple[int, Group, int]], span_us: int) -> list[list[tuple[int, Group, int]]]:
    clusters: list[list[tuple[int, Group, int]]] = []
    for entry in timeline:
        if clusters and entry[0] - clusters[-1][0][0] <= span_us:
            clusters[-1].append(entry)
        else:
            clusters.append([entry])
    return clusters


def _bins(clusters: list[list[tuple[int, Group, int]]], num_bins: int) -> list[list[tuple[int, Group, int]]]:
    """Returns the clusters joined by equal bins of their starts; the last bin is closed, the others half open."""
    first, last = clusters[0][0][0], clusters[-1][0][0]
    binned: dict[int, list[tuple[int, Group, int]]] = {}
    for cluster in clusters:
        index = min(num_bins - 1, (cluster[0][0] - first) * num_bins // (last - first))
        binned.setdefault(index, []).extend(cluster)
    return list(binned.values())


def _choose(cluster: list[tuple[int, Group, int]], dates: Mapping[Group, Dates]) -> Epoch:
    clearest: dict[Group, list[tuple[int, Group, int]]] = {}
    for entry in cluster:
        _, group, index = entry
        held = clearest.setdefault(group, [])
        counts = dates[group].valid_counts
        if held and counts[index] > counts[held[0][2]]:
            held.clear()
        if not held or counts[index] == counts[held[0][2]]:
            held.append(entry)
    chosen = min(itertools.product(*clearest.values()), key=lambda pair: (max(pair)[0] - min(pair)[0], min(pair)))
    times = [np.datetime64(time, "us") for time, _, _ in chosen]
    indices = {group: index for _, group, index in chosen}
    return Epoch(start=min(times), end=max(times), s2=indices.get("s2"), s1=indices.get("s1"))
