"""How right held-out answers are: one pooled confusion matrix, and what follows from it, with intervals over blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

NUM_RESAMPLES: Final = 1000
CONFIDENCE_95: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    """Fraction of 1; NaN where it is not defined (a class that was never mapped has no user's accuracy)."""

    low: float
    high: float
    """Bounds, percentile bootstrap over blocks; NaN with the value."""

    def to_dict(self) -> dict[str, float | None]:
        """Returns {value, low, high}, None for NaN, ready for JSON."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        return {name: float(entry) if np.isfinite(entry) else None for name, entry in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What held-out answers are worth."""

    confusion: Ints
    """(reference class, answered class), pooled over all folds."""

    overall: Interval
    macro_f1: Interval
    """Mean of the F1 of all classes of the reference."""

    users: tuple[Interval, ...]
    """Of each class: the share of answers of that class that are right (precision, 1 - commission)."""

    producers: tuple[Interval, ...]
    """Of each class: the share of its samples that are found (recall, 1 - omission)."""

    f1: tuple[Interval, ...]
    num_blocks: int


def accuracy(
    label: Ints, answer: Ints, block: Ints, num_classes: int, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Accuracy:
    """Returns the accuracy of answers that were given without having seen their samples.

    Confusion counts n_ij (reference i, answer j) are summed over all folds, never averaged as rates. Overall accuracy
    sum n_ii / n, user's n_jj / n_+j, producer's n_ii / n_i+ (Congalton 1991, doi:10.1016/0034-4257(91)90048-B),
    F1 = 2 n_ii / (n_i+ + n_+i). Intervals redraw whole blocks, since neighbours are alike.

    Args:
        label: Reference class of each sample, 0 to `num_classes`.
        answer: Answered class of each sample.
        block: Block of each sample.
        num_classes: At least 1.
        seed: Of the bootstrap.
        num_resamples: Draws.

    Raises:
        LabelError: Lengths differ, no sample, or a class out of range.
    """
    tables = block_tables(label, answer, block, num_classes)
    drawn = redrawn(tables, seed=seed, num_resamples=num_resamples)

    def interval(figure: Callable[[Floats], Floats]) -> Interval:
        return _interval(figure(tables.sum(axis=0, keepdims=True).astype(np.float64))[0], figure(drawn))

    return Accuracy(
        confusion=tables.sum(axis=0),
        overall=interval(overall_of),
        macro_f1=interval(macro_f1_of),
        users=tuple(interval(lambda t, k=k: _ratio(t[:, k, k], t[:, :, k].sum(1))) for k in range(num_classes)),  # type: ignore[misc]
        producers=tuple(interval(lambda t, k=k: _ratio(t[:, k, k], t[:, k].sum(1))) for k in range(num_classes)),  # type: ignore[misc]
        f1=tuple(interval(lambda t, k=k: _f1_of(t)[:, k]) for k in range(num_classes)),  # type: ignore[misc]
        num_blocks=len(tables),
    )


def difference(
    label: Ints,
    answers: tuple[Ints, Ints],
    block: Ints,
    num_classes: int,
    figure: Callable[[Floats], Floats],
    *,
    seed: int = 0,
) -> Interval:
    """Returns a figure of the first answers less that of the second, paired: each draw of blocks serves both."""
    tables = [block_tables(label, answer, block, num_classes) for answer in answers]
    whole = [figure(table.sum(axis=0, keepdims=True).astype(np.float64))[0] for table in tables]
    drawn = [figure(redrawn(table, seed=seed)) for table in tables]
    return _interval(whole[0] - whole[1], drawn[0] - drawn[1])


def block_tables(label: Ints, answer: Ints, block: Ints, num_classes: int) -> Ints:
    """Returns the counts (block, reference class, answered class).

    Raises:
        LabelError: Lengths differ, no sample, or a class out of range.
    """
    if not label.shape == answer.shape == block.shape or not label.size:
        raise LabelError(f"each sample has label, answer and block, got {label.shape}, {answer.shape}, {block.shape}")
    both = np.stack([label, answer])
    if both.min() < 0 or both.max() >= num_classes:
        raise LabelError(f"classes count from 0 to {num_classes - 1}, got {both.min()} to {both.max()}; recode them")
    _, place = np.unique(block, return_inverse=True)
    cell = (place * num_classes + label) * num_classes + answer
    counts = np.bincount(cell, minlength=(int(place.max()) + 1) * num_classes**2)
    return np.asarray(counts.reshape(-1, num_classes, num_classes), dtype=np.int64)


def redrawn(tables: Ints, *, seed: int, num_resamples: int = NUM_RESAMPLES) -> Floats:
    """Returns tables (draw, reference, answer): as many blocks as there are, drawn with replacement and added."""
    num = len(tables)
    draws = np.random.default_rng(seed).multinomial(num, np.full(num, 1.0 / num), size=num_resamples)
    flat = draws.astype(np.float64) @ tables.reshape(num, -1).astype(np.float64)
    return np.asarray(flat.reshape(num_resamples, *tables.shape[1:]))


def overall_of(tables: Floats) -> Floats:
    """Returns the overall accuracy of each table."""
    return _ratio(np.trace(tables, axis1=1, axis2=2), tables.sum(axis=(1, 2)))


def macro_f1_of(tables: Floats) -> Floats:
    """Returns the mean F1 over the classes that the reference of each table holds."""
    each = _f1_of(tables)
    held = tables.sum(axis=2) > 0
    return _ratio(np.where(held, np.nan_to_num(each), 0.0).sum(axis=1), held.sum(axis=1).astype(np.float64))


def _f1_of(tables: Floats) -> Floats:
    hits = np.diagonal(tables, axis1=1, axis2=2)
    return _ratio(2 * hits, tables.sum(axis=2) + tables.sum(axis=1))


def _interval(value: float, draws: Floats) -> Interval:
    defined = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not defined.size:
        return Interval(value=float("nan"), low=float("nan"), high=float("nan"))
    low, high = np.percentile(defined, CONFIDENCE_95)
    return Interval(value=float(value), low=float(low), high=float(high))


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
