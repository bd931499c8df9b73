"""A class for each vector, by the nearest class mean.

Legend: N vectors, D channels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """One vector a class (prototypical networks, arXiv 1703.05175, equations 1 and 2)."""

    means_KD: Tensor
    """Mean of each class; of cosine ones, of vectors of length 1."""

    metric: Literal["euclidean", "cosine"]
    """What nearest means."""

    def scores(self, vectors_ND: Tensor) -> Tensor:
        """Likeness to each class (N, K): the cosine, or minus the squared distance."""
        if self.metric == "cosine":
            return functional.normalize(vectors_ND, dim=1) @ functional.normalize(self.means_KD, dim=1).t()
        return -torch.cdist(vectors_ND, self.means_KD).square()

    def predict(self, vectors_ND: Tensor) -> Tensor:
        """Class of each vector, (N,)."""
        return self.scores(vectors_ND).argmax(1)


def fit_prototypes(
    vectors_ND: Tensor,
    labels_N: Tensor,
    num_classes: int,
    *,
    metric: Literal["euclidean", "cosine"] = "cosine",
) -> Prototypes:
    """Class means of labelled vectors.

    Args:
        vectors_ND: finite.
        labels_N: class of each, 0 to K - 1.
        num_classes: K.
        metric: `cosine` takes vectors at length 1 before averaging.

    Raises:
        ValueError: a label outside the classes, a class without a vector, a vector that is not finite, or another
            metric.
    """
    if metric not in {"cosine", "euclidean"}:
        raise ValueError(f"metric must be cosine or euclidean, got {metric!r}; choose one of them")
    check_labels(labels_N, num_classes)
    check_finite(vectors_ND)
    vectors_ND = functional.normalize(vectors_ND, dim=1) if metric == "cosine" else vectors_ND
    member_KN = functional.one_hot(labels_N.long(), num_classes).t().to(vectors_ND)
    return Prototypes(means_KD=member_KN @ vectors_ND / member_KN.sum(1, keepdim=True), metric=metric)


def check_finite(vectors_ND: Tensor) -> None:
    """Checks that vectors hold numbers alone: a class with NaN would be nearest to everything.

    Raises:
        ValueError: one does not.
    """
    sound_N = torch.isfinite(vectors_ND).all(1)
    if not bool(sound_N.all()):
        rows = (~sound_N).nonzero().squeeze(1).tolist()
        raise ValueError(f"vectors must be finite, got NaN or infinity in rows {rows[:5]}; leave them out")


def check_labels(labels_N: Tensor, num_classes: int) -> None:
    """Checks that each class has a vector.

    Raises:
        ValueError: one has none, or a label lies outside.
    """
    if len(labels_N) and (int(labels_N.min()) < 0 or int(labels_N.max()) >= num_classes):
        raise ValueError(
            f"labels must lie in 0 to {num_classes - 1}, got {int(labels_N.min())} to {int(labels_N.max())}"
        )
    absent = sorted(set(range(num_classes)) - set(labels_N.tolist()))
    if absent:
        raise ValueError(f"each class needs an example, got none of {absent}; leave such classes out")
