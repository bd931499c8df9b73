"""Teaches a pixel head: a linear one by its single best solution, one with a hidden layer by seeded descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipelines.training.own_labels.learner import Answer, Learner, Rows, answer_of, fit_linear, standard
from ringmoe_core.heads.pixel import PixelHead

if TYPE_CHECKING:
    Ints = npt.NDArray[np.int64]

STEPS: Final = 300
BATCH: Final = 512
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 1e-2


def pixel_learner(columns: slice, num_maps: int, *, hidden: int = 0, seed: int = 0) -> Learner:
    """Returns a learner of pixel heads.

    Args:
        columns: Which of the features are read.
        num_maps: How many of those are maps; the others are statistics.
        hidden: Width of the hidden layer, 0 for none.
        seed: Of the descent.
    """

    def learn(features: Rows, label: Ints, weight: npt.NDArray[np.float64], num_classes: int) -> Answer:
        head = fit_pixel_head(
            features[:, columns], label, weight, num_classes, num_maps=num_maps, hidden=hidden, seed=seed
        )
        answer = answer_of(head)
        return lambda rows: answer(np.ascontiguousarray(rows[:, columns]))

    return learn


def fit_pixel_head(
    features: Rows,
    label: Ints,
    weight: npt.NDArray[np.float64],
    num_classes: int,
    *,
    num_maps: int,
    hidden: int = 0,
    seed: int = 0,
) -> PixelHead:
    """Returns a head that has learnt the labels, in evaluation mode.

    Args:
        features: (view, feature), NaN is missing.
        label: (view,).
        weight: (view,), positive.
        num_classes: Number of outputs.
        num_maps: How many features are maps, the first ones.
        hidden: Width of the hidden layer, 0 for none.
        seed: Of the descent; a linear head has one solution whatever the seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = PixelHead(num_maps, features.shape[1] - num_maps, num_classes, hidden=hidden)
        known = standard(features, weight)
        head.set_standard(torch.from_numpy(known.centre), torch.from_numpy(known.spread))
        inputs = head.inputs(torch.from_numpy(np.ascontiguousarray(features)))
        targets, weights = torch.from_numpy(label), torch.from_numpy(weight)
        if hidden:
            _descend(head, inputs, targets, weights, seed)
        else:
            matrix, bias = fit_linear(inputs, targets, weights, num_classes)
            with torch.no_grad():
                head.classify.weight.copy_(matrix)
                head.classify.bias.copy_(bias)
    return head.eval()


def _descend(head: PixelHead, inputs: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, seed: int) -> None:
    optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    random = torch.Generator().manual_seed(seed)
    head.train()
    for _ in range(STEPS):
        rows = torch.multinomial(weight, min(BATCH, len(label)), replacement=True, generator=random)
        hidden = functional.dropout(functional.gelu(head.hide(inputs[rows])), 0.1)
        loss = functional.cross_entropy(head.classify(hidden), label[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
