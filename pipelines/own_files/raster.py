"""What a raster file says of itself, read by rio-stac; no pixel is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rasterio
from rasterio.errors import RasterioError

from pipelines.own_files.errors import FileRefused

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

MULTIHASH_SHA256: Final = "1220"
"""Code and length of a SHA-256 in multihash form, as the STAC file extension asks."""

TAGS: Final = (("ACQUISITIONDATETIME", "IMAGERY"), ("TIFFTAG_DATETIME", None))
"""Where a file may keep its time (GDAL raster data model, imagery domain; TIFF 6.0 tag 306). The second is often the
day of processing: it counts last."""

TIME_FORMS: Final = ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%Y:%m:%d %H:%M:%S")
EDGE_POINTS: Final = 21
"""Points that GDAL too puts on an edge before it turns an outline into degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterFacts:
    """One file."""

    path: Path
    count: int
    names: tuple[str, ...]
    """Descriptions of its bands, else their colours, '' where it says neither."""

    data_type: str
    nodata: float | None
    scale: float | None
    offset: float | None
    unit: str | None
    time: datetime | None
    geometry: dict[str, object] = field(repr=False)
    bbox: tuple[float, ...]
    projection: dict[str, object]
    """`proj:` fields of the projection extension 2.0."""

    gsd: float
    """Pixel size in units of the CRS."""

    size_bytes: int
    checksum: str = ""


def read_raster(path: Path, *, checksum: bool = False) -> RasterFacts:
    """Returns what a GeoTIFF says of itself.

    Raises:
        FileRefused: It is no GeoTIFF, or does not say where it lies.
    """
    try:
        with rasterio.open(path, driver="GTiff", sharing=False) as source:
            _require_place(source)
            return _facts(path, source, _checksum(path) if checksum else "")
    except RasterioError as error:
        raise FileRefused(f"a file must be a readable GeoTIFF, it is not ({error}); restore or convert it") from error


def _require_place(source: DatasetReader) -> None:
    if source.crs is None or source.transform.is_identity:
        held = "ground control points alone" if source.gcps[0] else "none"
        raise FileRefused(
            f"a file says where it lies by a CRS and a transform, got {held}; give it one by gdalwarp or gdal_edit"
        )


def _facts(path: Path, source: DatasetReader, checksum: str) -> RasterFacts:
    from rio_stac.stac import get_dataset_geom, get_projection_info

    place = get_dataset_geom(source, densify_pts=EDGE_POINTS)
    scales, offsets = set(source.scales), set(source.offsets)
    stated = (scales, offsets) != ({1.0}, {0.0}) and len(scales) == len(offsets) == 1
    return RasterFacts(
        path=path,
        count=source.count,
        names=tuple(_name(source, band) for band in source.indexes),
        data_type=source.dtypes[0],
        nodata=source.nodata,
        scale=scales.pop() if stated else None,
        offset=offsets.pop() if stated else None,
        unit=source.units[0] or None,
        time=_time(source),
        geometry=place["footprint"],
        bbox=tuple(place["bbox"]),
        projection=_projection(get_projection_info(source)),
        gsd=abs(source.res[0]),
        size_bytes=path.stat().st_size,
        checksum=checksum,
    )


def _name(source: DatasetReader, band: int) -> str:
    described = source.descriptions[band - 1]
    colour = source.colorinterp[band - 1].name
    return (described or (colour if colour in {"red", "green", "blue", "nir"} else "")).strip()


def _projection(info: dict[str, object]) -> dict[str, object]:
    epsg = info.pop("epsg", None)
    known = (
        {"proj:code": f"EPSG:{epsg}"} if epsg else {f"proj:{name}": info[name] for name in ("wkt2",) if name in info}
    )
    return {**known, "proj:shape": info["shape"], "proj:transform": list(info["transform"])[:6]}  # type: ignore[call-overload]


def _time(source: DatasetReader) -> datetime | None:
    for name, domain in TAGS:
        value = source.tags(ns=domain).get(name, "")
        for form in TIME_FORMS:
            try:
                found = datetime.strptime(value.strip(), form)  # noqa: DTZ007 a tag without a zone is UTC, see below
            except ValueError:
                continue
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return MULTIHASH_SHA256 + hashlib.file_digest(stream, "sha256").hexdigest()
