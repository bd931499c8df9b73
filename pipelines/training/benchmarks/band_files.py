"""Images that a set keeps as one file a band, on one grid or on grids that divide each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import check_shape, read_raster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_bands(paths: Sequence[Path]) -> NDArray[Any]:
    """The bands stacked, (band, y, x).

    Coarser bands are repeated pixel by pixel onto the finest grid, which changes no value and mixes none.

    Raises:
        SampleError: A file is missing, damaged, has several bands or another type, or a grid that does not divide the
            finest.
    """
    layers = [check_shape(read_raster(path), path, bands=1)[0] for path in paths]
    for path, layer in zip(paths, layers, strict=True):
        if layer.dtype != layers[0].dtype:
            raise SampleError(
                path, f"bands must be of one type, got {layer.dtype} beside {layers[0].dtype}", "get the bands again"
            )
    return on_finest_grid(layers, paths)


def on_finest_grid(layers: Sequence[NDArray[Any]], paths: Sequence[Path]) -> NDArray[Any]:
    """Layers (y, x) of several grids stacked, (band, y, x): the pixels of coarser ones are repeated.

    Args:
        layers: One a band.
        paths: The file of each.

    Raises:
        SampleError: A grid does not divide the finest.
    """
    height, width = (max(layer.shape[axis] for layer in layers) for axis in (0, 1))
    for path, layer in zip(paths, layers, strict=True):
        factor = height // layer.shape[0]
        if (layer.shape[0] * factor, layer.shape[1] * factor) != (height, width):
            raise SampleError(
                path,
                f"a band's size must divide that of the finest, ({height}, {width}), got {layer.shape}",
                "get the bands again",
            )
    return np.stack([_repeated(layer, height // layer.shape[0]) for layer in layers])


def _repeated(layer: NDArray[Any], factor: int) -> NDArray[Any]:
    return layer if factor == 1 else np.repeat(np.repeat(layer, factor, axis=0), factor, axis=1)
