"""Resume folder: all that a run needs to go on as if it had never stopped; tensors in safetensors, the rest in JSON.

    resume/latest.json          names the folder below it that is whole
    resume/<stage>-<step>/      tensors.safetensors, state.json

A state is written beside the one before, then `latest.json` is replaced in one move; so a kill at any moment leaves one
that is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from pipelines.training.loop.errors import ResumeError
from ringmoe_core.errors import CheckpointError
from ringmoe_core.tensor_file import TensorFile, TensorSource, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LATEST: Final = "latest.json"
VERSION: Final = 2
_TENSORS: Final = "tensors.safetensors"
_STATE: Final = "state.json"
_NAMED: Final = 12
"""Keys that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """What was read."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    """Everything else, as JSON has it."""


def write_state(
    folder: Path, name: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Makes a state the one that a run resumes from.

    Args:
        folder: Made where it is absent.
        name: Of the state, unique in the run.
        tensors: By name, on the CPU.
        values: Whatever else JSON can hold.
        config: The run's, which a resume must have too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / name
    shutil.rmtree(own, ignore_errors=True)  # of a run that was killed while it wrote
    own.mkdir()
    sources = {
        key: TensorSource(dtype=value.dtype, shape=tuple(value.shape), values=lambda value=value: value)  # type: ignore[misc]
        for key, value in tensors.items()
    }
    written = write_tensors(own / _TENSORS, sources, {})
    document = {"version": VERSION, "sha256": written.sha256, "config": dict(config), "values": dict(values)}
    text = json.dumps(document)
    (own / _STATE).write_text(text, encoding="utf-8")
    pointer = {"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    partial = folder / (LATEST + ".partial")
    partial.write_text(json.dumps(pointer), encoding="utf-8")
    for path in (own / _TENSORS, own / _STATE, partial):
        _flush(path)
    partial.replace(folder / LATEST)
    for other in folder.iterdir():
        if other.is_dir() and other != own:
            shutil.rmtree(other, ignore_errors=True)


def has_state(folder: Path) -> bool:
    """Whether there is a state to resume from."""
    return (folder / LATEST).is_file()


def read_state(folder: Path, config: Mapping[str, Any]) -> SavedState:
    """Returns the state of a folder.

    Args:
        folder: That `write_state` wrote to.
        config: Of the run that wants to go on.

    Raises:
        ResumeError: There is none, it is damaged, or its run had another configuration: the keys are named.
    """
    if not has_state(folder):
        raise ResumeError(f"a resume needs a state in {folder}, got none; start without --resume")
    try:
        pointer = json.loads((folder / LATEST).read_text(encoding="utf-8"))
        own = folder / os.path.basename(pointer["name"])  # noqa: PTH119 nothing outside the folder
        text = (own / _STATE).read_text(encoding="utf-8")
        document = json.loads(text)
        file = TensorFile(own / _TENSORS)
        whole = hashlib.sha256(text.encode()).hexdigest() == pointer["sha256"] and file.sha256() == document["sha256"]
    except (OSError, ValueError, KeyError, TypeError, CheckpointError) as error:
        raise ResumeError(f"a state must be whole, got {error!r} in {folder}; start anew in another folder") from error
    if not whole:
        raise ResumeError(f"a state must be as it was written, got another SHA-256 in {own}; start anew elsewhere")
    if document["version"] != VERSION:
        raise ResumeError(f"a state of version {VERSION} is needed, got {document['version']} in {own}; start anew")
    differing = differing_keys(document["config"], config)
    if differing:
        raise ResumeError(
            f"a run goes on with the configuration that it began with, got other values of "
            f"{', '.join(differing[:_NAMED])} in {folder}; put them back, or start anew in another folder"
        )
    return SavedState(tensors={name: file.tensor(name) for name in file.places}, values=document["values"])


def differing_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Returns the paths of keys whose values differ, sorted: `stages.0.steps`."""
    one, other = _flat(before), _flat(json.loads(json.dumps(after)))
    return sorted(key for key in set(one) | set(other) if one.get(key, _flat) != other.get(key, _flat))


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        return {path: value}
    found: dict[str, Any] = {} if value else {path: value}
    for key, one in inner:
        found |= _flat(one, f"{path}.{key}" if path else str(key))
    return found


def random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the state of this process's generators: torch's as tensors, Python's and numpy's for JSON."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 the global one, whoever uses it
    tensors["numpy"] = torch.from_numpy(np.asarray(keys).astype(np.int64))
    values = {
        "python": [version, list(numbers), gauss],
        "numpy": [str(kind), int(position), int(has_gauss), float(cached)],
    }
    return tensors, values


def set_random_state(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Puts back what `random_state` returned."""
    torch.set_rng_state(tensors["torch"].clone())
    if torch.cuda.is_available() and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"].clone())
    version, numbers, gauss = values["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, position, has_gauss, cached = values["numpy"]
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, cached))  # noqa: NPY002 as above


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
