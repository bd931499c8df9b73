"""A safetensors file with a JSON header that states the digest of its tensors; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ringmoe_core.appearing import appearing
from ringmoe_core.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_sealed(path: Path, tensors: Mapping[str, Tensor], *, key: str, header: Mapping[str, object]) -> str:
    """Writes the file, whole or not at all, and returns the SHA-256 of its tensors and of what is said of them.

    Args:
        path: file to write.
        tensors: on any device; types are kept.
        key: of the header among the file's notes: what kind of file this is.
        header: JSON-ready.
    """
    kept = {name: value.detach().cpu().contiguous() for name, value in sorted(tensors.items())}
    digest = _digest(kept, header)
    note = json.dumps({"header": dict(header), "sha256": digest}, sort_keys=True)
    with appearing(path) as partial:
        save_file(kept, partial, metadata={key: note})
    return digest


def read_sealed(path: Path, *, key: str) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, header and digest of a file.

    Raises:
        CheckpointError: truncated, altered, or of another kind.
        FileNotFoundError: no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"a file of '{key}' must exist, got {path}; train or fetch it")
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"it must be a whole safetensors file, got {path} ({error}); copy it again") from error
    if key not in notes:
        raise CheckpointError(
            f"the file must carry a '{key}' header, got {sorted(notes)} in {path}; give one of its kind"
        )
    try:
        note = json.loads(notes[key])
        header, stated = dict(note["header"]), str(note["sha256"])
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"the header of {path} must be complete, got {error!r}; copy it again") from error
    digest = _digest(tensors, header)
    if digest != stated:
        raise CheckpointError(f"{path} must have SHA-256 {stated}, got {digest}; it was altered, copy it again")
    return tensors, header, digest


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, object]) -> str:
    """SHA-256 over the header and name, type, shape and bytes of every tensor, by name."""
    total = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()
