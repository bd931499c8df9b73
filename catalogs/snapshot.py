"""A SceneSet as GeoParquet, so that a run never depends on a second search."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.errors import CatalogError
from catalogs.scenes import Annotation, Asset, Scene, SceneOutcome, SceneSet, Sighting

if TYPE_CHECKING:
    import pyarrow as pa

SNAPSHOT_VERSION = "2"
"""Layout of the file; another one is refused, never guessed at. 2: file size, checksum, shape and transform of assets,
annotations, what versions of an acquisition are told by, and what was skipped."""

VERSION_KEY, REST_KEY = b"ringmoe:snapshot_version", b"ringmoe:scene_set"
TIMES = ("time", "time_start", "time_end", "generated")

GEO_METADATA = {
    "version": "1.1.0",
    "primary_column": "footprint",
    "columns": {
        "footprint": {
            "encoding": "WKB",
            "geometry_types": ["Polygon"],
            "covering": {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}},
        }
    },
}
"""GeoParquet 1.1: longitude and latitude in OGC:CRS84 is its default, `bbox` lets readers skip row groups."""


def write_snapshot(scene_set: SceneSet, path: Path) -> None:
    """Writes a scene set: one row a scene, and the skipped ones, the count and the attribution in the file's metadata.

    Null means that the item does not say; NaN and 0 are values of their own. The file appears whole or not at all.

    Args:
        scene_set: What a search returned.
        path: File to write, replaced where it exists.

    Raises:
        ValueError: A footprint is not a closed ring, so that it has no exact form as a polygon.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(scene) for scene in scene_set.scenes]
    rest = {
        "skipped": [dataclasses.asdict(outcome) for outcome in scene_set.skipped],
        "unmatched": scene_set.unmatched,
        "attribution": list(scene_set.attribution),
    }
    metadata = {
        VERSION_KEY: SNAPSHOT_VERSION.encode(),
        REST_KEY: json.dumps(rest, sort_keys=True, default=datetime.isoformat).encode(),
        b"geo": json.dumps(GEO_METADATA, sort_keys=True).encode(),
    }
    table = pa.Table.from_pylist(rows, schema=_schema().with_metadata(metadata))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, part, compression="zstd")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_snapshot(path: Path) -> SceneSet:
    """Returns the scene set that `write_snapshot` wrote, equal to it in every value.

    Raises:
        CatalogError: The file is missing, is no Parquet file, or was not written by `write_snapshot` of this version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as cause:
        raise CatalogError(f"a snapshot is a Parquet file, {path} is not: {cause}; search again") from cause
    metadata = table.schema.metadata or {}
    version = metadata.get(VERSION_KEY, b"none").decode(errors="replace")
    if version != SNAPSHOT_VERSION:
        raise CatalogError(f"a snapshot has version {SNAPSHOT_VERSION}, {path} has {version}; search again")
    rest = json.loads(metadata[REST_KEY])
    return SceneSet(
        scenes=tuple(_scene(row) for row in table.to_pylist()),
        skipped=tuple(_outcome(outcome) for outcome in rest["skipped"]),
        unmatched=rest["unmatched"],
        attribution=tuple(rest["attribution"]),
    )


def _row(scene: Scene) -> dict[str, object]:
    import shapely

    ring = scene.footprint
    if len(ring) < 4 or ring[0] != ring[-1]:  # noqa: PLR2004 three corners and the first again
        raise ValueError(
            f"a footprint is a closed ring, {scene.id} has {ring[:1]}...{ring[-1:]}; repeat its first vertex"
        )
    row = {field.name: getattr(scene, field.name) for field in dataclasses.fields(scene)}
    row["footprint"] = shapely.to_wkb(shapely.Polygon(ring), byte_order=1)
    row["assets"] = [dataclasses.asdict(asset) for asset in scene.assets]
    row["annotations"] = [dataclasses.asdict(file) for file in scene.annotations]
    longitudes, latitudes = [x for x, _ in ring], [y for _, y in ring]
    corners = (min(longitudes), min(latitudes), max(longitudes), max(latitudes))
    return {**row, "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))}


def _scene(row: dict[str, Any]) -> Scene:
    import shapely

    values = {name: value for name, value in row.items() if name != "bbox"}
    for name in TIMES:
        instant: datetime | None = values[name]
        values[name] = instant and instant.astimezone(UTC)
    values["footprint"] = tuple((float(x), float(y)) for x, y in shapely.from_wkb(row["footprint"]).exterior.coords)
    values["assets"] = tuple(_asset(entry) for entry in row["assets"])
    values["annotations"] = tuple(Annotation(**entry) for entry in row["annotations"])
    return Scene(**values)


def _outcome(entry: dict[str, Any]) -> SceneOutcome:
    seen = entry["sighting"]
    if seen is not None:
        seen = Sighting(**{**seen, "time": datetime.fromisoformat(seen["time"]).astimezone(UTC)})
    return SceneOutcome(**{**entry, "sighting": seen})


def _asset(entry: dict[str, Any]) -> Asset:
    if entry["nodata"] is not None and math.isnan(entry["nodata"]):
        # within a dataclass NaN equals the very same object alone: with this one a set read equals the set written
        entry = {**entry, "nodata": math.nan}
    pairs = {name: entry[name] and tuple(entry[name]) for name in ("shape", "transform")}
    return Asset(**{**entry, **pairs})


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number, instant = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")
    asset = pa.struct(
        [
            pa.field("band", text, nullable=False),
            pa.field("href", text, nullable=False),
            pa.field("epsg", pa.int32()),
            pa.field("nodata", number),
            pa.field("scale", number),
            pa.field("offset", number),
            pa.field("unit", text),
            pa.field("data_type", text),
            pa.field("checksum", text),
            pa.field("size_bytes", pa.int64()),
            pa.field("shape", pa.list_(pa.int64())),
            pa.field("transform", pa.list_(number)),
        ]
    )
    annotation = pa.struct([pa.field(name, text, nullable=False) for name in ("kind", "href", "band", "swath")])
    bbox = pa.struct([pa.field(side, number, nullable=False) for side in ("xmin", "ymin", "xmax", "ymax")])
    numbers = ("cloud_cover", "sun_azimuth_deg", "sun_elevation_deg", "view_azimuth_deg", "view_incidence_deg")
    special: dict[str, pa.DataType] = {
        "footprint": pa.binary(),
        "assets": pa.list_(asset),
        "annotations": pa.list_(annotation),
        "relative_orbit": pa.int32(),
        "offset_applied": pa.bool_(),
        **dict.fromkeys(TIMES, instant),
        **dict.fromkeys(numbers, number),
    }
    names = [field.name for field in dataclasses.fields(Scene)]
    nullable = {"generated", "relative_orbit", "offset_applied", *numbers}
    fields = [pa.field(name, special.get(name, text), nullable=name in nullable) for name in names]
    return pa.schema([*fields, pa.field("bbox", bbox, nullable=False)])
