"""A file of several bands written again as one file a band: an asset of a catalogue is one band."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rasterio
from rasterio.shutil import copy as copy_raster

from pipelines.own_files.errors import FileRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.own_files.raster import RasterFacts


def split_file(facts: RasterFacts, bands: Sequence[str], folder: Path) -> dict[str, Path]:
    """Writes every band of a file as a cloud-optimised GeoTIFF of its own; returns their paths by band.

    Numbers, fill value, scale and place stay as they are.

    Args:
        facts: The file.
        bands: Names of its bands in its own order; its own names where empty.
        folder: Where to write; made where it does not exist, files of the same name are replaced.

    Raises:
        FileRefused: The bands have no names, or not as many as there are bands.
    """
    names = list(bands) or list(facts.names)
    if len(names) != facts.count or not all(names):
        told = ", ".join(name or "(none)" for name in facts.names)
        raise FileRefused(
            f"each of the {facts.count} bands needs a name, the file says {told}; give {facts.count} by --bands"
        )
    if len({name.lower() for name in names}) != len(names):
        raise FileRefused(f"each band is named once, got {', '.join(names)}; correct --bands")
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, name in enumerate(names, start=1):
        target = folder / f"{facts.path.stem}_{name}.tif"
        _copy_band(facts, number, name, target)
        written[name] = target
    return written


def _copy_band(facts: RasterFacts, number: int, name: str, target: Path) -> None:
    with rasterio.open(facts.path, driver="GTiff", sharing=False) as source:
        profile = {
            "driver": "GTiff",
            "height": source.height,
            "width": source.width,
            "count": 1,
            "dtype": source.dtypes[number - 1],
            "crs": source.crs,
            "transform": source.transform,
            "nodata": source.nodata,
            "tiled": True,
            "compress": "deflate",
        }
        part = target.with_name(f".{target.name}.part")
        with rasterio.open(part, "w", **profile) as plain:
            for _, window in plain.block_windows(1):
                plain.write(source.read(number, window=window), 1, window=window)
            plain.scales, plain.offsets = (source.scales[number - 1],), (source.offsets[number - 1],)
            plain.set_band_description(1, name)
        try:
            copy_raster(part, target, driver="COG", COMPRESS="DEFLATE")
        finally:
            part.unlink()
