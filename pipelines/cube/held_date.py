"""What the cube holds of a date already, and whether a new reading of it would lose or gain pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.cube.failures import ReadFailure, missing_blocks, parse_failures
from pipelines.cube.source import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.plan import StoredDate


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDate:
    """The stored dates that share a scene with an acquisition: one, as a rule, or none."""

    snapshot: str = ""
    """Where the cube stood when they were looked up."""

    stored: tuple[StoredDate, ...] = ()
    """All dates of the group there."""

    dates: tuple[frozenset[str], ...] = ()
    """Ids of the scenes of each."""

    failures: tuple[ReadFailure, ...] = ()
    """What is missing of them."""

    @classmethod
    def of(cls, acquisition: Acquisition, stored: tuple[StoredDate, ...], snapshot: str = "") -> HeldDate:
        """Returns what stored dates of the group hold of an acquisition."""
        held = [date for date in stored if set(date.scene_ids) & set(acquisition.ids)]
        return cls(
            snapshot=snapshot,
            stored=stored,
            dates=tuple(frozenset(date.scene_ids) for date in held),
            failures=tuple(failure for date in held for failure in parse_failures(date.read_failures)),
        )

    @property
    def scene_ids(self) -> frozenset[str]:
        """Ids of all scenes that are held."""
        return frozenset[str]().union(*self.dates)

    def holds(self, acquisition: Acquisition) -> bool:
        """Returns whether one date holds every scene of the acquisition."""
        return any(set(acquisition.ids) <= ids for ids in self.dates)

    def lacks_pixels_of(self, acquisition: Acquisition) -> bool:
        """Returns whether a date is of just these scenes and some of their chunks could not be read."""
        return bool(self.failures) and frozenset(acquisition.ids) in self.dates

    def losses(self, acquisition: Acquisition, failures: Iterable[ReadFailure]) -> dict[str, Skipped]:
        """Returns the held scenes for which a new reading is no gain, none where it may take the date's place.

        Args:
            acquisition: What was read.
            failures: What could not be read of it now.
        """
        before, now = missing_blocks(self.failures), missing_blocks(failures)
        lost = {scene_id: now[scene_id] - before.get(scene_id, frozenset()) for scene_id in self.scene_ids & set(now)}
        told = "{} chunks that the cube holds of it could not be read again"
        worse = {
            scene_id: Skipped("unreadable", told.format(len(blocks))) for scene_id, blocks in lost.items() if blocks
        }
        if not worse and now == before and self.lacks_pixels_of(acquisition):
            return {scene_id: Skipped("unreadable", "nothing more of it could be read") for scene_id in before}
        return worse
