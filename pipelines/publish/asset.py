"""The assets of a product's STAC item: one a layer, the Zarr group, the thumbnail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.publish.errors import PublishError
from pipelines.publish.flags import Flag, bits_of, flags_of, nodata_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from pipelines.grid import TargetGrid
    from pipelines.publish.manifest import FileEntry

COG_TYPE: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
ZARR_TYPE: Final = "application/vnd.zarr; version=3"
PNG_TYPE: Final = "image/png"

SHA2_256_32_BYTES: Final = "1220"
"""Multihash prefix of `file:checksum`: code 0x12 (sha2-256), length 0x20 (https://multiformats.io/multihash/)."""


def layer_asset(layer: xr.DataArray, entry: FileEntry, grid: TargetGrid) -> dict[str, object]:
    """Returns the asset of one layer's COG, with its classes or bits, unit and nodata.

    Args:
        layer: With the CF attributes of a product's layer.
        entry: The file, relative to the item's folder.
        grid: Gives the pixel size.
    """
    asset: dict[str, object] = {
        "href": f"./{entry.path}",
        "type": COG_TYPE,
        "title": str(layer.attrs.get("long_name", layer.name)),
        "roles": ["data"],
        "data_type": layer.dtype.name,
        "unit": str(layer.attrs.get("units", "1")),
        "bands": [{"name": str(layer.name)}],
        "raster:spatial_resolution": grid.resolution,
        "raster:sampling": "area",
        **_file_fields(entry),
    }
    nodata = nodata_of(layer)
    if nodata is not None:
        asset["nodata"] = nodata
    if "comment" in layer.attrs:
        asset["description"] = str(layer.attrs["comment"])
    if flags_of(layer):
        asset["classification:classes"] = [_class_object(flag) for flag in flags_of(layer)]
    if bits_of(layer):
        asset["classification:bitfields"] = [_bitfield(flag) for flag in bits_of(layer)]
    return asset


def zarr_asset(href: str, title: str) -> dict[str, object]:
    """Returns the asset of the Zarr group; a folder has neither size nor checksum of its own."""
    description = "All layers; opens with xarray.open_zarr(href, consolidated=False)"
    return {"href": f"./{href}", "type": ZARR_TYPE, "title": title, "description": description, "roles": ["data"]}


def thumbnail_asset(entry: FileEntry) -> dict[str, object]:
    """Returns the asset of the picture."""
    return {
        "href": f"./{entry.path}",
        "type": PNG_TYPE,
        "title": "Thumbnail",
        "roles": ["thumbnail"],
        **_file_fields(entry),
    }


def entry_of(files: Iterable[FileEntry], path: str) -> FileEntry:
    """Returns the file at a path.

    Raises:
        PublishError: It was not written.
    """
    for entry in files:
        if entry.path == path:
            return entry
    raise PublishError(f"every asset must have its file, got none for {path!r}; publish the product again")


def _file_fields(entry: FileEntry) -> dict[str, object]:
    return {"file:size": entry.size, "file:checksum": f"{SHA2_256_32_BYTES}{entry.sha256}"}


def _class_object(flag: Flag) -> dict[str, object]:
    listed: dict[str, object] = {"value": flag.value, "name": flag.name, "title": flag.title}
    if flag.color is not None:
        listed["color_hint"] = flag.color.upper()
    if flag.is_nodata:
        listed["nodata"] = True
    return listed


def _bitfield(flag: Flag) -> dict[str, object]:
    states = [{"value": 0, "name": f"not_{flag.name}"}, {"value": 1, "name": flag.name}]
    return {"name": flag.name, "offset": flag.value.bit_length() - 1, "length": 1, "classes": states}
