"""Conversion of a block a few rows at a time, so that what it works with stays in the processor's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.cube.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipelines.cube.load import Pixels
    from pipelines.cube.source import Conversion

STRIP_PX: Final = 1 << 17
"""Pixels of a strip: a band of 16 bits and its flags fit a second-level cache, and no fresh page is touched."""


def convert_in_strips(conversion: Conversion, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
    """Returns what the conversion makes of a block.

    A conversion looks at one pixel at a time, else its values would hang on the blocks; so the strips change nothing.

    Args:
        conversion: Of a scene.
        pixels: By band, all of one shape.
        shape: (height, width) of the block.

    Raises:
        ReadFailed: The pixels are not what the item says.
    """
    height, width = shape
    step = max(1, STRIP_PX // width)
    if step >= height:
        return conversion.convert(pixels, shape)
    values: NDArray[Any] | None = None
    reason = np.empty(shape, dtype=np.uint16)
    for start in range(0, height, step):
        rows = slice(start, min(start + step, height))
        part = {band: plane[rows] for band, plane in pixels.items()}
        layer = conversion.convert(part, (rows.stop - start, width))
        if values is None:
            values = np.empty((len(layer.values), *shape), dtype=layer.values.dtype)
        values[:, rows] = layer.values
        reason[rows] = layer.reason
    assert values is not None, shape
    return Layer(values=values, reason=reason)
