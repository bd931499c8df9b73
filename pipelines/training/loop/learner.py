"""Learner: what the loop needs to know of what is learnt; and what one step gives."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from pipelines.training.places.sampler import ChipBatch, PlaceSampler
    from ringmoe_core import RingMoE
    from ringmoe_core.balance import RoutingReport

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLosses:
    """Of one batch."""

    total: torch.Tensor
    """Scalar with gradient."""

    terms: Mapping[str, float] = field(default_factory=dict)
    """By name, what the total is made of, and figures to watch; a batch without truth of a task lacks its terms."""

    routing: RoutingReport | None = None
    """Use of the experts; None where nothing was routed."""


class Learner(Protocol):
    """A model with what it is to learn."""

    @property
    def module(self) -> nn.Module:
        """All that is trained, saved and averaged."""
        ...

    @property
    def backbone(self) -> RingMoE:
        """The model in it."""
        ...

    def sampler(self, *, size: int, batch: int, seed: int) -> PlaceSampler:
        """Returns what batches of a phase are drawn from."""
        ...

    def prepare(self, batch: ChipBatch) -> Any:
        """Returns a batch as `losses` takes it; runs beside the model, in a thread of its own."""
        ...

    def losses(self, prepared: Any) -> StepLosses:
        """Returns the losses of a batch that is on the model's device."""
        ...


def on_device(value: _Value, device: torch.device) -> _Value:
    """Returns a value with every tensor in it on a device: through dataclasses, mappings, lists and tuples."""
    if device.type == "cpu":
        return value
    return _moved(value, device)  # type: ignore[no-any-return]


def _moved(value: Any, device: torch.device) -> Any:
    if torch.is_tensor(value):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: _moved(one, device) for key, one in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_moved(one, device) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: _moved(getattr(value, one.name), device) for one in fields(value) if one.init}
        return replace(value, **changed)
    return value
