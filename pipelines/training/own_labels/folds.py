"""Folds that keep neighbours together: samples of one block, one polygon or one survey are tested together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

BLOCK_SIDES: Final = (10_000.0, 5_000.0, 2_000.0, 1_000.0, 500.0, 200.0, 100.0, 50.0)
"""Metres: sides that are tried from the largest where the user names none."""

BLOCKS_A_FOLD: Final = 3
"""Least number of blocks a fold of a side that is chosen here: an interval over fewer says little."""


NEAR_M: Final = 200.0
"""Metres: blocks with a shorter side hold a field or two, and what grows beside a field is much like it."""

FEW_BLOCKS: Final = 15
"""Below this many groups a bootstrap over them says little of its own spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Which samples are tested together."""

    block: Ints
    """(sample,) 0 to the number of blocks: what is resampled for intervals."""

    fold: Ints
    """(sample,) 0 to `num_folds`; blocks are never divided."""

    num_folds: int

    kind: str
    """What the blocks are, for a person: `blocks of 500 m`."""

    side_m: float | None = None
    """Side of a block in metres, None where blocks are something else."""

    def __post_init__(self) -> None:
        if self.block.shape != self.fold.shape or self.num_folds < 2:  # noqa: PLR2004 one is learnt, one is tested
            raise LabelError(f"folds are two or more over all samples, got {self.num_folds}, {self.block.shape}")

    @property
    def num_blocks(self) -> int:
        """Number of blocks that hold a sample."""
        return int(self.block.max(initial=-1)) + 1


def spatial_folds(
    x: Floats, y: Floats, label: Ints, unit: Ints, *, side: float | None, num_folds: int, seed: int, metres: bool = True
) -> Folds:
    """Returns folds by square blocks of the plane; a unit lies whole in the block of its centre.

    Args:
        x: Easting of each sample, metres or degrees.
        y: Northing likewise.
        label: Class of each sample, from 0 on.
        unit: What must not be divided (a polygon, or polygons that overlap).
        side: Of a block, in the unit of x and y; None chooses the largest of `BLOCK_SIDES` that gives enough blocks.
        num_folds: At least 2.
        seed: Of the order of equal blocks.
        metres: Whether x and y are metres; else degrees.

    Raises:
        LabelError: Fewer blocks than folds, or numbers out of range.
    """
    if num_folds < 2:  # noqa: PLR2004
        raise LabelError(f"folds must be 2 or more, got {num_folds}; use 5")
    if side is not None and not (np.isfinite(side) and side > 0):
        raise LabelError(
            f"the side of a block must be positive, got {side}; give it in {'metres' if metres else 'degrees'}"
        )
    chosen = _side(x, y, unit, num_folds) if side is None else side
    block = block_of(x, y, unit, chosen)
    kind = f"blocks of {chosen:g} {'m' if metres else 'degrees'}"
    folds = grouped_folds(block, label, num_folds=num_folds, seed=seed, kind=kind)
    return replace(folds, side_m=chosen) if metres else folds


def grouped_folds(group: Ints, label: Ints, *, num_folds: int, seed: int, kind: str) -> Folds:
    """Returns folds that divide no group; rare classes are spread over the folds first.

    Groups are dealt out from the largest to the smallest, each to the fold that holds the least of its classes, as
    shares of each class, then to the smallest fold.

    Raises:
        LabelError: Fewer groups than folds.
    """
    names, index = np.unique(group, return_inverse=True)
    if names.size < num_folds:
        raise LabelError(
            f"each fold needs a group of its own, got {names.size} {kind} for {num_folds} folds; "
            "take smaller blocks, fewer folds, or label more places"
        )
    num_classes = int(label.max()) + 1
    counts = np.zeros((names.size, num_classes))
    np.add.at(counts, (index, label), 1)
    shares = counts / counts.sum(axis=0)
    order = np.random.default_rng(seed).permutation(names.size)
    order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
    held, size = np.zeros((num_folds, num_classes)), np.zeros(num_folds)
    fold = np.empty(names.size, dtype=np.int64)
    for place, entry in enumerate(order):
        open_folds = np.flatnonzero(size == 0) if names.size - place <= (size == 0).sum() else np.arange(num_folds)
        cost = (held[open_folds] * (shares[entry] > 0)).sum(axis=1)
        fold[entry] = open_folds[np.lexsort((size[open_folds], cost))[0]]
        held[fold[entry]] += shares[entry]
        size[fold[entry]] += counts[entry].sum()
    return Folds(block=index.astype(np.int64), fold=fold[index], num_folds=num_folds, kind=kind)


def block_of(x: Floats, y: Floats, unit: Ints, side: float) -> Ints:
    """Returns the block of each sample, counted from 0: the one that holds the centre of its unit."""
    _, index = np.unique(unit, return_inverse=True)
    count = np.bincount(index)
    cells = [np.floor(np.bincount(index, weights=axis) / count / side).astype(np.int64) for axis in (x, y)]
    _, block = np.unique(np.stack(cells, axis=1), axis=0, return_inverse=True)
    return np.asarray(block.reshape(-1)[index], dtype=np.int64)


def training_of(folds: Folds, tested: int, x: Floats, y: Floats, *, buffer: float = 0.0) -> npt.NDArray[np.bool_]:
    """Returns which samples may teach when a fold is tested: those of others, farther from it than the buffer.

    Args:
        folds: The folds.
        tested: The one that is tested.
        x: Of each sample.
        y: Of each sample.
        buffer: Least distance to a tested sample, in the unit of x and y.
    """
    kept = folds.fold != tested
    if buffer > 0 and kept.any() and not kept.all():
        from scipy.spatial import cKDTree

        places = np.stack([x, y], axis=1)
        distance, _ = cKDTree(places[~kept]).query(places[kept], distance_upper_bound=buffer)
        kept[np.flatnonzero(kept)[distance < buffer]] = False
    return np.asarray(kept)


def fold_warnings(
    folds: Folds, label: Ints, class_names: Sequence[str], *, scarce: int, buffer: float = 0.0
) -> tuple[str, ...]:
    """Returns what a reader of the accuracy must know: classes that are scarce, or absent where they should not be."""
    told = []
    if folds.side_m is not None and folds.side_m < NEAR_M and not buffer:
        told.append(
            f"{folds.kind} are small: fields of different folds may lie side by side, and figures flatter; "
            "name --block-km, or keep apart what is learnt and tested by --buffer-m"
        )
    if folds.num_blocks < FEW_BLOCKS:
        told.append(f"there are only {folds.num_blocks} {folds.kind}: the intervals are loose themselves")
    for index, name in enumerate(class_names):
        mine = label == index
        number, blocks = int(mine.sum()), int(np.unique(folds.block[mine]).size)
        absent = [str(fold + 1) for fold in range(folds.num_folds) if not (mine & (folds.fold == fold)).any()]
        if blocks == 1:
            told.append(
                f"{name}: all {number} samples lie in one of the {folds.kind}, so it was not learnt where it was tested"
            )
        elif number < scarce:
            told.append(f"{name}: only {number} samples in {blocks} of the {folds.kind}, its figures are loose")
        if absent and blocks > 1:
            told.append(f"{name}: no sample in fold {', '.join(absent)}, its figures come from the others")
    return tuple(told)


def _side(x: Floats, y: Floats, unit: Ints, num_folds: int) -> float:
    for side in BLOCK_SIDES:
        if int(block_of(x, y, unit, side).max()) + 1 >= BLOCKS_A_FOLD * num_folds:
            return side
    return BLOCK_SIDES[-1]
