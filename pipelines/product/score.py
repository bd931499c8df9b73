"""A figure of accuracy with the range that resampling gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.product.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Statistic = Callable[[Counts], npt.NDArray[np.float64]]

NUM_RESAMPLES: Final = 2000
CONFIDENCE_95: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of accuracy."""

    value: float
    """Fraction of 1, over all reference pixels."""

    n: int
    """Number of reference pixels it rests on."""

    ci95: tuple[float, float]
    """Bounds of the 95 % interval, percentile bootstrap over blocks or scenes."""

    def __post_init__(self) -> None:
        if self.n < 1 or not self.ci95[0] <= self.ci95[1]:
            raise ProductError(f"a score rests on pixels and has ordered bounds, got n={self.n}, ci95={self.ci95}")

    def to_dict(self) -> dict[str, object]:
        """Returns {value, n, ci95} of plain numbers, ready for JSON."""
        return {"value": self.value, "n": self.n, "ci95": list(self.ci95)}


def bootstrap(tables: Counts, statistic: Statistic, *, seed: int, num_resamples: int = NUM_RESAMPLES) -> Score:
    """Returns the statistic over all tables, with its 95 % interval by resampling the tables.

    Blocks (or scenes) are drawn with replacement and their tables added, which keeps the dependence between
    neighbouring pixels inside a draw (Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 8 and 13).
    Draws for which the statistic is undefined (no change in any drawn block) are left out of the interval.

    Args:
        tables: Counts (block, ...), one table a block.
        statistic: From tables (draw, ...) to values (draw,), NaN where undefined.
        seed: Of the draws: the same seed gives the same interval.
        num_resamples: Number of draws.

    Raises:
        ProductError: Fewer than two blocks, no pixel, or the statistic is undefined over all of them.
    """
    num_blocks = tables.shape[0]
    if num_blocks < 2:  # noqa: PLR2004 nothing to resample
        raise ProductError(f"an interval needs two blocks or scenes, got {num_blocks}; take smaller blocks")
    value = float(statistic(tables.sum(axis=0, keepdims=True))[0])
    if not np.isfinite(value):
        raise ProductError("the score is undefined: no reference pixel of the classes it is about; choose another area")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(num_blocks, np.full(num_blocks, 1.0 / num_blocks), size=num_resamples)
    drawn = (weights @ tables.reshape(num_blocks, -1)).reshape(num_resamples, *tables.shape[1:])
    low, high = np.nanpercentile(statistic(drawn), CONFIDENCE_95)
    return Score(value=value, n=int(tables.sum()), ci95=(float(low), float(high)))
