"""Where a cube is, at which version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeRef:
    """A cube at one snapshot: the same pixels whenever it is opened."""

    uri: str
    """Address of the Icechunk repository: a folder, or `s3://bucket/prefix`; no secret is in it."""

    snapshot: str
    """Id of the snapshot."""

    def __post_init__(self) -> None:
        if not self.uri or not self.snapshot:
            raise ValueError(f"a reference has a uri and a snapshot, got {self.uri!r}, {self.snapshot!r}; build it")
