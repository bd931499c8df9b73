"""Which part of which tensor belongs to one modality, and what all modalities share.

Nothing is known here of the model's parts by name: a tensor belongs to a modality if models without that modality lack
it, and it is divided along the axis whose length depends on the modalities. What new layers bring is divided alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ringmoe_core.model import RingMoE
from ringmoe_core.prune.configs import extracted_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ringmoe_core.config import RingMoEConfig

SHARED: Final = "shared"
"""Name of the part that every modality needs."""

_TWIN: Final = "(twin)"
"""A second modality beside an only one, to see what depends on their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A run of entries of a tensor along one axis; whole tensors have no axis."""

    axis: int | None = None
    """Axis that is divided; None for the whole tensor."""

    start: int = 0
    """First entry."""

    length: int = 0
    """Entries."""

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the slice of a tensor of shape `whole`."""
        return whole if self.axis is None else (*whole[: self.axis], self.length, *whole[self.axis + 1 :])

    def of(self, tensor: Tensor) -> Tensor:
        """The slice of `tensor`, a view."""
        return tensor if self.axis is None else tensor.narrow(self.axis, self.start, self.length)


def plan_parts(config: RingMoEConfig) -> dict[str, dict[str, Slice]]:
    """Slices by tensor name, by part: `shared` first, then each modality in the configuration's order.

    Every entry of every tensor of the model is in exactly one part. Along a divided axis the shared entries come first,
    then each modality's, in order: the layout of the model itself.
    """
    modalities = config.modalities
    if len(modalities) == 1:  # one alone shows no dependence on their number
        wide = replace(config, modalities=(*modalities, _TWIN), channels=config.channels * 2)
        pair = plan_parts(wide)
        return {part: pair[part] for part in (SHARED, *modalities)}
    whole = tensor_shapes(config)
    alone = {name: tensor_shapes(extracted_config(config, (name,))) for name in modalities}
    parts: dict[str, dict[str, Slice]] = {part: {} for part in (SHARED, *modalities)}
    for tensor, shape in whole.items():
        owners = [name for name in modalities if tensor in alone[name]]
        if len(owners) == len(modalities):
            for part, piece in _divide(shape, {name: alone[name][tensor] for name in owners}).items():
                parts[part][tensor] = piece
        else:
            assert len(owners) == 1, f"{tensor} belongs to {owners}"
            parts[owners[0]][tensor] = Slice()
    return parts


def _divide(whole: tuple[int, ...], alone: Mapping[str, tuple[int, ...]]) -> dict[str, Slice]:
    """Slices of one tensor that every model has, from its shape in the whole model and in each one-modality model."""
    axes = [axis for axis, side in enumerate(whole) if any(shape[axis] != side for shape in alone.values())]
    if not axes:
        return {SHARED: Slice()}
    assert len(axes) == 1, f"{whole} is divided along one axis only, got {axes}"
    axis = axes[0]
    # each one-modality model has the shared entries and its own, the whole model has the shared entries once
    common, rest = divmod(sum(shape[axis] for shape in alone.values()) - whole[axis], len(alone) - 1)
    assert not rest, f"{whole} has no layout that fits {alone}"
    pieces = {SHARED: Slice(axis=axis, length=common)} if common else {}
    start = common
    for name, shape in alone.items():
        pieces[name] = Slice(axis=axis, start=start, length=shape[axis] - common)
        start += shape[axis] - common
    return pieces


def tensor_shapes(config: RingMoEConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a model's state, built without storage."""
    return {name: tuple(value.shape) for name, value in RingMoE(config, seed=None).state_dict().items()}
