"""A STAC item of the files that show one place at one time."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pystac

from catalogs.acquisition import SENTINEL2
from pipelines.own_files.errors import FileRefused
from pipelines.own_files.file_name import FileName, Span
from pipelines.own_files.sensor_choice import band_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalogs.sensors import Sensor
    from pipelines.own_files.options import OwnFilesOptions
    from pipelines.own_files.raster import RasterFacts

EXTENSIONS: Final = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "raster/v2.0.0", "file/v2.1.0")
)
ODD: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFile:
    """One file of one band."""

    name: FileName
    facts: RasterFacts
    band: str
    """As it is spelled, by its path or by the splitting."""


def item_id(key: tuple[str, ...], *, whole: bool = False) -> str:
    """Returns an id for the files of a key: the last part of it, or all of it where that is not unique."""
    parts = key if whole else key[-1:]
    return ODD.sub("-", "_".join(parts)).strip("-_.") or "scene"


def make_item(identity: str, files: Sequence[OwnFile], sensor: Sensor, options: OwnFilesOptions) -> pystac.Item:
    """Returns the item of some files, its hrefs absolute.

    A day of which no time is known is given as the day from its first to its last second, so that nobody takes
    midnight for the time of the acquisition.

    Args:
        identity: Id of the item.
        files: At least one, all of the sensor.
        sensor: Whose bands they are.
        options: What the user says.

    Raises:
        FileRefused: A band stands twice, or nothing tells the time.
    """
    chosen: dict[str, OwnFile] = {}
    for file in sorted(files, key=lambda file: file.facts.gsd):
        band = band_named(sensor, file.band)
        assert band is not None, "the sensor was chosen by its bands"
        if band.id in chosen and chosen[band.id].facts.gsd == file.facts.gsd:
            other = chosen[band.id].facts.path.name
            raise FileRefused(
                f"an item has each band once, {other} and {file.facts.path.name} are both {band.id}; rename one"
            )
        chosen.setdefault(band.id, file)
    finest = next(iter(chosen.values()))
    span = _span(files, options)
    item = pystac.Item(
        id=identity,
        geometry=finest.facts.geometry,
        bbox=list(finest.facts.bbox),
        datetime=span.start if span.is_instant else None,
        start_datetime=None if span.is_instant else span.start,
        end_datetime=None if span.is_instant else span.end,
        properties=_properties(files, sensor),
        stac_extensions=list(EXTENSIONS),
    )
    for band_id in sorted(chosen):
        item.add_asset(band_id, _asset(chosen[band_id], band_id, sensor, options))
    return item


def relative_href(path: Path, document: Path) -> str:
    """Returns the href of a file as it stands in a document: relative, so that the whole may be moved."""
    return Path(os.path.relpath(path, document.parent)).as_posix()


def _span(files: Sequence[OwnFile], options: OwnFilesOptions) -> Span:
    if options.time is not None:
        return Span(start=options.time, end=options.time)
    named = [file.name.span for file in files if file.name.span]
    if named:
        # of one day with and without a time the time says more
        return min(named, key=lambda span: (span.end - span.start, span.start))
    tagged = sorted(file.facts.time for file in files if file.facts.time)
    if tagged:
        return Span(start=tagged[0], end=tagged[0])
    raise FileRefused("the time must be known, neither name nor tags have one; put a day in the name or add --time")


def _properties(files: Sequence[OwnFile], sensor: Sensor) -> dict[str, object]:
    stated: dict[str, object] = {}
    platform = next((file.name.platform for file in files if file.name.platform in sensor.satellites), "")
    if platform:
        stated["platform"] = platform
    if sensor.constellations:
        stated["constellation"] = sensor.constellations[0]
    if sensor.instruments:
        stated["instruments"] = list(sensor.instruments)
    product = next((file.name.product for file in files if file.name.product), "")
    if SENTINEL2.fullmatch(product):
        stated["s2:product_uri"] = product
    return stated


def _asset(file: OwnFile, band_id: str, sensor: Sensor, options: OwnFilesOptions) -> pystac.Asset:
    facts = file.facts
    fields: dict[str, object] = {
        "bands": [{"name": band_id}],
        "data_type": facts.data_type,
        "gsd": facts.gsd,
        **facts.projection,
        "file:size": facts.size_bytes,
    }
    if facts.checksum:
        fields["file:checksum"] = facts.checksum
    nodata = options.nodata if facts.nodata is None else facts.nodata
    if nodata is not None:
        fields["nodata"] = str(nodata) if nodata != nodata else nodata  # noqa: PLR0124 NaN, which JSON has not
    if sensor.band(band_id).kind != "mask":
        scale, offset = facts.scale, facts.offset
        if options.scale is not None:
            scale, offset = options.scale, options.offset
        told = {"raster:scale": scale, "raster:offset": offset, "unit": options.unit or facts.unit}
        fields |= {name: value for name, value in told.items() if value is not None}
    media = "image/tiff; application=geotiff"
    return pystac.Asset(href=str(facts.path), media_type=media, roles=["data"], title=band_id, extra_fields=fields)
