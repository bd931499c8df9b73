"""A small picture of a class layer, in the colours of its legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from pipelines.publish.errors import PublishError
from pipelines.publish.flags import flags_of, is_classes
from pipelines.publish.staging import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

MAX_SIDE_PX: Final = 512

_PIXELS: Final = rasterio.Affine(2, 0, 0, 0, -2, 0)
"""A PNG has no place, but rasterio warns of a picture without one: any transform other than the identity will do."""


def write_thumbnail(layer: xr.DataArray, path: Path, *, max_side_px: int = MAX_SIDE_PX) -> None:
    """Writes a PNG with alpha: every n-th pixel of the layer, no data transparent; in one step.

    Args:
        layer: uint8 classes (y, x) with `flag_colors`.
        path: File to write or replace.
        max_side_px: Largest side of the picture; smaller layers keep their size.

    Raises:
        PublishError: The layer has no colours, or the file cannot be written.
    """
    if not is_classes(layer) or layer.dtype != np.dtype("uint8"):
        raise PublishError(
            f"a thumbnail is drawn from uint8 classes with flag_colors, got {layer.name!r} {layer.dtype}"
        )
    step = max(1, -(-max(layer.shape) // max_side_px))
    table = np.zeros((256, 4), dtype=np.uint8)
    for flag in flags_of(layer):
        table[flag.value] = (*flag.rgb, 0 if flag.is_nodata else 255)
    picture = table[layer[::step, ::step].to_numpy()]
    height, width, bands = picture.shape
    with (
        MemoryFile(ext=".png") as target,
        rasterio.open(
            "", "w", driver="MEM", height=height, width=width, count=bands, dtype="uint8", transform=_PIXELS
        ) as source,
    ):
        source.write(np.moveaxis(picture, -1, 0))
        rasterio.shutil.copy(source, target.name, driver="PNG")
        write_whole(path, bytes(target.getbuffer()))
