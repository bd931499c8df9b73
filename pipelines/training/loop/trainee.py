"""Trainee: weights, their running average and the optimiser's moments, together and by name.

Everything that has the shape of the weights goes in and out through the module itself, so that it is whole on disk and
sharded in memory whatever the number of processes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, distributed

from pipelines.training.loop.optimiser import make_optimiser, set_rate
from pipelines.training.loop.stage import average_decay
from ringmoe_core.parallel import clip_gradients, full_state, load_full_state, local_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from pipelines.training.loop.stage import StageConfig
    from ringmoe_core import RingMoEConfig

WEIGHTS: Final = "weights"
AVERAGE: Final = "average"
PENDING: Final = "average_pending"
AVERAGE_EVERY: Final = 4
"""Steps between two looks of the running average at the weights: each passes over all of them."""

_MOMENTS: Final = {"first": "exp_avg", "second": "exp_avg_sq"}
"""Of AdamW, by the names that files have."""


class Trainee:
    """What a stage changes."""

    def __init__(self, module: nn.Module, stage: StageConfig, *, backbone: RingMoEConfig) -> None:
        self.module = module
        self._stage = stage
        self._names = [name for name, _ in module.named_parameters()]
        self._parameters = list(module.parameters())
        self._averages = [local_tensor(value).clone() for value in self._parameters] if stage.average else None
        self._pending = 1.0
        """Product of the decays since the average's last look."""

        self.optimiser = make_optimiser(module, stage.optimiser, backbone=backbone)

    def step(self, number: int, rate: float) -> float:
        """Takes a step down the gradients, clears them and returns their norm before clipping."""
        norm = clip_gradients(self._parameters, self._stage.optimiser.clip_norm)
        set_rate(self.optimiser, rate)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self._averages is not None:
            self._pending *= average_decay(number, self._stage.average)
            if (number + 1) % AVERAGE_EVERY == 0:
                self._look(self._averages)
        return float(norm)

    def take_average(self) -> None:
        """Ends the stage: the weights become their running average."""
        if self._averages is not None:
            self._look(self._averages)
            torch._foreach_copy_(self._shards(), self._averages)

    def _look(self, averages: list[Tensor]) -> None:
        """The average moves towards the weights by as much as it would have in all steps since its last look."""
        torch._foreach_lerp_(averages, self._shards(), 1 - self._pending)
        self._pending = 1.0

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Returns all tensors by name, whole, and the optimiser's count of steps of each parameter that it has moved.

        All processes call it together; the first one gets the tensors, the others none.
        """
        tensors = self._whole(WEIGHTS)
        if self._averages is not None:
            with self._holding(self._averages):
                tensors |= self._whole(AVERAGE)
            tensors[PENDING] = torch.tensor(self._pending, dtype=torch.float64)
        for name, key in _MOMENTS.items():
            moments = [self._state_of(value).get(key) for value in self._parameters]
            with self._holding(
                [torch.zeros_like(own) if one is None else local_tensor(one) for one, own in self._pairs(moments)]
            ):
                tensors |= self._whole(name)
        steps = {
            name: int(self._state_of(value)["step"])
            for name, value in zip(self._names, self._parameters, strict=True)
            if self._state_of(value)
        }
        return tensors, steps

    def load(self, tensors: Mapping[str, Tensor], steps: Mapping[str, int]) -> None:
        """Takes over what `state` returned; all processes call it together, each with all tensors.

        Raises:
            KeyError: A tensor is missing.
        """
        if self._averages is not None:
            self._fill(tensors, AVERAGE)
            self._averages = [own.clone() for own in self._shards()]
            self._pending = float(tensors[PENDING])
        moments = {}
        for name, key in _MOMENTS.items():
            self._fill(tensors, name)
            moments[key] = [own.clone() for own in self._shards()]
        self._fill(tensors, WEIGHTS)
        for index, (name, parameter) in enumerate(zip(self._names, self._parameters, strict=True)):
            if name in steps:
                state = self.optimiser.state[parameter]
                state["step"] = torch.tensor(float(steps[name]), dtype=torch.float32, device=parameter.device)
                for key, values in moments.items():
                    state[key] = torch.empty_like(parameter, memory_format=torch.preserve_format)
                    local_tensor(state[key]).copy_(values[index])

    def _shards(self) -> list[Tensor]:
        return [local_tensor(value) for value in self._parameters]

    def _pairs(self, moments: Sequence[Tensor | None]) -> list[tuple[Tensor | None, Tensor]]:
        return list(zip(moments, self._shards(), strict=True))

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Any]:
        return cast("dict[str, Any]", self.optimiser.state.get(parameter, {}))

    @contextmanager
    def _holding(self, values: Sequence[Tensor]) -> Iterator[None]:
        """The module holds other values for a while."""
        kept = [own.clone() for own in self._shards()]
        torch._foreach_copy_(self._shards(), list(values))
        try:
            yield
        finally:
            torch._foreach_copy_(self._shards(), kept)

    def _whole(self, prefix: str) -> dict[str, Tensor]:
        """Copies: the module's values change when this returns."""
        wanted = None if prefix == WEIGHTS else set(self._names)  # buffers are saved once
        state = full_state(self.module)  # type: ignore[arg-type] # any module
        return {f"{prefix}.{name}": value.clone() for name, value in state.items() if wanted is None or name in wanted}

    def _fill(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        own = self.module.state_dict()
        names = {name: f"{prefix if name in set(self._names) else WEIGHTS}.{name}" for name in own}
        values = {name: tensors[key] for name, key in names.items()}
        if distributed.is_initialized():
            load_full_state(self.module, values)  # type: ignore[arg-type] # any module
        else:
            self.module.load_state_dict(values)
