"""A linear probe: what a handful of labels can read from features that they do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STRENGTH = 0.1
"""Inverse of the ridge penalty, the same for every arm and number of labels."""


def draw_labels(
    labels: NDArray[np.integer], count: int, classes: Sequence[int], random: np.random.Generator
) -> NDArray[np.int64]:
    """Returns positions of labels, as even over the classes as they go; a class with too few gives all that it has.

    Args:
        labels: (sample,).
        count: Of all labels together, at least one a class.
        classes: Those that are asked for.
        random: Draws.
    """
    share = -(-count // len(classes))
    pools = [random.permutation(np.flatnonzero(labels == label))[:share] for label in classes]
    return random.permutation(np.concatenate(pools))[:count]


def probe(
    features: NDArray[np.floating], labels: NDArray[np.integer], tests: Sequence[NDArray[np.floating]], *, seed: int
) -> list[NDArray[np.int64]]:
    """Returns the classes that a logistic regression on (sample, feature) tells of each set of test samples."""
    scale = StandardScaler().fit(features)
    head = LogisticRegression(C=STRENGTH, max_iter=500, random_state=seed).fit(scale.transform(features), labels)
    return [np.asarray(head.predict(scale.transform(test)), dtype=np.int64) for test in tests]


def balanced_accuracy(said: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Returns the mean over the classes of a truth of the share of each that was told right."""
    return float(np.mean([(said[truth == label] == label).mean() for label in np.unique(truth)]))
