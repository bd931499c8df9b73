"""LoadedModel, and how stored tensors become a model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch

from ringmoe_core.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ringmoe_core.checkpoint_metadata import CheckpointMetadata
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model read from a file or a folder of shards."""

    model: RingMoE
    """In evaluation mode, float32 unless asked otherwise."""

    metadata: CheckpointMetadata
    """What the file says."""

    sha256: str
    """Of the stored tensors: names, types, shapes and bytes; of shards, of their index, which holds the digest of each.
    Checked against the file's own statement."""


def check_dtype(dtype: torch.dtype) -> None:
    """Checks a type to store or to load.

    Raises:
        ValueError: it is neither bfloat16 nor float32.
    """
    if dtype not in (torch.bfloat16, torch.float32):
        raise ValueError(f"a checkpoint is stored and loaded as bfloat16 or float32, got {dtype}; choose one of them")


def tensor_types(model: RingMoE, dtype: torch.dtype) -> dict[str, torch.dtype]:
    """Type of each tensor of the state: `dtype` for parameters, its own for a buffer, which may count or add up."""
    parameters = {name for name, _ in model.named_parameters()}
    return {name: dtype if name in parameters else value.dtype for name, value in model.state_dict().items()}


def check_names(wanted: Mapping[str, object], found: Mapping[str, object], path: Path) -> None:
    """Checks that a file or folder holds a model's tensors and no others.

    Raises:
        CheckpointError: it does not; says what is missing and what is left over.
    """
    missing, surplus = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or surplus:
        raise CheckpointError(
            f"tensors of {path} must be the model's own, got missing {missing} and left over {surplus}; copy it again"
        )


def check_config(stored: RingMoEConfig, wanted: RingMoEConfig | None, path: Path) -> None:
    """Checks that a checkpoint has the configuration that its user asked for, if any.

    Raises:
        CheckpointError: it has another one; says where they differ.
    """
    if wanted is None or stored == wanted:
        return
    names = [field.name for field in fields(stored) if getattr(stored, field.name) != getattr(wanted, field.name)]
    differences = [f"{name} {getattr(stored, name)} instead of {getattr(wanted, name)}" for name in names]
    raise CheckpointError(
        f"{path} must hold a model of the configuration asked for, got {differences}; load the checkpoint of that one"
    )


def fill(model: RingMoE, tensors: Mapping[str, Tensor]) -> RingMoE:
    """`model`, built without storage, with `tensors` for its own, in evaluation mode."""
    model.load_state_dict(dict(tensors), assign=True)
    empty = [name for name, value in (*model.named_parameters(), *model.named_buffers()) if value.is_meta]
    assert not empty, f"the state of a model holds all of it, but not {empty}"
    return model.requires_grad_().eval()
