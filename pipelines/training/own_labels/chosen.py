"""Which samples are kept: classes with enough of them, and what the others are counted as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Ints = npt.NDArray[np.int64]

FEWEST_SAMPLES: Final = 8
"""A class with fewer samples is left out: two a fold are not enough to say anything."""


def frequent(
    label: Ints, names: Sequence[str], *, fewest: int = FEWEST_SAMPLES
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...], dict[str, int]]:
    """Returns which samples are of classes with enough of them, those classes, and the others with their counts.

    Args:
        label: (sample,) index into `names`.
        names: Of the classes.
        fewest: Least number of samples, at least 1.

    Raises:
        LabelError: Fewer than two classes are left.
    """
    count = np.bincount(label, minlength=len(names))
    held = count >= max(1, fewest)
    if held.sum() < 2:  # noqa: PLR2004 nothing to tell apart
        told = {name: int(number) for name, number in zip(names, count, strict=True)}
        raise LabelError(
            f"two classes need {fewest} samples or more, got {told}; label more, merge classes, or lower --min-samples"
        )
    left_out = {name: int(number) for name, number, kept in zip(names, count, held, strict=True) if not kept and number}
    return held[label], tuple(name for name, kept in zip(names, held, strict=True) if kept), left_out
