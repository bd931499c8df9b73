"""One simulated scene as its provider would hand it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BandArray = NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Pixels and metadata of one scene."""

    id: str
    sensor: Literal["sentinel-2-msi", "sentinel-1-csar"]
    group: Literal["s2", "s1"]
    time: datetime
    """UTC."""

    bands: dict[str, BandArray]
    """Native arrays (y, x) by band: uint16 numbers at 10, 20 or 60 m and uint8 `SCL` at 20 m, or float32 linear power
    at 10 m with NaN where missing. A 60 m band may reach beyond the region's right and lower edge."""

    platform: str
    orbit_direction: Literal["ascending", "descending"]
    relative_orbit: int
    processing_baseline: str = ""
    offset_applied: bool | None = None
    """True where no offset is left in the numbers; None for radar."""

    cloud_cover: float | None = None
    """Percent of pixels that the classification calls cloud or cirrus."""

    sun_azimuth_deg: float | None = None
    sun_elevation_deg: float | None = None
    view_azimuth_deg: float | None = None
    view_incidence_deg: float | None = None
    shift_px: tuple[float, float] = (0.0, 0.0)
    """True misregistration (x, y) in 10 m pixels: content lies right of and below where it belongs by it. No product
    tells this; tests may."""
