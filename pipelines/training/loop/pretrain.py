"""Pretraining: a backbone learns from images alone, by the objectives of `ringmoe_core.pretraining`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pipelines.training.loop.learner import StepLosses
from pipelines.training.places.tensors import physical_of, series_of
from ringmoe_core.pretraining import PretrainBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from pipelines.training.places.place import Kind
    from pipelines.training.places.sampler import ChipBatch, PlaceSampler
    from ringmoe_core import RingMoE
    from ringmoe_core.pretraining import Pretrainer, WithheldImages


class Pretraining:
    """Learns from places without their labels; satisfies `Learner`."""

    def __init__(
        self,
        pretrainer: Pretrainer | WithheldImages,
        draw: Callable[[int, int, int], PlaceSampler],
        *,
        seed: int,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        """Joins them.

        Args:
            pretrainer: The model with what pre-training adds to it.
            draw: Gives the sampler of a size, a batch and a seed.
            seed: Of what is hidden or withheld.
            kinds: Of the places to learn from; None takes all.
        """
        self._pretrainer, self._draw, self._seed, self._kinds = pretrainer, draw, seed, kinds

    @property
    def module(self) -> nn.Module:
        """Backbone and decoders."""
        return self._pretrainer

    @property
    def backbone(self) -> RingMoE:
        """The model in it."""
        return self._pretrainer.model

    def sampler(self, *, size: int, batch: int, seed: int) -> PlaceSampler:
        """Returns the sampler of the places' kinds.

        Raises:
            SamplerError: There is no place of a kind.
        """
        sampler = self._draw(size, batch, seed)
        return sampler if self._kinds is None else sampler.restricted(self._kinds)

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
