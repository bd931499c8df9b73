"""Accuracy against a reference map: tables of counts a block, and the scores they give.

Pixels with a reference but without an answer stand in a column of their own. They count as errors unless a score is
told to leave them out, and `coverage` reports their share: a map cannot gain by keeping silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pipelines.product.errors import ProductError
from pipelines.product.score import NUM_RESAMPLES, Score, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

Counts: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.integer]
Missing = Literal["error", "ignore"]


def confusion(truth: Codes, predicted: Codes, codes: Sequence[int], *, truth_nodata: int, nodata: int) -> Counts:
    """Returns the table of counts (reference class, mapped class + 1); the last column holds pixels without an answer.

    Args:
        truth: Reference codes, any shape.
        predicted: Mapped codes, same shape.
        codes: The classes, in the order of rows and columns.
        truth_nodata: Reference value of pixels that are left out.
        nodata: Mapped value that means no answer.

    Raises:
        ProductError: Shapes differ, or a value is neither a code nor the named nodata.
    """
    tables = _count(truth, predicted, codes, nodata=(truth_nodata, nodata))
    return np.asarray(tables[0])


def block_confusions(
    truth: Codes,
    predicted: Codes,
    codes: Sequence[int],
    *,
    truth_nodata: int,
    nodata: int,
    block_px: int = 32,
) -> Counts:
    """Returns one table a square block, (block, reference class, mapped class + 1); blocks without reference left out.

    Args:
        truth: Reference codes (y, x).
        predicted: Mapped codes (y, x).
        codes: The classes, in the order of rows and columns.
        truth_nodata: Reference value of pixels that are left out.
        nodata: Mapped value that means no answer.
        block_px: Side of a block in pixels, larger than the patches of the landscape for an honest interval.

    Raises:
        ProductError: As `confusion`, or the maps are not planes.
    """
    if truth.ndim != 2 or block_px < 1:  # noqa: PLR2004 y and x
        raise ProductError(f"blocks are cut from planes (y, x) by a side from 1, got {truth.shape} and {block_px}")
    cols = -(-truth.shape[1] // block_px)
    row = np.arange(truth.shape[0])[:, None] // block_px
    block = row * cols + np.arange(truth.shape[1])[None, :] // block_px
    tables = _count(truth, predicted, codes, nodata=(truth_nodata, nodata), block=block)
    return np.asarray(tables[tables.sum(axis=(1, 2)) > 0])


def overall_accuracy(
    tables: Counts,
    *,
    seed: int = 0,
    missing: Missing = "error",
    num_resamples: int = NUM_RESAMPLES,
) -> Score:
    """Returns the share of reference pixels that the map has right.

    Overall accuracy of Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015), section 4; the reference covers the map
    whole, so that the sum over strata is the plain share.

    Args:
        tables: One table a block or scene, (block, reference class, mapped class + 1).
        seed: Of the bootstrap over blocks.
        missing: Whether pixels without an answer are errors or left out.
        num_resamples: Draws of the bootstrap.

    Raises:
        ProductError: Fewer than two blocks, or no pixel.
    """

    def share(drawn: Counts) -> npt.NDArray[np.float64]:
        right = np.trace(drawn, axis1=1, axis2=2)
        return _ratio(right, drawn.sum(axis=(1, 2)))

    return bootstrap(_with(tables, missing), share, seed=seed, num_resamples=num_resamples)


def f1(
    tables: Counts,
    *,
    seed: int = 0,
    missing: Missing = "error",
    num_resamples: int = NUM_RESAMPLES,
) -> Score:
    """Returns F1 = 2 TP / (2 TP + FP + FN) of any change: every class but the first counts as change.

    The kind of change does not matter here. A changed pixel without an answer is a miss (FN); an unchanged one
    without an answer is neither hit nor false alarm.

    Args:
        tables: One table a block or scene, (block, reference class, mapped class + 1); the first class is no change.
        seed: Of the bootstrap over blocks.
        missing: Whether changed pixels without an answer are misses or left out.
        num_resamples: Draws of the bootstrap.

    Raises:
        ProductError: Fewer than two blocks, or no change in reference and map.
    """

    def score(drawn: Counts) -> npt.NDArray[np.float64]:
        hits = drawn[:, 1:, 1:-1].sum(axis=(1, 2))
        false = drawn[:, 0, 1:-1].sum(axis=1)
        missed = drawn[:, 1:, 0].sum(axis=1) + drawn[:, 1:, -1].sum(axis=1)
        return _ratio(2 * hits, 2 * hits + false + missed)

    return bootstrap(_with(tables, missing), score, seed=seed, num_resamples=num_resamples)


def coverage(tables: Counts, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES) -> Score:
    """Returns the share of reference pixels for which the map has an answer, right or wrong.

    Raises:
        ProductError: Fewer than two blocks, or no pixel.
    """

    def share(drawn: Counts) -> npt.NDArray[np.float64]:
        return _ratio(drawn[:, :, :-1].sum(axis=(1, 2)), drawn.sum(axis=(1, 2)))

    return bootstrap(tables, share, seed=seed, num_resamples=num_resamples)


def _count(
    truth: Codes,
    predicted: Codes,
    codes: Sequence[int],
    *,
    nodata: tuple[int, int],
    block: npt.NDArray[np.int64] | None = None,
) -> Counts:
    if truth.shape != predicted.shape:
        raise ProductError(
            f"reference and map must share one grid, got {truth.shape} and {predicted.shape}; align them"
        )
    size = len(codes)
    row = _index(truth, codes, nodata[0], "reference")
    column = _index(predicted, codes, nodata[1], "map")
    owner = np.zeros(truth.shape, dtype=np.int64) if block is None else block
    num_blocks = int(owner.max(initial=0)) + 1
    cell = (owner * size + row) * (size + 1) + column
    counts = np.bincount(cell[row < size].ravel(), minlength=num_blocks * size * (size + 1))
    tables: Counts = counts.reshape(num_blocks, size, size + 1).astype(np.int64)
    return tables


def _index(values: Codes, codes: Sequence[int], nodata: int, name: str) -> npt.NDArray[np.int64]:
    """Position of each value among the codes; the number of codes where it is nodata."""
    listed = np.array([*codes, nodata], dtype=np.int64)
    order = np.argsort(listed)
    place = np.clip(np.searchsorted(listed, values, sorter=order), 0, listed.size - 1)
    index = order[place]
    stray = listed[index] != values
    if stray.any():
        found = np.unique(np.asarray(values)[stray])[:5].tolist()
        raise ProductError(
            f"values of the {name} must be among {list(codes)} or nodata {nodata}, got {found}; recode them"
        )
    return np.asarray(index, dtype=np.int64)


def _with(tables: Counts, missing: Missing) -> Counts:
    if missing == "error":
        return tables
    answered = tables.copy()
    answered[:, :, -1] = 0
    return answered


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    ratio = np.full(part.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
