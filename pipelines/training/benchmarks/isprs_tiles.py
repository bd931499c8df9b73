"""What the two ISPRS 2D semantic labelling sets share: colours of classes, official tiles, heights above ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import check_shape, read_raster

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COLOURS: Final = {
    "impervious surfaces": (255, 255, 255),
    "building": (0, 0, 255),
    "low vegetation": (0, 255, 255),
    "tree": (0, 255, 0),
    "car": (255, 255, 0),
    "clutter/background": (255, 0, 0),
}
"""Class -> red, green, blue, in the contest's order."""

BOUNDARY: Final = (0, 0, 0)
"""Colour of the eroded reference's object borders, which must not count."""

METRES_PER_STEP: Final = 0.1
"""Height of one step of an 8-bit height above ground: LAStools' lasheight multiplies by 10 and clamps to 0..255.

The 8-bit files were made with LAStools (their names say so); that their steps are lasheight's is inferred, not stated
by the set's pages that could be read. The option `metres_per_step` takes another value.
"""

LARGEST_M: Final = 1000.0
"""Nothing built is so high: values beyond, as -9999, stand for what is missing."""


def read_height(path: Path, metres_per_step: float) -> NDArray[np.float32]:
    """Height above ground in metres, (y, x).

    Files of floats hold metres; files of 8 bits hold steps. The type decides, never the values.

    Raises:
        SampleError: The file is missing or damaged, has several bands or another type, or holds what is no height.
    """
    stored = check_shape(read_raster(path), path, bands=1)[0]
    if stored.dtype.kind == "f":
        height: NDArray[np.float32] = stored.astype(np.float32)
        height[~np.isfinite(height)] = np.nan
        strange = height[np.abs(height) > LARGEST_M]
        if strange.size:
            raise SampleError(
                path,
                f"heights above ground must be within {LARGEST_M:g} m, got {strange[0]:g}",
                "mark what is missing as NaN",
            )
        return height
    if stored.dtype != np.uint8:
        raise SampleError(path, f"heights must be uint8 steps or float metres, got {stored.dtype}", "check the file")
    metres: NDArray[np.float32] = stored.astype(np.float32) * np.float32(metres_per_step)
    return metres
