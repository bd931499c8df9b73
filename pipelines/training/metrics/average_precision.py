"""Average precision from ranked answers, three ways; with weights, for replicates.

Precision and recall after the first n answers in order of falling score: P_n = TP_n / (TP_n + FP_n),
R_n = TP_n / positives. Every curve is made monotone first, P(r) = max over r' >= r (Everingham et al. 2010,
doi:10.1007/s11263-009-0275-4, section 4.2).

- "voc07": the mean of P at recalls 0, 0.1, ... 1 (VOC 2007).
- "area": the area below the curve (VOC 2010 and later).
- "coco": the mean of P at recalls 0, 0.01, ... 1.

Dims: answer (sorted by falling score), replicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

Way = Literal["voc07", "area", "coco"]
POINTS: Final = {"voc07": np.arange(11) / 10, "coco": np.linspace(0, 1, 101)}
"""Recalls at which precision is read. Tenths are divided, so that a recall of 3/10 reaches 0.3; the hundredths are
those of the COCO tools, rounding included."""

TINY: Final = float(np.spacing(1))


def average_precision(hit: Values, miss: Values, positives: Values, way: Way) -> Values:
    """Average precision of each replicate, (replicate,); NaN without a positive.

    Args:
        hit: (answer, replicate), how often the answer counts as a true positive, in order of falling score.
        miss: (answer, replicate), how often as a false positive; both 0 where it counts as neither.
        positives: (replicate,), number of true objects.
        way: How precision is averaged over recall.
    """
    num_replicates = len(positives)
    if hit.shape != miss.shape or hit.shape[1:] != (num_replicates,):
        raise ValueError(f"hit and miss must be (answer, {num_replicates}), got {hit.shape} and {miss.shape}")
    true, false = np.cumsum(hit, axis=0), np.cumsum(miss, axis=0)
    recall = true / np.maximum(positives, TINY)
    precision = true / np.maximum(true + false, TINY)
    falling = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    if way == "area":
        steps = np.diff(recall, axis=0, prepend=0.0)
        found = (steps * falling).sum(axis=0)
    else:
        found = np.array([_at_points(recall[:, r], falling[:, r], POINTS[way]) for r in range(num_replicates)])
    return np.where(positives > 0, found, np.nan)


def _at_points(recall: Values, falling: Values, points: Values) -> float:
    index = np.searchsorted(recall, points, side="left")
    return float(np.append(falling, 0.0)[index].mean())
