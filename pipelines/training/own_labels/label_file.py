"""A user's labels from a file: polygons or points with a class, brought to the grid's CRS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGITUDE_NAMES: Final = ("lon", "longitude", "long", "x")
LATITUDE_NAMES: Final = ("lat", "latitude", "y")
DEGREES: Final = "EPSG:4326"
GEOMETRIES: Final = ("Point", "MultiPoint", "Polygon", "MultiPolygon")
PARQUET: Final = (".parquet", ".geoparquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labelled geometries in one projected CRS."""

    geometry: npt.NDArray[np.object_]
    """(label,) shapely points or polygons, valid and not empty."""

    name: npt.NDArray[np.str_]
    """(label,) the class as text."""

    epsg: int
    """CRS of the geometries."""

    skipped: Mapping[str, int]
    """How many rows of the file were left out, by reason."""

    def __post_init__(self) -> None:
        if self.geometry.shape != self.name.shape or self.geometry.ndim != 1:
            raise LabelError(
                f"each geometry has one class, got {self.geometry.shape} and {self.name.shape}; pass equal lengths"
            )


def read_labels(path: Path, column: str, *, epsg: int, layer: str | None = None) -> Labels:
    """Returns the labels of a GeoPackage, GeoJSON, Shapefile, GeoParquet or CSV file, brought to a CRS.

    Rows without a class, without a geometry, with an invalid one or one that is neither point nor polygon are left
    out and counted. Points of a CSV are columns of longitude and latitude in degrees.

    Args:
        path: The file.
        column: Column of the class; numbers become texts, whole floats without their point.
        epsg: Code of the projected CRS wanted.
        layer: Of a file with several layers.

    Raises:
        LabelError: No such file or column, no CRS, several layers and none named, or no row that can be used.
    """
    frame = _table(path, column, layer)
    if frame.crs is None:
        raise LabelError(
            f"labels must state their CRS, {path} states none; write it into the file (for a Shapefile the .prj)"
        )
    name, labelled = class_names(frame[column])
    geometry = np.asarray(frame.geometry.to_crs(epsg).array, dtype=object)
    wrong = np.array([_fault(shape) for shape in geometry], dtype=object)
    reasons = np.where(labelled, wrong, "no_class")
    kept = reasons == ""
    skipped = {str(reason): int((reasons == reason).sum()) for reason in sorted(set(reasons) - {""})}
    if not kept.any():
        raise LabelError(
            f"labels need one row that can be used, {path} has none: {skipped or 'it is empty'}; mend them"
        )
    return Labels(geometry=geometry[kept], name=name[kept], epsg=epsg, skipped=skipped)


def class_names(values: Any) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.bool_]]:
    """Returns each value as the text that names its class, and where there is one.

    Args:
        values: A column: texts, whole numbers, floats or bools; missing, NaN and blank texts name no class.
    """
    texts = ["" if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
    names = np.array(texts, dtype=np.str_)
    return names, names != ""


def column_of(columns: list[str], wanted: str, path: Path) -> str:
    """Returns a column's name where the file has it.

    Raises:
        LabelError: It has not.
    """
    if wanted in columns:
        return wanted
    near = [name for name in columns if name.lower() == wanted.lower()]
    hint = f"did you mean {near[0]!r}?" if near else "name one of them"
    raise LabelError(f"the column of the class must be in {path}, got {wanted!r} among {columns[:30]}; {hint}")


def _table(path: Path, column: str, layer: str | None) -> Any:
    if not path.is_file():
        raise LabelError(f"labels must be a file, got {path}, which is none; check the path")
    if path.suffix.lower() == ".csv":
        frame = _points_of_csv(path, column)
    elif path.suffix.lower() in PARQUET:
        frame = _geoparquet(path)
    else:
        frame = _vector(path, layer)
    column_of([str(name) for name in frame.columns if name != frame.geometry.name], column, path)
    return frame


def _points_of_csv(path: Path, column: str) -> Any:
    import geopandas
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:  # a parser's error and a wrong encoding are ValueErrors
        raise LabelError(f"labels must be a readable CSV table, got {path} ({error}); export it again") from error
    columns = [str(name) for name in table.columns]
    column_of(columns, column, path)
    place = [_first(columns, names) for names in (LONGITUDE_NAMES, LATITUDE_NAMES)]
    if None in place:
        raise LabelError(
            f"a CSV of points needs columns lon and lat in degrees, {path} has {columns[:30]}; rename them"
        )
    degrees = [pd.to_numeric(table[name], errors="coerce") for name in place]
    beyond = (degrees[0].abs() > 180) | (degrees[1].abs() > 90)  # noqa: PLR2004 the globe
    if beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        raise LabelError(
            f"lon and lat must be degrees within +-180 and +-90, row {row} of {path} has "
            f"({degrees[0][row]}, {degrees[1][row]}); give projected points as a GeoPackage with its CRS"
        )
    points = geopandas.GeoSeries(geopandas.points_from_xy(*degrees), crs=DEGREES)
    points[degrees[0].isna() | degrees[1].isna()] = None
    return geopandas.GeoDataFrame(table, geometry=points)


def _first(columns: list[str], names: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def _geoparquet(path: Path) -> Any:
    import geopandas

    try:
        return geopandas.read_parquet(path)
    except (ValueError, OSError) as error:
        raise LabelError(
            f"labels in Parquet must be GeoParquet, got {path} ({' '.join(str(error).split())}); a table of points "
            "with monthly series goes to --table"
        ) from error


def _vector(path: Path, layer: str | None) -> Any:
    import geopandas
    import pyogrio

    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(layers) > 1:
            raise LabelError(f"labels come from one layer, {path} has {layers}; name one by --layer")
        frame = geopandas.read_file(path, layer=layer or next(iter(layers), None))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        if isinstance(error, LabelError):
            raise
        raise LabelError(
            f"labels must be a GeoPackage, GeoJSON, Shapefile, GeoParquet or CSV, got {path} ({error}); export it again"
        ) from error
    if not hasattr(frame, "geometry") or frame.shape[1] < 1 or "geometry" not in frame.columns:
        raise LabelError(f"labels need geometries, {path} has a table without any; export points or polygons")
    return frame


def _fault(shape: Any) -> str:
    if shape is None or shape.is_empty:
        return "no_geometry"
    if shape.geom_type not in GEOMETRIES:
        return "neither_point_nor_polygon"
    if not np.isfinite(shape.bounds).all():
        return "outside_projection"
    return "" if shape.is_valid else "invalid_geometry"


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
