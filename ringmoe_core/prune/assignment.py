"""The best one-to-one assignment of rows to columns.

Legend: F rows and as many columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def assign(similarity_FF: Tensor) -> Tensor:
    """For each row its column, no column twice, so that the sum of the similarities is the largest there is.

    Shortest augmenting paths with row and column potentials (Jonker and Volgenant 1987, DOI 10.1007/BF02278710), in the
    number of rows cubed at worst.

    Args:
        similarity_FF: square and finite.

    Raises:
        ValueError: it is not.
    """
    shape = tuple(similarity_FF.shape)
    if len(shape) != 2 or shape[0] != shape[1] or not bool(torch.isfinite(similarity_FF).all()):  # noqa: PLR2004
        raise ValueError(
            f"similarities must be square and finite, got shape {shape} with "
            f"{int((~torch.isfinite(similarity_FF)).sum())} values that are not; compare units of equal number"
        )
    cost_FF = -similarity_FF.detach().to("cpu", torch.float64).numpy()
    return torch.from_numpy(_assign(cost_FF)).to(similarity_FF.device)


def _assign(cost_FF: NDArray[np.float64]) -> NDArray[np.int64]:
    """The assignment of least cost: greedy where reduced costs are zero, then one augmenting path a row left over."""
    state = _Assignment(cost_FF)
    for row in range(len(cost_FF)):
        state.take(row)
    for row in np.flatnonzero(state.column_of < 0).tolist():
        state.augment(row)
    return state.column_of


class _Assignment:
    """An assignment that grows row by row; reduced costs (less both potentials) stay at least zero, and zero on it."""

    def __init__(self, cost_FF: NDArray[np.float64]) -> None:
        self._cost_FF = cost_FF
        self._column_potential = cost_FF.min(axis=0)
        self._row_potential = (cost_FF - self._column_potential).min(axis=1)
        self._row_of = np.full(len(cost_FF), -1)
        self.column_of = np.full(len(cost_FF), -1)

    def take(self, row: int) -> None:
        """Gives a row the first free column of zero reduced cost, if there is one."""
        reduced = self._cost_FF[row] - self._column_potential - self._row_potential[row]
        free = np.flatnonzero((reduced <= 0) & (self._row_of < 0))
        if free.size:
            self.column_of[row], self._row_of[free[0]] = free[0], row

    def augment(self, start: int) -> None:
        """Gives a row a column along the shortest path of reduced costs to a free one, moving the rows on its way."""
        distance, before = np.full(len(self._cost_FF), np.inf), np.full(len(self._cost_FF), start)
        done = np.zeros(len(self._cost_FF), dtype=bool)
        row, reached, passed = start, 0.0, []
        while True:
            through = reached + self._cost_FF[row] - self._row_potential[row] - self._column_potential
            better = ~done & (through < distance)
            distance[better], before[better] = through[better], row
            column = int(np.where(done, np.inf, distance).argmin())
            reached = float(distance[column])
            done[column] = True
            if self._row_of[column] < 0:
                break
            passed.append(column)
            row = int(self._row_of[column])
        self._row_potential[start] += reached
        slack = reached - distance[passed]
        self._row_potential[self._row_of[passed]] += slack
        self._column_potential[passed] -= slack
        self._turn(start, column, before)

    def _turn(self, start: int, column: int, before: NDArray[np.int64]) -> None:
        """Moves every row of a path to the column after its own."""
        while True:
            row = int(before[column])
            self._row_of[column] = row
            self.column_of[row], column = column, int(self.column_of[row])
            if row == start:
                return
