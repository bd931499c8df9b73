"""Sentinel-2 scene classification to the reason bits of the cube."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.schema import ADVISORY, REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCL_NUM_CLASSES: Final = 12
"""Values 0 to 11. Sentinel-2 L2A Algorithm Theoretical Basis Document, S2-PDGS-MPC-ATBD-L2A, scene classification."""

_SCL_REASON: Final[dict[int, Reason]] = {
    0: Reason.NODATA,
    1: Reason.SATURATED,  # saturated or defective
    3: Reason.CLOUD_SHADOW,
    8: Reason.CLOUD,  # medium probability
    9: Reason.CLOUD,  # high probability
    10: Reason.CIRRUS,
    11: Reason.SNOW,
}
"""Classes that set a bit. Without one: 4 vegetation, 5 bare, 6 water, 7 unclassified, and 2, which was `dark
features` until 2022-01-25 and topographic shadow since: dark soil, forest on a slope and deep water end there too, and
to drop them would tear holes into good observations."""


def reasons_from_scl(scl: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Returns the reason bits of a scene classification (Sentinel-2 L2A, values 0 to 11).

    The classes are names, not quantities: bring the plane to the grid by nearest neighbour only.

    Args:
        scl: Integers of any shape.

    Returns:
        uint16 bits of `Reason`, 0 where nothing speaks against the pixel.

    Raises:
        ValueError: Not integers, or a value outside 0 to 11: the plane is no scene classification.
    """
    if scl.dtype.kind not in "iu":
        raise ValueError(
            f"a scene classification holds integers, got {scl.dtype}; read it without resampling or scaling"
        )
    if scl.size and not (scl.min() >= 0 and scl.max() < SCL_NUM_CLASSES):
        strange = np.unique(scl[(scl < 0) | (scl >= SCL_NUM_CLASSES)])[:5].tolist()
        raise ValueError(f"scene classification values are 0 to 11, got {strange}; check that the asset is SCL")
    table = np.zeros(SCL_NUM_CLASSES, dtype=REASON_DTYPE)
    for value, reason in _SCL_REASON.items():
        table[value] = int(reason)
    reasons: NDArray[np.uint16] = table[scl]
    return reasons


def reasons_without_mask(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Returns `not_masked` everywhere: the scene came without a mask, its pixels are usable as far as is known."""
    return np.full(shape, int(Reason.NOT_MASKED), dtype=REASON_DTYPE)


def usable(reason: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Returns the `valid` plane: True where no bit is set but advisory ones (snow, not_masked).

    Args:
        reason: uint16 bits of `Reason`, any shape.
    """
    return np.asarray((reason & ~np.uint16(int(ADVISORY))) == 0, dtype=np.bool_)
