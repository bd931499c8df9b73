"""What is asked of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneQuery:
    """An area, a half-open time range and the collections wanted."""

    bbox: tuple[float, float, float, float]
    """West, south, east, north in degrees (EPSG:4326); west > east means that the box crosses the antimeridian."""

    footprint: tuple[tuple[float, float], ...]
    """Ring of (longitude, latitude) vertices of the area, closed or not; items that miss it are `outside`."""

    start: datetime
    """First instant wanted, timezone-aware UTC."""

    end: datetime
    """First instant no longer wanted, timezone-aware UTC."""

    collections: tuple[str, ...]
    """Ids of the collections to search, never empty."""

    max_cloud_cover: float | None = None
    """Percent; scenes whose `eo:cloud_cover` is above it are skipped as `too_cloudy`. None keeps all."""

    def __post_init__(self) -> None:
        west, south, east, north = self.bbox
        if not (
            WORLD[0] <= west <= WORLD[2] and WORLD[0] <= east <= WORLD[2] and WORLD[1] <= south < north <= WORLD[3]
        ):
            raise ValueError(
                f"bbox must be (west, south, east, north) in degrees, got {self.bbox}; check order and CRS"
            )
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"start and end must carry a time zone, got {self.start} and {self.end}; use UTC")
        if self.start >= self.end:
            raise ValueError(f"start must lie before end, got {self.start} and {self.end}; swap or widen them")
        if not self.collections:
            raise ValueError("a query names at least one collection, got none; name one")
        if len(self.footprint) < 3:  # noqa: PLR2004 a ring has three corners
            raise ValueError(f"footprint must have at least three vertices, got {len(self.footprint)}; give a ring")

    @property
    def time_range(self) -> tuple[datetime, datetime]:
        """Start (included) and end (excluded) in UTC."""
        return self.start.astimezone(UTC), self.end.astimezone(UTC)
