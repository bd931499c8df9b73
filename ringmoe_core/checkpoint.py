"""A model in one safetensors file, with what is needed to trust it; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ringmoe_core.config import RingMoEConfig
from ringmoe_core.errors import CheckpointError
from ringmoe_core.model import RingMoE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT_VERSION: Final = 1
"""Raised when the names or meanings of tensors or metadata change."""

_HEADER_KEY: Final = "ringmoe"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMetadata:
    """What a file says about the model in it, besides its configuration."""

    trained_modalities: tuple[str, ...]
    """Modalities that the weights have seen; others run, but on untrained experts."""

    normalisation: str
    """Id of the constants that turned physical values into input."""

    class_names: tuple[str, ...]
    """Name of each land-cover logit, in order."""

    change_names: tuple[str, ...]
    """Name of each change logit, in order."""

    provenance: str
    """How the weights came about: data, command, steps, seed."""

    change_threshold: float = 0.5
    """Probability of any change from which a pixel is published as changed, chosen on validation regions; 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model read from a file."""

    model: RingMoE
    """In evaluation mode, float32 unless asked otherwise."""

    metadata: CheckpointMetadata
    """What the file says."""

    sha256: str
    """Of the stored tensors: names, types, shapes and bytes; checked against the file's own statement."""


def save_checkpoint(
    model: RingMoE, path: Path, *, metadata: CheckpointMetadata, dtype: torch.dtype = torch.bfloat16
) -> str:
    """Writes the model and returns the SHA-256 of its tensors.

    Args:
        model: any precision, on any device.
        path: file to write; it appears whole or not at all.
        metadata: stored beside the configuration.
        dtype: bfloat16, or float32 to keep every bit.

    Raises:
        ValueError: another dtype, or metadata that do not fit the configuration.
    """
    if dtype not in (torch.bfloat16, torch.float32):
        raise ValueError(f"a checkpoint is bfloat16 or float32, got {dtype}; choose one of them")
    _check_metadata(metadata, model.config)
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in sorted(model.state_dict().items())}
    digest = _digest(tensors)
    header = {
        "format_version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "metadata": asdict(metadata),
        "sha256": digest,
    }
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={_HEADER_KEY: json.dumps(header, sort_keys=True)})
    partial.replace(path)
    return digest


def load_checkpoint(path: Path, *, dtype: torch.dtype = torch.float32) -> LoadedModel:
    """The model of a file, built without storage and given the file's tensors.

    Args:
        path: file that `save_checkpoint` wrote.
        dtype: of the model in memory.

    Raises:
        CheckpointError: the file is truncated or altered, of another format version, or its tensors do not fit its
            configuration.
        FileNotFoundError: no such file.
    """
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
    config, metadata, stated = _parse_header(raw, path)
    digest = _digest(tensors)
    if digest != stated:
        raise CheckpointError(
            f"tensors of {path} must have SHA-256 {stated}, got {digest}; the file was altered, copy it again"
        )
    model = RingMoE(config, seed=None)
    _check_tensors(model, tensors, path)
    # copied: the file may be replaced under a map of it, and its tensors are not aligned, which changes last bits
    model.load_state_dict({name: value.to(dtype, copy=True) for name, value in tensors.items()}, assign=True)
    return LoadedModel(model=model.requires_grad_().eval(), metadata=metadata, sha256=digest)


def _parse_header(raw: Mapping[str, str], path: Path) -> tuple[RingMoEConfig, CheckpointMetadata, str]:
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
        metadata = CheckpointMetadata(**{key: _untyped(value) for key, value in header["metadata"].items()})
        _check_metadata(metadata, config)
        return config, metadata, str(header["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the header of {path} must be complete and consistent, got {error!r}; copy it again"
        ) from error


def _untyped(value: object) -> Any:
    """A value of JSON; lists stand for tuples."""
    return tuple(value) if isinstance(value, list) else value


def _check_metadata(metadata: CheckpointMetadata, config: RingMoEConfig) -> None:
    if not 0 < metadata.change_threshold <= 1:
        raise ValueError(f"a change threshold lies in (0, 1], got {metadata.change_threshold}; validate it again")
    unknown = sorted(set(metadata.trained_modalities) - set(config.modalities))
    if unknown:
        raise ValueError(f"trained modalities must be among {config.modalities}, got {unknown}; correct them")
    for names, codes in ((metadata.class_names, config.class_codes), (metadata.change_names, config.change_codes)):
        if len(names) != len(codes):
            raise ValueError(f"one name a class is needed, got {names} for codes {codes}; make both equally long")


def _check_tensors(model: RingMoE, tensors: Mapping[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    missing, surplus = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or surplus:
        raise CheckpointError(
            f"tensors of {path} must be the model's own, got missing {missing} and left over {surplus}; copy it again"
        )
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
