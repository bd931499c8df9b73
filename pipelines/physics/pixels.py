"""What the pixel values say about a radiometric rule: recorded beside it, never deciding it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUSPICIOUS_SHARE = 0.05
"""A chosen limit for a remark, never for a decision. Items of public catalogues that wrongly deny that the offset was
taken out show about half of their pixels negative (Element84/earth-search issue 71); over dark water a sound scene
may pass the limit too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelEvidence:
    """Low end of the digital numbers of one scene; NaN where no pixel is valid."""

    num_valid: int
    min_dn: float
    p01_dn: float
    """0.1st percentile of the digital numbers."""

    p1_dn: float
    """1st percentile of the digital numbers."""

    negative_share: float
    """Share of the valid pixels whose reflectance is below 0 under the rule."""

    @property
    def suspicious(self) -> bool:
        """Whether so much is negative that the offset was probably taken out before."""
        return self.negative_share > SUSPICIOUS_SHARE

    def to_dict(self) -> dict[str, float | bool | None]:
        """Returns the numbers for a JSON record, None for NaN."""
        numbers = {name: getattr(self, name) for name in ("min_dn", "p01_dn", "p1_dn", "negative_share")}
        clean = {name: None if np.isnan(value) else value for name, value in numbers.items()}
        return {"num_valid": self.num_valid, **clean, "suspicious": self.suspicious}


def pixel_evidence(dn: NDArray[np.integer], valid: NDArray[np.bool_], *, offset_dn: int) -> PixelEvidence:
    """Returns the low percentiles of a scene's digital numbers and the share that the rule makes negative.

    Args:
        dn: Digital numbers of the whole scene on the grid, never of a chunk: the answer would hang on its borders.
        valid: True where usable, same shape.
        offset_dn: Steps that the rule adds.
    """
    values = dn[valid].astype(np.float64)
    if values.size == 0:
        nan = float("nan")
        return PixelEvidence(num_valid=0, min_dn=nan, p01_dn=nan, p1_dn=nan, negative_share=nan)
    p01, p1 = np.percentile(values, [0.1, 1.0])
    return PixelEvidence(
        num_valid=int(values.size),
        min_dn=float(values.min()),
        p01_dn=float(p01),
        p1_dn=float(p1),
        negative_share=float((values + offset_dn < 0).mean()),
    )
