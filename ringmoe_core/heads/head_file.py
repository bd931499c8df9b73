"""Heads in one safetensors file, with what is needed to trust them and to know what they belong to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from ringmoe_core.errors import CheckpointError
from ringmoe_core.heads.build import build_head
from ringmoe_core.heads.head_metadata import HeadMetadata
from ringmoe_core.sealed_file import read_sealed, write_sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ringmoe_core.loaded_model import LoadedModel

FORMAT_VERSION: Final = 1
"""Raised when the names or meanings of tensors or metadata change."""

_KEY: Final = "ringmoe-heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedHeads:
    """Heads read from a file."""

    heads: dict[str, nn.Module]
    """By name, in evaluation mode, float32."""

    metadata: HeadMetadata
    """What the file says."""

    sha256: str
    """Of the tensors and the header, checked against the file's own statement."""


def save_heads(
    heads: Mapping[str, nn.Module], path: Path, *, metadata: HeadMetadata, dtype: torch.dtype = torch.float32
) -> str:
    """Writes heads and returns their SHA-256.

    Args:
        heads: by name, any precision, on any device.
        path: file to write; it appears whole or not at all.
        metadata: a configuration for each head.
        dtype: of the floating-point tensors: float32, or bfloat16 for half the size.

    Raises:
        ValueError: another dtype, heads without a configuration, or tensors that are not of their configuration.
    """
    if dtype not in {torch.float32, torch.bfloat16}:
        raise ValueError(f"heads are stored as float32 or bfloat16, got {dtype}; choose one of them")
    if set(heads) != set(metadata.configs):
        raise ValueError(
            f"each head has one configuration, got heads {sorted(heads)} and configurations "
            f"{sorted(metadata.configs)}; name them alike"
        )
    tensors: dict[str, Tensor] = {}
    for name, head in heads.items():
        if "/" in name or not name:
            raise ValueError(f"a head's name must be given and without slashes, got {name!r}; rename it")
        state = head.state_dict()
        wanted = _build(metadata, name).state_dict()
        if trouble := _differences(wanted, state):
            raise ValueError(f"head '{name}' must be of its configuration, got {trouble}; build it with build_head")
        tensors |= {f"{name}/{key}": value.to(dtype) for key, value in state.items()}
    header = {"format_version": FORMAT_VERSION, "metadata": metadata.to_dict()}
    return write_sealed(path, tensors, key=_KEY, header=header)


def load_heads(path: Path, model: LoadedModel | None = None, *, adapters_sha256: str = "") -> LoadedHeads:
    """The heads of a file.

    Args:
        path: file that `save_heads` wrote.
        model: the backbone that they are to run on; None checks nothing about it.
        adapters_sha256: of the adapters that were added to it, as `load_adapters` gives it.

    Raises:
        CheckpointError: the file is truncated, altered, of another format or kind, its tensors do not fit its
            configurations, or its heads belong to another backbone.
        FileNotFoundError: no such file.
    """
    tensors, header, digest = read_sealed(path, key=_KEY)
    metadata = _metadata(header, path)
    if model is not None:
        _check_backbone(metadata, model, path)
        _check_adapters(metadata, adapters_sha256, path)
    heads = {name: _outline(metadata, name, path) for name in metadata.configs}
    known: dict[str, dict[str, Tensor]] = {name: {} for name in heads}
    for full, value in tensors.items():
        name, _, key = full.partition("/")
        if name not in known:
            raise CheckpointError(f"tensors of {path} must belong to its heads, got {full!r}; copy it again")
        known[name][key] = value.float()
    for name, head in heads.items():
        if trouble := _differences(head.state_dict(), known[name]):
            raise CheckpointError(
                f"tensors of head '{name}' of {path} must fit its configuration ({metadata.configs[name].num_classes} "
                f"classes), got {trouble}; copy it again"
            )
        head.load_state_dict(known[name], assign=True)
        head.eval()
    return LoadedHeads(heads=heads, metadata=metadata, sha256=digest)


def _metadata(header: Mapping[str, Any], path: Path) -> HeadMetadata:
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"format version must be {FORMAT_VERSION}, got {version} in {path}; use the matching release"
        )
    try:
        return HeadMetadata.from_dict(header["metadata"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the header of {path} must be complete and consistent, got {error}") from error


def _check_backbone(metadata: HeadMetadata, model: LoadedModel, path: Path) -> None:
    if metadata.without_backbone:
        return
    stored, given = metadata.model_config, model.model.config
    if stored != given:
        differences = [
            f"{field.name} {getattr(given, field.name)} instead of {getattr(stored, field.name)}"
            for field in fields(stored)
            if getattr(stored, field.name) != getattr(given, field.name)
        ]
        raise CheckpointError(
            f"heads of {path} belong to a model of another configuration, got one with {differences}; load that model"
        )
    if metadata.backbone_sha256 != model.sha256:
        raise CheckpointError(
            f"heads of {path} belong to the weights with SHA-256 {metadata.backbone_sha256}, got {model.sha256}; load "
            "those, or train the heads again"
        )
    if metadata.normalisation != model.metadata.normalisation:
        raise CheckpointError(
            f"heads of {path} were trained on input normalised by {metadata.normalisation}, the model by "
            f"{model.metadata.normalisation}; train the heads again"
        )


def _check_adapters(metadata: HeadMetadata, given: str, path: Path) -> None:
    if metadata.adapters_sha256 != given and not metadata.without_backbone:
        raise CheckpointError(
            f"heads of {path} were trained with adapters {metadata.adapters_sha256 or 'none'}, got {given or 'none'}; "
            "give the model those adapters and no others"
        )


def _outline(metadata: HeadMetadata, name: str, path: Path) -> nn.Module:
    """The head without memory for its tensors, so that what a file claims costs nothing before it is compared."""
    try:
        with torch.device("meta"):
            return _build(metadata, name)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the configuration of head '{name}' of {path} must be sound, got {error}") from error


def _build(metadata: HeadMetadata, name: str) -> nn.Module:
    return build_head(metadata.configs[name], metadata.model_config)


def _differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """What is missing, left over or of another shape."""
    missing = [f"no {name}" for name in sorted(set(wanted) - set(found))]
    surplus = [f"{name} left over" for name in sorted(set(found) - set(wanted))]
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(value.shape)}"
        for name, value in sorted(wanted.items())
        if name in found and found[name].shape != value.shape
    ]
    return missing + surplus + shapes
