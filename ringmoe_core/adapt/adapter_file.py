"""Adapters in one safetensors file, beside the heads that were trained with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from ringmoe_core.adapt.convpass import Convpass, ConvpassConfig, add_convpass
from ringmoe_core.adapt.lora import LoraConfig, LowRank, add_lora
from ringmoe_core.errors import CheckpointError
from ringmoe_core.sealed_file import read_sealed, write_sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from ringmoe_core.loaded_model import LoadedModel

FORMAT_VERSION: Final = 1
"""Raised when the names or meanings of tensors or metadata change."""

_KEY: Final = "ringmoe-adapters"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterMetadata:
    """What a file says about the adapters in it."""

    backbone_sha256: str
    """Of the tensors that they adapt, as `LoadedModel.sha256`."""

    provenance: str
    """How they came about: data, command, steps, seed."""

    lora: LoraConfig | None = None
    """Low-rank matrices, if there are any."""

    convpass: ConvpassConfig | None = None
    """Bypasses, if there are any."""

    def __post_init__(self) -> None:
        if (self.lora is None) == (self.convpass is None):
            raise ValueError(
                "a file of adapters holds low-rank matrices or bypasses, got both or none; give one of them"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdapterMetadata:
        """The metadata of JSON.

        Raises:
            TypeError: a key is unknown or missing.
            ValueError: a value is out of range.
        """
        restored = dict(values)
        if (lora := restored["lora"]) is not None:
            restored["lora"] = LoraConfig(**{**lora, "targets": tuple(lora["targets"])})
        if (convpass := restored["convpass"]) is not None:
            restored["convpass"] = ConvpassConfig(**convpass)
        return cls(**restored)


def save_adapters(model: nn.Module, path: Path, *, metadata: AdapterMetadata) -> str:
    """Writes the adapters of a model, not its weights, and returns their SHA-256.

    Args:
        model: with adapters of the kind that the metadata state.
        path: file to write; it appears whole or not at all.
        metadata: stored beside.

    Raises:
        ValueError: the model has no such adapters.
    """
    tensors = {name: value.float() for name, value in _adapters(model, metadata).items()}
    if not tensors:
        raise ValueError("the model must have the adapters that the metadata state, got none; add them first")
    return write_sealed(
        path, tensors, key=_KEY, header={"format_version": FORMAT_VERSION, "metadata": asdict(metadata)}
    )


def load_adapters(path: Path, model: LoadedModel) -> tuple[AdapterMetadata, str]:
    """Adds a file's adapters to the model that they were trained on, and returns what the file says and its SHA-256.

    Raises:
        CheckpointError: the file is truncated, altered or of another format, belongs to other weights, or holds other
            tensors than it says; after the last the model has empty adapters and is to be loaded again.
        FileNotFoundError: no such file.
        ValueError: the model has adapters already.
    """
    tensors, header, digest = read_sealed(path, key=_KEY)
    if header.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"format version must be {FORMAT_VERSION}, got {header.get('format_version')} in {path}; use the matching "
            "release"
        )
    try:
        metadata = AdapterMetadata.from_dict(header["metadata"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the header of {path} must be complete and consistent, got {error!r}") from error
    if metadata.backbone_sha256 != model.sha256:
        raise CheckpointError(
            f"adapters of {path} belong to the weights with SHA-256 {metadata.backbone_sha256}, got {model.sha256}; "
            "load those"
        )
    if metadata.lora is not None:
        add_lora(model.model, metadata.lora)
    if metadata.convpass is not None:
        _check_channels(metadata.convpass.channels, tensors, path)
        add_convpass(model.model, metadata.convpass)
    own = _adapters(model.model, metadata)
    shapes = [{name: tuple(value.shape) for name, value in part.items()} for part in (own, tensors)]
    if shapes[0] != shapes[1]:
        different = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))
        raise CheckpointError(f"adapters of {path} must fit the model, got differences {different}; copy it again")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])
    return metadata, digest


def _check_channels(stated: int, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Checks the width of bypasses before they are made of it."""
    found = sorted({value.shape[0] for name, value in tensors.items() if name.endswith("down.weight")})
    if found != [stated]:
        raise CheckpointError(
            f"bypasses of {path} must have the {stated} channels it states, got {found}; copy it again"
        )


def _adapters(model: nn.Module, metadata: AdapterMetadata) -> dict[str, Tensor]:
    kind = LowRank if metadata.lora is not None else Convpass
    return {
        f"{path}.{name}": parameter
        for path, module in model.named_modules()
        if isinstance(module, kind)
        for name, parameter in module.named_parameters()
    }
