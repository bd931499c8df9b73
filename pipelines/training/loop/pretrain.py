"""Pretraining: a backbone learns from images alone, by the objectives of `ringmoe_core.pretraining`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pipelines.training.loop.learner import StepLosses
from pipelines.training.places.tensors import physical_of, series_of
from ringmoe_core.pretraining import PretrainBatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from pipelines.training.places.sampler import ChipBatch, PlaceSampler
    from ringmoe_core import RingMoE
    from ringmoe_core.pretraining import Pretrainer


class Pretraining:
    """Learns from places of every kind; satisfies `Learner`."""

    def __init__(self, pretrainer: Pretrainer, draw: Callable[[int, int, int], PlaceSampler], *, seed: int) -> None:
        """Joins them.

        Args:
            pretrainer: The model with what pre-training adds to it.
            draw: Gives the sampler of a size, a batch and a seed.
            seed: Of the masks.
        """
        self._pretrainer, self._draw, self._seed = pretrainer, draw, seed

    @property
    def module(self) -> nn.Module:
        """Backbone and decoders."""
        return self._pretrainer

    @property
    def backbone(self) -> RingMoE:
        """The model in it."""
        return self._pretrainer.model

    def sampler(self, *, size: int, batch: int, seed: int) -> PlaceSampler:
        """Returns the sampler of all kinds."""
        return self._draw(size, batch, seed)

    def prepare(self, batch: ChipBatch) -> PretrainBatch:
        """Returns images with the physical values that they stand for."""
        series = series_of(batch.chips)
        physical = physical_of(batch.chips, list(series))
        first = batch.chips[0]
        seed = hash_of(self._seed, batch.index, first.row, first.col)
        places = {chip.place: number for number, chip in enumerate(batch.chips)}
        same = torch.tensor([places[chip.place] for chip in batch.chips])
        return PretrainBatch(series=series, physical=physical, seed=seed, place_B=same)

    def losses(self, prepared: PretrainBatch) -> StepLosses:
        """Returns the losses of a batch."""
        found = self._pretrainer(prepared)
        return StepLosses(total=found.total, terms=found.terms, routing=found.routing)


def hash_of(*numbers: int) -> int:
    """Returns a number in [0, 2^31) that a change of any of some numbers changes."""
    value = 0
    for number in numbers:
        value = (value * 1_000_003 + number + 1) % (2**61 - 1)
    return value % 2**31
