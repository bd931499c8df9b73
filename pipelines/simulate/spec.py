"""What to simulate: place, size, dates, clouds and changes of one region."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.grid import TargetGrid

NORTHERN_UTM = range(32601, 32661)
SIZE_STEP = 8
FIRST_CHANGE_DATES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSpec:
    """A simulated region; equal specs give equal bytes."""

    seed: int
    """Any non-negative integer."""

    size: int = 256
    """Height and width in pixels, a multiple of 8."""

    resolution: float = 10.0
    """Metres; the simulated sensors' own 10 m, nothing else."""

    epsg: int = 32631
    """UTM zone of the northern hemisphere (seasons and sun are those of its middle latitudes)."""

    x_min: float = 600_000.0
    y_max: float = 5_620_000.0
    """Upper left corner in metres."""

    start: datetime = datetime(2022, 11, 8, tzinfo=UTC)
    """First date, UTC, from 2022-01-25 on (all scenes carry processing baseline 04.00 or later)."""

    num_dates: int = 12
    interval_days: int = 30
    """Dates are `interval_days` apart with a few days of jitter; each has one scene of either sensor."""

    cloud_cover: tuple[float, float] = (0.0, 0.6)
    """Least and largest cloud fraction of a Sentinel-2 scene; about one scene in four has none."""

    num_changes: tuple[int, int] = (3, 10)
    """Least and largest number of planted changes; (0, 0) plants none."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a seed is a non-negative integer, got {self.seed}; choose another")
        if self.size < 8 * SIZE_STEP or self.size % SIZE_STEP:
            raise ValueError(f"size is a multiple of {SIZE_STEP} from 64 on, got {self.size}; round it up")
        if self.resolution != 10.0:  # noqa: PLR2004 the sensors' grid
            raise ValueError(f"scenes are simulated at 10 m, got {self.resolution}; resample the cube instead")
        if self.epsg not in NORTHERN_UTM:
            raise ValueError(f"epsg is a northern UTM zone (32601 to 32660), got {self.epsg}; choose one")
        if self.start.tzinfo is None or self.start < datetime(2022, 1, 25, tzinfo=UTC):
            raise ValueError(f"start is an aware time from 2022-01-25 on, got {self.start}; set it in UTC")
        if self.num_dates < 1 or self.interval_days < 10:  # noqa: PLR2004 jitter is up to 4 days each way
            raise ValueError(
                f"at least 1 date and 10 days between dates, got {self.num_dates} and {self.interval_days}; raise them"
            )
        low, high = self.cloud_cover
        if not 0.0 <= low <= high <= 1.0:
            raise ValueError(f"cloud_cover is (low, high) within 0 to 1, got {self.cloud_cover}; order it")
        least, most = self.num_changes
        if not 0 <= least <= most:
            raise ValueError(f"num_changes is (least, most), got {self.num_changes}; order it")
        if most and self.num_dates < FIRST_CHANGE_DATES:
            raise ValueError(
                f"changes need at least {FIRST_CHANGE_DATES} dates, got {self.num_dates}; "
                "add dates or set num_changes=(0, 0)"
            )

    @property
    def grid(self) -> TargetGrid:
        """The region's grid at 10 m."""
        return TargetGrid(
            epsg=self.epsg,
            resolution=self.resolution,
            x_min=self.x_min,
            y_max=self.y_max,
            width=self.size,
            height=self.size,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.size, self.size

    @property
    def latitude_deg(self) -> float:
        """Latitude of the region, from its northing (111.2 km a degree, good to 0.3 degrees): for the sun only."""
        return (self.y_max - 5.0 * self.size) / 111_200.0 / 0.9996
