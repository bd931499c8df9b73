"""A model in a folder: one safetensors file for each modality, one for what they share, and an index.

A run on one modality opens two of the files. It uses their tensors where they lie in the memory map, so that a start
reads each byte once and workers of one machine share them.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import torch

from ringmoe_core.checkpoint_metadata import check_metadata
from ringmoe_core.errors import CheckpointError
from ringmoe_core.loaded_model import LoadedModel, check_config, check_dtype, check_names, fill, tensor_types
from ringmoe_core.model import RingMoE
from ringmoe_core.partition import SHARED, plan_parts
from ringmoe_core.prune.configs import extracted_config
from ringmoe_core.shard_index import INDEX_NAME, SUFFIX, ShardIndex, read_index
from ringmoe_core.tensor_file import TensorFile, TensorSource, write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from ringmoe_core.checkpoint_metadata import CheckpointMetadata
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.partition import Slice

SHARD_KEY: Final = "ringmoe_shard"
"""Key of a shard's own notes: part, configuration and provenance."""


def save_shards(
    model: RingMoE, folder: Path, *, metadata: CheckpointMetadata, dtype: torch.dtype = torch.bfloat16
) -> str:
    """Writes the model, a tensor at a time, and returns the SHA-256 of the index.

    Args:
        model: any precision, on any device.
        folder: to make; it appears whole or not at all.
        metadata: stored beside the configuration.
        dtype: of the parameters: bfloat16, or float32 to keep every bit. Buffers keep their own.

    Raises:
        FileExistsError: there is something in the folder already.
        ValueError: another dtype, metadata that do not fit, or a modality whose name is no file name.
    """
    check_dtype(dtype)
    check_metadata(metadata, model.config)
    odd = [name for name in model.config.modalities if not name.isidentifier() or name == SHARED]
    if odd:
        raise ValueError(f"a modality's name must be an identifier other than '{SHARED}', got {odd}; rename it")
    types, state = tensor_types(model, dtype), model.state_dict()
    with _appearing(folder) as partial:
        files, written = {}, {}
        for part, slices in plan_parts(model.config).items():
            files[part] = part + SUFFIX
            sources = {name: _source(state[name], piece, types[name]) for name, piece in slices.items()}
            notes = {SHARD_KEY: _notes(part, model.config, metadata.provenance)}
            written[part] = write_tensors(partial / files[part], sources, notes)
        index = ShardIndex(config=model.config, metadata=metadata, files=files, written=written)
        (partial / INDEX_NAME).write_text(index.to_json(), encoding="utf-8")
    return index.sha256


def load_shards(
    folder: Path,
    modalities: Sequence[str] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    verify: Literal["bytes", "header"] = "bytes",
    config: RingMoEConfig | None = None,
) -> LoadedModel:
    """The model of a folder for some of its modalities, from the files of these alone.

    A parameter is used where it lies in the file, without a copy, if it has the stored type and lies in one shard, as
    all do in a model of one modality but a few that are no multiple of 64 bytes. Banks of several modalities are joined
    in new memory, one after the other.

    Args:
        folder: that `save_shards` wrote; files of modalities not asked for may be absent. A file must not be changed in
            place while the model lives.
        modalities: names in any order; None means all. The model has only these, in the stored order.
        dtype: of the parameters in memory; buffers keep their own.
        verify: "bytes" refuses any altered byte; it reads each file whole, once, and the model then finds it in memory.
            "header" compares sizes, names, types and shapes only, for a start that reads no weights, from a place that
            is trusted: bytes are read when they are first used, and altered weights are not noticed.
        config: what the stored model must be, with all its modalities; None takes whatever is stored.

    Raises:
        CheckpointError: a file is missing, left over, truncated, altered, or of another format version or
            configuration, or tensors are missing or left over.
        FileNotFoundError: no such folder.
        ValueError: a modality that the checkpoint does not have, another dtype, or an unknown `verify`.
    """
    check_dtype(dtype)
    if verify not in ("bytes", "header"):
        raise ValueError(f"verify must be 'bytes' or 'header', got {verify!r}; choose one of them")
    if not folder.is_dir():
        raise FileNotFoundError(f"a checkpoint must exist, got {folder}; train or fetch it")
    index = read_index(folder)
    check_config(index.config, config, folder)
    kept = index.config if modalities is None else extracted_config(index.config, modalities)
    files = _open(folder, index, (SHARED, *kept.modalities), verify=verify)
    model = RingMoE(kept, seed=None)
    tensors = _assemble(model, files, folder, dtype)
    trained = tuple(name for name in index.metadata.trained_modalities if name in kept.modalities)
    return LoadedModel(
        model=fill(model, tensors), metadata=replace(index.metadata, trained_modalities=trained), sha256=index.sha256
    )


def _source(tensor: Tensor, piece: Slice, dtype: torch.dtype) -> TensorSource:
    return TensorSource(dtype=dtype, shape=piece.shape(tuple(tensor.shape)), values=lambda: piece.of(tensor))


def _notes(part: str, config: RingMoEConfig, provenance: str) -> str:
    return json.dumps({"part": part, "config": config.to_dict(), "provenance": provenance}, sort_keys=True)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its name once the block is done, and is removed if it fails."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"shards are written to a folder of their own, got {folder} in use; name another")
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        yield partial
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _open(
    folder: Path, index: ShardIndex, parts: Sequence[str], *, verify: Literal["bytes", "header"]
) -> list[TensorFile]:
    """The files of these parts, checked against the index."""
    found = {path.name for path in folder.glob(f"*{SUFFIX}")}
    missing = sorted({index.files[part] for part in parts} - found)
    surplus = sorted(found - set(index.files.values()))
    if missing or surplus:
        raise CheckpointError(
            f"shards of {folder} must be those of its index, got missing {missing} and left over {surplus}; "
            "copy the folder again"
        )
    files = []
    for part in parts:
        path, written = folder / index.files[part], index.written[part]
        size = path.stat().st_size
        if size != written.size:
            raise CheckpointError(f"{path} must have {written.size} bytes, got {size}; copy it again")
        file = TensorFile(path)
        if verify == "bytes" and (digest := file.sha256()) != written.sha256:
            raise CheckpointError(
                f"{path} must have SHA-256 {written.sha256}, got {digest}; the file was altered, copy it again"
            )
        if file.notes.get(SHARD_KEY) != _notes(part, index.config, index.metadata.provenance):
            raise CheckpointError(
                f"{path} must be the part '{part}' of the model of its index, got another; copy the folder again"
            )
        files.append(file)
    return files


def _assemble(model: RingMoE, files: Sequence[TensorFile], folder: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """Every tensor of the model's state, from the files that hold a piece of it."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    check_names(wanted, {name: None for file in files for name in file.places}, folder)
    holders = {name: [file for file in files if name in file.places] for name in wanted}
    axes = {name: _axis([file.places[name].shape for file in holders[name]], shape) for name, shape in wanted.items()}
    wrong = [
        f"{name} {[file.places[name].shape for file in holders[name]]} instead of {wanted[name]}"
        for name, axis in axes.items()
        if axis is None
    ]
    if wrong:
        raise CheckpointError(
            f"tensors of {folder} must have the shapes of its configuration, got {wrong}; copy it again"
        )
    types = tensor_types(model, dtype)
    return {
        name: _join(name, holders[name], wanted[name], axis, types[name])
        for name, axis in axes.items()
        if axis is not None
    }


def _axis(pieces: Sequence[tuple[int, ...]], whole: tuple[int, ...]) -> int | None:
    """Axis along which the pieces make up the whole, 0 for one that is the whole already, None if they do not."""
    if len(pieces) == 1:
        return 0 if pieces[0] == whole else None
    for axis, side in enumerate(whole):
        others = {(len(piece), piece[:axis], piece[axis + 1 :]) for piece in pieces}
        if others == {(len(whole), whole[:axis], whole[axis + 1 :])} and sum(piece[axis] for piece in pieces) == side:
            return axis
    return None


def _join(name: str, files: Sequence[TensorFile], shape: tuple[int, ...], axis: int, dtype: torch.dtype) -> Tensor:
    if len(files) == 1:
        return files[0].tensor(name).to(dtype)
    whole = torch.empty(shape, dtype=dtype)
    start = 0
    for file in files:
        piece = file.tensor(name)
        whole.narrow(axis, start, piece.shape[axis]).copy_(piece)
        start += piece.shape[axis]
    return whole
