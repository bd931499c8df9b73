"""The low end of one band's digital numbers, by which an offset shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values: TypeAlias = "NDArray[np.integer] | NDArray[np.floating]"

OFFSET_DN: Final = 1000
"""Size of the offset: Sentinel-2 Products Specification Document, RADIO_ADD_OFFSET and BOA_ADD_OFFSET."""

FAR_BELOW_DN: Final = 700
"""Reflectance -0.03 if the offset were left in."""

DEEP_BELOW_DN: Final = 500
"""For one band alone: reflectance -0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFloor:
    """Low end of one band's digital numbers in a sample; NaN where no pixel is valid."""

    num_valid: int
    min_dn: float
    p01_dn: float
    """0.1st percentile."""

    p1_dn: float
    p5_dn: float
    p50_dn: float
    below_share: float
    """Share of the valid pixels below DN 1000."""

    far_below_share: float
    """Share below DN 700."""

    deep_below_share: float
    """Share below DN 500."""

    just_above_share: float
    """Share from DN 1000 to 1099."""

    def to_dict(self) -> dict[str, float | int | None]:
        """Returns the numbers for a JSON record, None for NaN; shares to a millionth."""
        record: dict[str, float | int | None] = {"num_valid": self.num_valid}
        for name in (
            "min_dn",
            "p01_dn",
            "p1_dn",
            "p5_dn",
            "p50_dn",
            "below_share",
            "far_below_share",
            "deep_below_share",
        ):
            value = float(getattr(self, name))
            record[name] = None if np.isnan(value) else round(value, 6)
        just_above = self.just_above_share
        return {**record, "just_above_share": None if np.isnan(just_above) else round(just_above, 6)}


def band_floor(values: Values) -> BandFloor:
    """Returns the low end of digital numbers.

    Args:
        values: Valid digital numbers, flat.
    """
    if values.size == 0:
        nan = float("nan")
        return BandFloor(
            num_valid=0,
            min_dn=nan,
            p01_dn=nan,
            p1_dn=nan,
            p5_dn=nan,
            p50_dn=nan,
            below_share=nan,
            far_below_share=nan,
            deep_below_share=nan,
            just_above_share=nan,
        )
    p01, p1, p5, p50 = np.percentile(values, [0.1, 1.0, 5.0, 50.0])
    return BandFloor(
        num_valid=int(values.size),
        min_dn=float(values.min()),
        p01_dn=float(p01),
        p1_dn=float(p1),
        p5_dn=float(p5),
        p50_dn=float(p50),
        below_share=float((values < OFFSET_DN).mean()),
        far_below_share=float((values < FAR_BELOW_DN).mean()),
        deep_below_share=float((values < DEEP_BELOW_DN).mean()),
        just_above_share=float(((values >= OFFSET_DN) & (values < OFFSET_DN + 100)).mean()),
    )
