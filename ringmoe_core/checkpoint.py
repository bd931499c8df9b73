"""A model in one safetensors file, with what is needed to trust it; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ringmoe_core.appearing import appearing
from ringmoe_core.checkpoint_metadata import CheckpointMetadata, check_metadata
from ringmoe_core.config import RingMoEConfig
from ringmoe_core.errors import CheckpointError
from ringmoe_core.loaded_model import LoadedModel, check_config, check_dtype, check_names, fill, tensor_types
from ringmoe_core.model import RingMoE
from ringmoe_core.shards import SHARD_KEY, load_shards

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FORMAT_VERSION", "CheckpointMetadata", "LoadedModel", "load_checkpoint", "save_checkpoint"]

FORMAT_VERSION: Final = 1
"""Raised when the names or meanings of tensors or metadata change."""

_HEADER_KEY: Final = "ringmoe"


def save_checkpoint(
    model: RingMoE, path: Path, *, metadata: CheckpointMetadata, dtype: torch.dtype = torch.bfloat16
) -> str:
    """Writes the model and returns the SHA-256 of its tensors.

    Args:
        model: any precision, on any device.
        path: file to write; it appears whole or not at all.
        metadata: stored beside the configuration.
        dtype: of the parameters: bfloat16, or float32 to keep every bit. Buffers keep their own.

    Raises:
        ValueError: another dtype, or metadata that do not fit the configuration.
    """
    check_dtype(dtype)
    check_metadata(metadata, model.config)
    types = tensor_types(model, dtype)
    tensors = {
        name: value.detach().to("cpu", types.get(name, dtype)).contiguous()
        for name, value in sorted(model.state_dict().items())
    }
    digest = _digest(tensors)
    header = {
        "format_version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "metadata": asdict(metadata),
        "sha256": digest,
    }
    with appearing(path) as partial:
        save_file(tensors, partial, metadata={_HEADER_KEY: json.dumps(header, sort_keys=True)})
    return digest


def load_checkpoint(
    path: Path, *, dtype: torch.dtype = torch.float32, config: RingMoEConfig | None = None
) -> LoadedModel:
    """The model of a file or a folder of shards, built without storage and given the stored tensors.

    Args:
        path: file that `save_checkpoint` wrote, or folder that `save_shards` wrote.
        dtype: of the model in memory: float32 or bfloat16.
        config: what the model must be; None takes whatever is stored.

    Raises:
        CheckpointError: the file is truncated or altered, of another format version or configuration, or its tensors do
            not fit its configuration.
        FileNotFoundError: no such file or folder.
        ValueError: another dtype; float16 is slow on every CPU and too narrow for activations.
    """
    check_dtype(dtype)
    if path.is_dir():
        return load_shards(path, dtype=dtype, config=config)
    if not path.is_file():
        raise FileNotFoundError(f"a checkpoint must exist, got {path}; train or fetch it")
    try:
        with safe_open(path, framework="pt") as file:
            raw = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"a checkpoint must be a whole safetensors file, got {path} ({error}); copy it again"
        ) from error
    stored, metadata, stated = _parse_header(raw, path)
    check_config(stored, config, path)
    digest = _digest(tensors)
    if digest != stated:
        raise CheckpointError(
            f"tensors of {path} must have SHA-256 {stated}, got {digest}; the file was altered, copy it again"
        )
    model = RingMoE(stored, seed=None)
    _check_tensors(model, tensors, path)
    types = tensor_types(model, dtype)
    # copied: the file may be replaced under a map of it, and its tensors are not aligned, which changes last bits
    copies = {name: value.to(types[name], copy=True) for name, value in tensors.items()}
    return LoadedModel(model=fill(model, copies), metadata=metadata, sha256=digest)


def _parse_header(raw: Mapping[str, str], path: Path) -> tuple[RingMoEConfig, CheckpointMetadata, str]:
    if SHARD_KEY in raw:
        raise CheckpointError(f"a shard is loaded with the others of its folder, got {path}; give {path.parent}")
    if _HEADER_KEY not in raw:
        raise CheckpointError(
            f"a checkpoint carries a '{_HEADER_KEY}' header, got none in {path}; give one of this format"
        )
    try:
        header = json.loads(raw[_HEADER_KEY])
        version = header["format_version"]
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"format version must be {FORMAT_VERSION}, got {version} in {path}; use the matching release"
            )
        config = RingMoEConfig.from_dict(header["config"])
        metadata = CheckpointMetadata.from_dict(header["metadata"])
        check_metadata(metadata, config)
        return config, metadata, str(header["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the header of {path} must be complete and consistent, got {error!r}; copy it again"
        ) from error


def _check_tensors(model: RingMoE, tensors: Mapping[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    check_names(wanted, tensors, path)
    wrong = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if tensors[name].shape != value.shape
    ]
    if wrong:
        raise CheckpointError(
            f"tensors of {path} must have the shapes of its configuration, got {wrong}; copy it again"
        )


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor, by name."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.contiguous().view(torch.uint8).numpy().data)
    return total.hexdigest()
