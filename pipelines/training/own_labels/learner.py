"""What learns a user's classes from features: the head itself, and the simple methods that it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    Ints = npt.NDArray[np.int64]

Rows: TypeAlias = npt.NDArray[np.float32]
Scores: TypeAlias = npt.NDArray[np.float64]
Answer: TypeAlias = Callable[[Rows], Scores]
"""From features (view, feature) to logits (view, class)."""

Learner: TypeAlias = "Callable[[Rows, Ints, npt.NDArray[np.float64], int], Answer]"
"""From features (view, feature), labels, weights and the number of classes to an answer."""

L2: Final = 1e-3
"""Of the weights of standardised features, against the mean loss: strong enough for a few dozen labels."""

L2_BIAS: Final = 1e-6
LBFGS_STEPS: Final = 200
SMALLEST_SPREAD: Final = 1e-6
NUM_TREES: Final = 100
MIN_SAMPLES_LEAF: Final = 3
MISSING: Final = -99.0
"""Stands for missing in a forest's features: no normalised value reaches it, so that a tree can split it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Centre and spread of each feature where it is there."""

    centre: Rows
    """(feature,)."""

    spread: Rows
    """(feature,), positive."""


def standard(features: Rows, weight: npt.NDArray[np.float64]) -> Standard:
    """Returns the weighted mean and standard deviation of each feature, 0 and 1 where it is missing throughout."""
    seen = np.isfinite(features)
    mass = (weight[:, None] * seen).sum(axis=0)
    values = np.where(seen, features, 0).astype(np.float64)
    centre = (weight[:, None] * values).sum(axis=0) / np.maximum(mass, 1e-12)
    square = (weight[:, None] * np.where(seen, (values - centre) ** 2, 0)).sum(axis=0) / np.maximum(mass, 1e-12)
    spread = np.sqrt(square)
    return Standard(
        centre=centre.astype(np.float32),
        spread=np.where(spread > SMALLEST_SPREAD, spread, 1.0).astype(np.float32),
    )


def fit_linear(
    inputs: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, num_classes: int, *, l2: float = L2
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns weights (class, feature) and biases (class,) of multinomial logistic regression.

    Minimises sum_i w_i CE_i / sum_i w_i + l2/2 |W|^2 + L2_BIAS/2 |b|^2, convex with one minimum, by L-BFGS in float64;
    the far weaker penalty of the biases keeps those of absent classes finite.

    Args:
        inputs: Standardised features (sample, feature), finite.
        label: (sample,).
        weight: (sample,), not negative.
        num_classes: Number of outputs.
        l2: Strength, positive.
    """
    x, w = inputs.double(), weight.double() / weight.sum()
    weights = torch.zeros(num_classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, biases],
        max_iter=LBFGS_STEPS,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        losses = functional.cross_entropy(x @ weights.T + biases, label, reduction="none")
        loss = (w * losses).sum() + l2 / 2 * weights.square().sum() + L2_BIAS / 2 * biases.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call,arg-type,unused-ignore]
    return weights.detach(), biases.detach()


def majority(_features: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
    """Learns nothing but how frequent each class is."""
    share = np.bincount(label, weights=weight, minlength=num_classes)
    scores = np.log(np.maximum(share / share.sum(), 1e-12))
    return lambda features: np.tile(scores, (len(features), 1))


def forest(seed: int, *, num_threads: int = 1) -> Learner:
    """Returns a learner of a random forest: what a user would take otherwise."""
    from sklearn.ensemble import RandomForestClassifier

    def learn(features: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
        trees = RandomForestClassifier(
            n_estimators=NUM_TREES, min_samples_leaf=MIN_SAMPLES_LEAF, n_jobs=num_threads, random_state=seed
        )
        trees.fit(np.nan_to_num(features, nan=MISSING), label, sample_weight=weight)

        def answer(rows: Rows) -> Scores:
            scores = np.full((len(rows), num_classes), np.log(1e-6))
            shares = trees.predict_proba(np.nan_to_num(rows, nan=MISSING))
            scores[:, trees.classes_] = np.log(np.maximum(shares, 1e-6))
            return scores

        return answer

    return learn


def on_columns(learner: Learner, columns: slice) -> Learner:
    """Returns a learner that sees only some of the features."""

    def learn(features: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
        answer = learner(np.ascontiguousarray(features[:, columns]), label, weight, num_classes)
        return lambda rows: answer(np.ascontiguousarray(rows[:, columns]))

    return learn


def answer_of(module: nn.Module) -> Answer:
    """Returns a module of features (view, feature) as an answer, in evaluation mode without gradient."""
    module.eval()

    def answer(rows: Rows) -> Scores:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(rows)).double().numpy())

    return answer
