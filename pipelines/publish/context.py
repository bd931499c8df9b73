"""Where a product comes from: everything about its origin that its pixels do not say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceScene:
    """One scene that went into the cube."""

    id: str
    href: str
    """Address or absolute path of its STAC item: the target of `derived_from`."""

    def __post_init__(self) -> None:
        if not self.id or not self.href:
            raise ValueError(f"a source scene has an id and its item's href, got {self.id!r}, {self.href!r}; give both")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemContext:
    """The origin of a product."""

    region: str
    """Name of the region, part of file names: letters, digits, '.', '_' and '-'."""

    start: datetime
    """First instant of the time range that was asked for, timezone-aware."""

    end: datetime
    """First instant after it, timezone-aware."""

    scenes: tuple[SourceScene, ...]
    """Every scene in the cube's snapshot that the product was made from."""

    cube_uri: str
    """Folder or address of the cube."""

    cube_snapshot: str
    """Version of the cube that was read."""

    model_name: str
    model_sha256: str
    """Hash of the weights' file, 64 hexadecimal digits."""

    software_version: str
    """Version of ringmoe-datacube."""

    attribution: tuple[str, ...] = ()
    """Lines that the sources' licences ask for."""

    license: str = "other"
    """SPDX identifier of the product's licence; `other` where the sources' terms apply."""

    run_id: str = ""
    """Of the run that wrote the product; no part of its key."""

    created: datetime | None = None
    """Time of writing, timezone-aware; no part of its key. None leaves it out."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.region):
            raise ValueError(f"a region's name is letters, digits, '.', '_' and '-', got {self.region!r}; rename it")
        for moment in (self.start, self.end, self.created):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"times of a product carry a time zone, got {moment}; use UTC")
        if self.start >= self.end:
            raise ValueError(f"start must lie before end, got {self.start} and {self.end}; swap them")
        if not self.scenes:
            raise ValueError("a product names the scenes it was made from, got none; pass those in the cube")
        if not _SHA256.fullmatch(self.model_sha256):
            raise ValueError(
                f"model_sha256 is 64 hexadecimal digits, got {self.model_sha256!r}; take the checkpoint's own"
            )
