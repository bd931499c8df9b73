"""The areas that the torture catalogue is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipelines.grid import TargetGrid

FIRST_DAY: Final = datetime(2023, 1, 1, 10, 50, 31, tzinfo=UTC)
END: Final = datetime(2024, 1, 1, tzinfo=UTC)
COLLECTIONS: Final = ("sentinel-1-grd", "sentinel-2-l2a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A region: its grid and the range of time."""

    name: str
    grid: TargetGrid
    start: datetime = datetime(2023, 1, 1, tzinfo=UTC)
    end: datetime = END
    """Excluded."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the place for the manifest, with the bounds as west, south, east, north of its CRS."""
        return {
            "name": self.name,
            "grid": self.grid.to_dict(),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "collections": list(COLLECTIONS),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Place:
        """Returns the place of a manifest."""
        return cls(
            name=document["name"],
            grid=TargetGrid.from_dict(document["grid"]),
            start=datetime.fromisoformat(document["start"]),
            end=datetime.fromisoformat(document["end"]),
        )


MAIN: Final = Place(
    name="main",
    grid=TargetGrid(epsg=32631, resolution=10.0, x_min=640_000.0, y_max=5_620_000.0, width=128, height=128),
)
"""All entries but those that need a place of their own."""

ANTIMERIDIAN: Final = Place(
    name="antimeridian",
    grid=TargetGrid(epsg=32601, resolution=10.0, x_min=293_430.0, y_max=5_765_000.0, width=128, height=128),
)
"""The meridian of 180 degrees runs through its middle."""

ONE_PIXEL: Final = Place(
    name="one-pixel",
    grid=TargetGrid(epsg=32631, resolution=10.0, x_min=680_000.0, y_max=5_620_000.0, width=1, height=1),
)

PLACES: Final = (MAIN, ANTIMERIDIAN, ONE_PIXEL)
