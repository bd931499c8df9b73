"""ShardIndex: the file that says what a folder of shards holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from ringmoe_core.checkpoint_metadata import CheckpointMetadata, check_metadata
from ringmoe_core.config import RingMoEConfig
from ringmoe_core.errors import CheckpointError
from ringmoe_core.partition import SHARED
from ringmoe_core.tensor_file import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHARDS_VERSION: Final = 1
"""Raised when the names or meanings of tensors, parts or keys of the index change."""

INDEX_NAME: Final = "index.json"
"""Name of the index in its folder."""

SUFFIX: Final = ".safetensors"
"""Every file of this name in the folder is a shard of the index."""

_FORMAT: Final = "ringmoe-shards"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIndex:
    """What a folder of shards holds."""

    config: RingMoEConfig
    """Of the whole model."""

    metadata: CheckpointMetadata
    """Of the whole model."""

    files: Mapping[str, str]
    """File name by part: `shared`, and each modality."""

    written: Mapping[str, WrittenFile]
    """Size and digest by part."""

    def __post_init__(self) -> None:
        check_metadata(self.metadata, self.config)
        wanted = {SHARED, *self.config.modalities}
        if set(self.files) != wanted or set(self.written) != wanted:
            found = set(self.files) | set(self.written)
            raise ValueError(
                f"shards must be {sorted(wanted)}, got missing {sorted(wanted - found)} and left over "
                f"{sorted(found - wanted)}; copy the folder again"
            )
        for name in self.files.values():
            plain = PurePosixPath(name).name == name and PureWindowsPath(name).name == name
            if not plain or name.startswith(".") or not name.endswith(SUFFIX):
                raise ValueError(f"a shard is a {SUFFIX} file in the folder itself, got {name!r}; do not load it")
        if len(set(self.files.values())) != len(self.files):
            raise ValueError(f"each part has a file of its own, got {dict(self.files)}; copy the folder again")

    @property
    def sha256(self) -> str:
        """Of what the index says, and with it of everything in the folder."""
        return _digest(self._content())

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({**self._content(), "sha256": self.sha256}, indent=2, sort_keys=True) + "\n"

    def _content(self) -> dict[str, object]:
        return {
            "format": _FORMAT,
            "format_version": SHARDS_VERSION,
            "config": self.config.to_dict(),
            "metadata": asdict(self.metadata),
            "shards": {part: {"file": name, **asdict(self.written[part])} for part, name in self.files.items()},
        }


def read_index(folder: Path) -> ShardIndex:
    """The index of a folder.

    Raises:
        CheckpointError: there is none, it was altered, is of another version, or contradicts itself.
    """
    path = folder / INDEX_NAME
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = (values["format"], values["format_version"])
        if found != (_FORMAT, SHARDS_VERSION):
            raise CheckpointError(
                f"format and version must be {(_FORMAT, SHARDS_VERSION)}, got {found} in {path}; "
                "use the matching release"
            )
        stated = values.pop("sha256")
        digest = _digest(values)
        if digest != stated:
            raise CheckpointError(
                f"{path} must have SHA-256 {stated}, got {digest}; the index was altered, copy the folder again"
            )
        shards = values["shards"]
        return ShardIndex(
            config=RingMoEConfig.from_dict(values["config"]),
            metadata=CheckpointMetadata.from_dict(values["metadata"]),
            files={part: str(entry["file"]) for part, entry in shards.items()},
            written={
                part: WrittenFile(size=int(entry["size"]), sha256=str(entry["sha256"]))
                for part, entry in shards.items()
            },
        )
    except FileNotFoundError as error:
        raise CheckpointError(
            f"a folder of shards holds an {INDEX_NAME}, got none in {folder}; copy the folder again"
        ) from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} must be complete and consistent, got {error!r}; copy it again") from error


def _digest(content: Mapping[str, object]) -> str:
    """SHA-256 of the content in one fixed spelling."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
