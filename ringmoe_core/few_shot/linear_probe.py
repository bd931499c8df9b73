"""A class for each vector, by regularised logistic regression.

Legend: N vectors, D channels, K classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.few_shot.prototypes import check_finite, check_labels

MAX_ROUNDS: Final = 500
TOLERANCE: Final = 1e-8
SMALLEST_STEP: Final = 1e-12
"""Of L-BFGS: most iterations, the largest component of the gradient where it stops, and the least change of the
objective or a parameter, below which rounding leads."""

LARGEST_EXCESS: Final = 1e-3
"""Of the objective above its minimum, over its value, before the caller is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearProbe:
    """One linear layer."""

    weight_KD: Tensor
    bias_K: Tensor

    def scores(self, vectors_ND: Tensor) -> Tensor:
        """Logits (N, K)."""
        return functional.linear(vectors_ND.to(self.weight_KD.dtype), self.weight_KD, self.bias_K)

    def predict(self, vectors_ND: Tensor) -> Tensor:
        """Class of each vector, (N,)."""
        return self.scores(vectors_ND).argmax(1)


def fit_linear_probe(vectors_ND: Tensor, labels_N: Tensor, num_classes: int, *, penalty: float = 1.0) -> LinearProbe:
    """The minimum of sum of cross-entropies + penalty / 2 * |weights|^2, biases not penalised.

    The objective is convex with one minimum (of biases up to a common constant, taken away), found in float64; so the
    result depends on nothing but the arguments. scikit-learn's C is 1 / penalty.

    Args:
        vectors_ND: finite; of channels of about equal spread, as the penalty is one for all.
        labels_N: class of each, 0 to K - 1.
        num_classes: K.
        penalty: above 0.

    Raises:
        ValueError: a label outside the classes, a class without a vector, a vector that is not finite, or a penalty
            that is not above 0.

    Warns:
        RuntimeWarning: the minimum was not reached, as with channels of very unequal spread.
    """
    if not penalty > 0:
        raise ValueError(f"a penalty must be above 0, got {penalty}; without one separable classes have no minimum")
    check_labels(labels_N, num_classes)
    check_finite(vectors_ND)
    with torch.inference_mode(mode=False), torch.enable_grad():
        vectors, labels = vectors_ND.detach().clone().double(), labels_N.detach().clone().long()
        weight_KD = torch.zeros(num_classes, vectors.shape[1], dtype=torch.float64, device=vectors.device)
        bias_K = torch.zeros(num_classes, dtype=torch.float64, device=vectors.device)
        parameters = [weight_KD.requires_grad_(), bias_K.requires_grad_()]
        optimiser = torch.optim.LBFGS(
            parameters,
            max_iter=MAX_ROUNDS,
            tolerance_grad=TOLERANCE,
            tolerance_change=SMALLEST_STEP,
            line_search_fn="strong_wolfe",
        )

        def objective() -> Tensor:
            optimiser.zero_grad()
            logits_NK = functional.linear(vectors, weight_KD, bias_K)
            loss = functional.cross_entropy(logits_NK, labels, reduction="sum")
            loss = loss + 0.5 * penalty * weight_KD.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(objective)  # type: ignore[no-untyped-call]
        excess = _excess(float(objective().detach()), [weight_KD, bias_K], penalty)
    if excess > LARGEST_EXCESS:
        warnings.warn(
            f"a linear probe lies {excess:.2g} of its loss above the minimum after {MAX_ROUNDS} rounds; standardise "
            "the channels or raise the penalty",
            RuntimeWarning,
            stacklevel=2,
        )
    return LinearProbe(weight_KD=weight_KD.detach(), bias_K=bias_K.detach() - bias_K.detach().mean())


def _excess(loss: float, parameters: list[Tensor], penalty: float) -> float:
    """About how much of its value the objective lies above its minimum: it curves by `penalty` or more along weights.

    That bounds the distance by |gradient|^2 / (2 penalty), were the biases penalised too.
    """
    square = sum(float(one.grad.square().sum()) for one in parameters if one.grad is not None)
    return square / (2 * penalty * loss) if loss > 0 else 0.0
