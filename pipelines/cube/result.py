"""What a build did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalogs.scenes import SceneOutcome
    from pipelines.cube.failures import ReadFailure
    from pipelines.cube.reference import CubeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The cube as it stands and how every scene ended."""

    ref: CubeRef
    """The cube at the tip of its main branch."""

    outcomes: tuple[SceneOutcome, ...]
    """One for each scene of the set and for each that the search had skipped, sorted by (collection, id)."""

    added: tuple[str, ...]
    """Ids of the scenes written by this build, in order of time."""

    changed: bool
    """Whether the snapshot is another than before."""

    dates: Mapping[str, int]
    """Number of dates in each group of the cube."""

    read_failures: tuple[ReadFailure, ...] = ()
    """What is missing of the scenes of the set in the cube, as it could not be read, sorted by scene."""

    notes: Mapping[str, tuple[str, ...]]
    """By scene id, what a reader should know of a scene in the cube: warped from another CRS, bands missing,
    contradicting metadata."""
