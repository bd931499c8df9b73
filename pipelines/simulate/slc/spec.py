"""What to simulate: size, dates, looks and geometry of one quad-polarised scene."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.simulate.spec import SIZE_STEP

INCIDENCE_DEG = (20.0, 50.0)
"""Incidence angles of quad-polarised stripmap of Gaofen-3 (Zhang 2017, doi:10.11728/cjss2017.06.001: 20 to 41) and of
Radarsat-2 fine quad (18 to 49), rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlcSpec:
    """A simulated scene; equal specs give equal bytes.

    Seed and size make the land: it is that of `RegionSpec` of the same seed and size before its changes, so that a
    region without changes and a scene show the same place (`gsd_m=10`).
    """

    seed: int
    """Any non-negative integer."""

    size: int = 256
    """Height and width in pixels, a multiple of 8 from 64 on; y is azimuth, x is slant range, growing away."""

    num_dates: int = 1

    looks: int = 1
    """Independent looks at each date; from 2 on their mean covariance is given too (`sample_covariance`)."""

    interval_days: float = 12.0
    """Between two dates."""

    first_day_of_year: float | None = None
    """Day of the first date, 1 to below 367; None draws it in the growing season by seed."""

    incidence_deg: float | None = None
    """At the middle of the scene, 20 to 50; None draws it by seed."""

    noise_db: float = -27.0
    """Noise-equivalent sigma0 of each channel. Radarsat-2 fine quad measures -33 to -39 dB, Gaofen-3 quad stripmap
    specifies -19.5 dB and mostly keeps below -25 dB: between them."""

    textured: bool = True
    """False leaves fully developed speckle alone (circular Gaussian everywhere)."""

    gsd_m: float = 8.0
    """Pixel size in metres; the landscape's parcels have a fixed size in pixels, this is a label."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a seed is a non-negative integer, got {self.seed}; choose another")
        if self.size < 8 * SIZE_STEP or self.size % SIZE_STEP:
            raise ValueError(f"size is a multiple of {SIZE_STEP} from 64 on, got {self.size}; round it up")
        if self.num_dates < 1 or self.looks < 1:
            raise ValueError(f"at least 1 date and 1 look, got {self.num_dates} and {self.looks}; raise them")
        if self.interval_days <= 0 or self.gsd_m <= 0:
            raise ValueError(
                f"interval_days and gsd_m are above 0, got {self.interval_days} and {self.gsd_m}; give days and metres"
            )
        if self.first_day_of_year is not None and not 1 <= self.first_day_of_year < 367:  # noqa: PLR2004 days
            raise ValueError(
                f"first_day_of_year is 1 to below 367, got {self.first_day_of_year}; give a day of the year"
            )
        low, high = INCIDENCE_DEG
        if self.incidence_deg is not None and not low <= self.incidence_deg <= high:
            raise ValueError(f"incidence_deg is {low} to {high}, got {self.incidence_deg}; the mechanisms hold there")
