"""Masks of terrain-corrected radar products to the reason bits of the cube.

Two conventions are known, and a mask of any other is not guessed at:

    opera       0 valid, 1 shadow, 2 layover, 3 both, 255 no valid sample (OPERA RTC-S1 product specification,
                JPL D-108758, layer `mask`)
    gamma       bits: 1 tested, 2 and 8 steeper than the look angle, 4 in layover, 16 in shadow; 0 not tested
                (layover-shadow map `ls_map` of GAMMA, as ASF delivers it with its RTC products)

Where a slope is steeper than the look angle the layover and shadow that it throws are flagged by their own bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalogs.scenes import Scene

MaskConvention = Literal["opera", "gamma"]

MASK_BANDS: Final = ("MASK", "LSMAP")
"""Planes of a scene that may hold a mask."""

_BOTH: Final = Reason.LAYOVER | Reason.RADAR_SHADOW

_OPERA: Final[Mapping[int, Reason]] = {
    0: Reason(0),
    1: Reason.RADAR_SHADOW,
    2: Reason.LAYOVER,
    3: _BOTH,
    255: Reason.OUTSIDE_SWATH,
}

_GAMMA_TESTED, _GAMMA_LAYOVER, _GAMMA_SHADOW, _GAMMA_MOST = 1, 4, 16, 31


def mask_convention(scene: Scene, band: str) -> MaskConvention | None:
    """Returns how the numbers of a scene's mask are meant, None where that is not known.

    Args:
        scene: The scene.
        band: One of MASK_BANDS.
    """
    if band == "LSMAP":
        return "gamma"
    named = scene.collection.lower().replace("_", "-")
    return "opera" if "opera" in named and "rtc" in named else None


def reasons_from_radar_mask(mask: NDArray[np.integer], convention: MaskConvention) -> NDArray[np.uint16]:
    """Returns layover, shadow and outside as bits of `Reason`.

    The numbers are names: bring the plane to the grid by nearest neighbour only.

    Args:
        mask: Integers of any shape.
        convention: How they are meant.

    Raises:
        ValueError: Not integers, or a number that the convention does not know.
    """
    if mask.dtype.kind not in "iu":
        raise ValueError(f"a mask holds integers, got {mask.dtype}; read it without resampling or scaling")
    known = np.isin(mask, list(_OPERA)) if convention == "opera" else (mask >= 0) & (mask <= _GAMMA_MOST)
    if not known.all():
        strange = np.unique(mask[~known])[:5].tolist()
        raise ValueError(f"a mask of {convention} does not hold {strange}; check that the asset is its mask")
    reason = np.zeros(mask.shape, dtype=REASON_DTYPE)
    if convention == "opera":
        for value, meaning in _OPERA.items():
            reason[mask == value] = int(meaning)
        return reason
    reason[(mask & _GAMMA_LAYOVER) != 0] |= int(Reason.LAYOVER)
    reason[(mask & _GAMMA_SHADOW) != 0] |= int(Reason.RADAR_SHADOW)
    reason[(mask & _GAMMA_TESTED) == 0] |= int(Reason.NOT_MASKED)
    return reason
