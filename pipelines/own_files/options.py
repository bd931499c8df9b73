"""What a user says about files that do not say it themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from catalogs.sensors import SENSOR_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFilesOptions:
    """Everything that files may leave open; what is None is taken from them."""

    sensor: str | None = None
    """Name of a facts table; by default the one that knows all bands of an item."""

    collection: str | None = None
    """Id of the collection; by default the sensor's usual one."""

    time: datetime | None = None
    """Acquisition of every file, UTC; by default the date in the name, then that in the tags."""

    bands: tuple[str, ...] = ()
    """Bands of files that hold several, in the order of the file."""

    split: bool = False
    """Whether files of several bands are written again as one file a band."""

    scale: float | None = None
    offset: float | None = None
    """Physical value = stored number * scale + offset, for every band that is no mask; both or neither."""

    unit: str | None = None
    """`1` for reflectance or linear power, `dB`, `amplitude`, `DN`; for every band that is no mask."""

    nodata: float | None = None
    """Fill value of files that have none."""

    checksums: bool = False
    """Whether every file is read through for its checksum."""

    def __post_init__(self) -> None:
        if self.sensor is not None and self.sensor not in SENSOR_NAMES:
            raise ValueError(f"a sensor is one of {', '.join(SENSOR_NAMES)}, got {self.sensor!r}; name one of them")
        if self.time is not None and self.time.tzinfo is None:
            raise ValueError(f"a time has a time zone, got {self.time}; add Z for UTC")
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} is a finite number, got {value}; correct it")
        if self.scale is not None and self.scale <= 0:
            raise ValueError(f"a scale is above 0, got {self.scale}; correct it")
        if (self.scale is None) != (self.offset is None):
            raise ValueError(
                f"scale and offset are said together, got {self.scale} and {self.offset}; an offset may be 0"
            )
        if self.bands and not self.split:
            raise ValueError(f"bands name those of files that are split, got {','.join(self.bands)}; add the splitting")
