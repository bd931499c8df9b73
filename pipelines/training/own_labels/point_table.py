"""Tables of points with a series a sensor: WorldCereal's extractions as they are, others by a mapping of columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pipelines.inference.channels import MODALITY_BANDS, day_fraction, normalise
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.label_file import (
    LATITUDE_NAMES,
    LONGITUDE_NAMES,
    class_names,
    column_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Unit = Literal["reflectance", "reflectance_10000", "power", "db", "worldcereal_dn"]
UNITS: Final[tuple[Unit, ...]] = ("reflectance", "reflectance_10000", "power", "db", "worldcereal_dn")
OPTICAL_UNITS: Final = ("reflectance", "reflectance_10000")
SERIES: Final = ("ms", "sar_l2")
STEP: Final = "{step}"
MIDDLE_OF_MONTH: Final = np.timedelta64(14, "D")

WORLDCEREAL_SERIES: Final = {
    "ms": {band: f"OPTICAL-{band}-ts{STEP}-*" for band in MODALITY_BANDS["ms"]},
    "sar_l2": {band: f"SAR-{band}-ts{STEP}-*" for band in MODALITY_BANDS["sar_l2"]},
}
WORLDCEREAL_MISSING: Final = 65535
WORLDCEREAL_DB: Final = (20.0, -83.0)
"""dB = 20 log10(DN) - 83, the scaling of the extractions' Sentinel-1 (WorldCereal classification, data README)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column of a table means what."""

    lon: str
    lat: str
    """Degrees."""

    series: Mapping[str, Mapping[str, str]]
    """By modality (`ms`, `sar_l2`) and band the columns, with `{step}` for the number of the step."""

    units: Mapping[str, Unit]
    """By modality."""

    start: str
    """Column of the first step's month, or that date itself."""

    survey: str | None = None
    """Column of who collected the sample; None where there is none."""

    missing: float | None = None
    """Value that means none, besides empty cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTable:
    """Labelled points with normalised series."""

    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    """(point,) degrees."""

    name: npt.NDArray[np.str_]
    """(point,) the class."""

    survey: npt.NDArray[np.str_] | None
    """(point,) who collected it."""

    series: Mapping[str, npt.NDArray[np.float32]]
    """By modality (point, step, band), normalised as the model's input, NaN missing."""

    day: npt.NDArray[np.float32]
    """(point, step) fraction of the year."""

    skipped: Mapping[str, int] = field(default_factory=dict)


def read_points(path: Path, column: str | None, columns: Path | None = None) -> tuple[PointTable, str]:
    """Returns the points of a table, and the column that their classes come from.

    Args:
        path: `.parquet`, `.csv` or `.json`.
        column: Column of the class; None takes `sampling_label` of a WorldCereal table.
        columns: YAML of `Columns`; None recognises a WorldCereal table.

    Raises:
        LabelError: The file, a column or a value breaks a rule.
    """
    table = _table(path)
    names = [str(name) for name in table.columns]
    known = is_worldcereal(names)
    mapping = worldcereal_columns(names) if columns is None and known else read_columns(columns, path)
    if column is None and not known:
        raise LabelError(f"the column of the class must be named, got none for {path}; add --column")
    label = column_of(names, column or "sampling_label", path)
    for name in (mapping.lon, mapping.lat, *([mapping.survey] if mapping.survey else [])):
        column_of(names, name, path)
    return _points(table, mapping, label, path), label


def is_worldcereal(names: list[str]) -> bool:
    """Returns whether the columns are those of WorldCereal's extractions."""
    return any(re.fullmatch(r"OPTICAL-B\w+-ts\d+-\d+m", name) for name in names)


def worldcereal_columns(names: list[str]) -> Columns:
    """Returns the mapping of WorldCereal's extractions."""
    return Columns(
        lon="lon",
        lat="lat",
        series=WORLDCEREAL_SERIES,
        units={"ms": "reflectance_10000", "sar_l2": "worldcereal_dn"},
        start="start_date",
        survey="ref_id" if "ref_id" in names else None,
        missing=WORLDCEREAL_MISSING,
    )


def read_columns(path: Path | None, table: Path) -> Columns:
    """Returns the mapping of a YAML file.

    Raises:
        LabelError: No file, no mapping, an unknown key or unit.
    """
    import yaml

    if path is None:
        raise LabelError(
            f"{table} is no WorldCereal table (no column OPTICAL-B02-ts0-10m); say what its columns are by --columns"
        )
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabelError(f"columns must be a readable YAML file, got {path} ({error}); write it anew") from error
    if not isinstance(document, dict):
        raise LabelError(f"columns must be a mapping of keys, got {type(document).__name__} in {path}; see the manual")
    known = set(Columns.__dataclass_fields__)
    needed = {"series", "units", "start"}
    unknown, absent = sorted(set(document) - known), sorted(needed - set(document))
    if unknown or absent:
        raise LabelError(f"{path} holds the keys {sorted(known)}, got unknown {unknown}, missing {absent}; mend it")
    values: dict[str, Any] = {"lon": LONGITUDE_NAMES[0], "lat": LATITUDE_NAMES[0]} | document
    mapping = Columns(**values)
    _check_columns(mapping, path)
    return mapping


def _check_columns(mapping: Columns, path: Path) -> None:
    wrong = sorted(set(mapping.series) - set(SERIES)) if isinstance(mapping.series, dict) else ["series"]
    if wrong or not mapping.series:
        raise LabelError(f"series are of {list(SERIES)}, got {wrong or 'none'} in {path}; name one of them")
    for name, bands in mapping.series.items():
        unit = mapping.units.get(name)
        if unit not in UNITS or (unit in OPTICAL_UNITS) != (name == "ms"):
            raise LabelError(
                f"the unit of {name} is one of {list(UNITS)} that fits it, got {unit!r} in {path}; correct it"
            )
        unknown = sorted(set(bands) - set(MODALITY_BANDS[name]))  # type: ignore[index]
        if unknown or not all(STEP in column for column in bands.values()):
            raise LabelError(
                f"bands of {name} are of {list(MODALITY_BANDS[name])} with {STEP} in their columns, "  # type: ignore[index]
                f"got {dict(bands)} in {path}; correct them"
            )


def _table(path: Path) -> Any:
    import pandas as pd

    readers: dict[str, Any] = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".json": pd.read_json}
    if not path.is_file():
        raise LabelError(f"points must be a file, got {path}, which is none; check the path")
    if path.suffix.lower() not in readers:
        raise LabelError(f"a table of points is {', '.join(readers)}, got {path}; convert it")
    try:
        table = readers[path.suffix.lower()](path)
    except (ValueError, OSError) as error:
        raise LabelError(f"a table of points must be readable, got {path} ({error}); export it again") from error
    if not len(table):
        raise LabelError(f"a table of points needs rows, {path} has none; export it again")
    return table


def _points(table: Any, mapping: Columns, label: str, path: Path) -> PointTable:
    name, labelled = class_names(table[label])
    lon, lat = (_degrees(table[axis]) for axis in (mapping.lon, mapping.lat))
    placed = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)  # noqa: PLR2004 the globe
    steps = _steps(table, mapping, path)
    series = {modality: _series(table, mapping, modality, steps) for modality in mapping.series}
    day = _days(table, mapping, steps, path)
    dated = np.isfinite(day[:, 0])
    observed = np.any([np.isfinite(values).any(axis=(1, 2)) for values in series.values()], axis=0)
    reasons = np.select(
        [~labelled, ~placed, ~dated, ~observed], ["no_class", "no_place", "no_start", "no_observation"], ""
    )
    kept = reasons == ""
    skipped = {str(reason): int((reasons == reason).sum()) for reason in sorted(set(reasons.tolist()) - {""})}
    if not kept.any():
        raise LabelError(f"points need one row that can be used, {path} has none: {skipped}; mend them")
    survey = None if mapping.survey is None else class_names(table[mapping.survey])[0][kept]
    return PointTable(
        lon=lon[kept],
        lat=lat[kept],
        name=name[kept],
        survey=survey,
        series={modality: values[kept] for modality, values in series.items()},
        day=day[kept],
        skipped=skipped,
    )


def _steps(table: Any, mapping: Columns, path: Path) -> list[int]:
    """Numbers of the steps that any band of any modality has, ascending."""
    found = {
        int(match[1])
        for bands in mapping.series.values()
        for template in bands.values()
        for name in table.columns
        if (match := _pattern(template).fullmatch(str(name)))
    }
    if not found:
        raise LabelError(f"series need a column a step, {path} has none of {dict(mapping.series)}; correct the mapping")
    return sorted(found)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(re.escape(STEP), r"(\d+)").replace(r"\*", ".*"))


def _series(table: Any, mapping: Columns, modality: str, steps: list[int]) -> npt.NDArray[np.float32]:
    bands = MODALITY_BANDS[modality]  # type: ignore[index]
    physical = np.full((len(table), len(steps), len(bands)), np.nan, dtype=np.float64)
    for index, band in enumerate(bands):
        template = mapping.series[modality].get(band)
        if template is None:
            continue
        pattern = _pattern(template)
        for name in table.columns:
            match = pattern.fullmatch(str(name))
            if match and int(match[1]) in steps:
                values = _numbers(table[name])
                physical[:, steps.index(int(match[1])), index] = values
    if mapping.missing is not None:
        physical[physical == mapping.missing] = np.nan
    scaled = _physical(physical, mapping.units[modality]).astype(np.float32)
    flat = normalise(scaled.reshape(-1, len(bands), 1, 1), bands, modality)  # type: ignore[arg-type]
    return np.asarray(flat.reshape(physical.shape))


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"series are numbers or empty, got {error} in column {column.name!r}; export it with decimal "
            "points, and state by `missing` what means none"
        ) from error


def _degrees(column: Any) -> npt.NDArray[np.float64]:
    """Numbers, NaN where a cell is none."""
    import pandas as pd

    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _physical(values: npt.NDArray[np.float64], unit: Unit) -> npt.NDArray[np.float64]:
    """Reflectance of 1, or linear power, from what the table holds."""
    if unit == "reflectance_10000":
        return values * 1e-4
    if unit == "worldcereal_dn":
        factor, offset = WORLDCEREAL_DB
        values = np.where(values > 0, values, np.nan)
        return np.asarray(10 ** ((factor * np.log10(values) + offset) / 10))
    return np.asarray(10 ** (values / 10)) if unit == "db" else values


def _days(table: Any, mapping: Columns, steps: list[int], path: Path) -> npt.NDArray[np.float32]:
    """Fraction of the year at the middle of each step's month, (point, step), NaN in rows without a first month."""
    stated = table[mapping.start].to_numpy() if mapping.start in table.columns else np.full(len(table), mapping.start)
    texts, place = np.unique([str(entry)[:10] for entry in stated], return_inverse=True)
    month = np.array([_month(text) for text in texts], dtype="datetime64[M]")[place]
    known = ~np.isnat(month)
    if not known.any():
        raise LabelError(
            f"start must be a column of {path} or a date, got {mapping.start!r} ({texts[0]}); write year-month-day"
        )
    months = month[known, None] + (np.array(steps) - steps[0])
    days = np.full((len(table), len(steps)), np.nan, dtype=np.float32)
    days[known] = day_fraction(np.asarray(months.astype("datetime64[D]") + MIDDLE_OF_MONTH, dtype="datetime64[D]"))
    return days


def _month(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "M")
    except ValueError:
        return np.datetime64("NaT", "M")
