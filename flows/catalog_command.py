"""`ringmoe catalog`: a static catalogue of a folder of GeoTIFFs."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from pipelines.own_files import OwnFilesOptions, OwnFilesResult

EXIT_NOTHING: Final = 2


def catalog(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of GeoTIFFs.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Catalogue to write: in the folder or above it. [FOLDER/catalog.json]")
    ] = None,
    sensor: Annotated[
        str | None, typer.Option("--sensor", help="Sensor of all files, e.g. sentinel-2-msi; else told by the bands.")
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Id of the collection.")] = None,
    when: Annotated[
        str | None, typer.Option("--time", help="Acquisition of all files: 2021-06-01 or 2021-06-01T10:50:31Z.")
    ] = None,
    split: Annotated[bool, typer.Option("--split", help="Write multi-band files again, one file a band.")] = False,
    bands: Annotated[
        str | None, typer.Option("--bands", help="Their bands in order: red,green,blue,nir. Goes with --split.")
    ] = None,
    scale: Annotated[float | None, typer.Option("--scale", help="Physical value = number * scale + offset.")] = None,
    offset: Annotated[float | None, typer.Option("--offset", help="Added after scaling; goes with --scale.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="1 (reflectance, power), dB or amplitude.")] = None,
    nodata: Annotated[float | None, typer.Option("--nodata", help="Fill value of files that have none.")] = None,
    checksums: Annotated[bool, typer.Option("--checksums", help="Read every file through for its checksum.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a static catalogue of your own GeoTIFFs. Exit 2 if no file could be told."""
    try:
        options = _options(
            sensor=sensor,
            collection=collection,
            time=_instant(when),
            bands=tuple(name.strip() for name in bands.split(",")) if bands else (),
            split=split,
            scale=scale,
            offset=offset,
            unit=unit,
            nodata=nodata,
            checksums=checksums,
        )
        from pipelines.own_files import catalogue_folder

        with redirect_stdout(sys.stderr):
            result = catalogue_folder(folder, folder / "catalog.json" if out is None else out, options)
            questions = _questions(result)
    except ValueError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_NOTHING) from error
    shown = json.dumps({**asdict(result), "open_questions": questions}) if as_json else catalog_text(result, questions)
    typer.echo(shown)
    if not result.items:
        raise typer.Exit(EXIT_NOTHING)


def catalog_text(result: OwnFilesResult, questions: tuple[str, ...] = ()) -> str:
    """Returns what came of a folder, for a person; questions are what keeps items from being used."""
    from flows.tables import table

    rows = [(item.id, item.sensor, item.collection, item.start[:19], " ".join(item.bands)) for item in result.items]
    lines = [table(("item", "sensor", "collection", "time", "bands"), rows), ""] if rows else []
    lines += [f"not told: {row.path}: {row.reason}" for row in result.refused]
    lines += [f"not usable yet: {question}" for question in questions]
    told = f"wrote {result.catalog}" if result.items else "NOTHING WRITTEN: no file could be told"
    return "\n".join([*lines, f"{told}; {len(result.items)} items, {len(result.refused)} files not told"])


def _questions(result: OwnFilesResult) -> tuple[str, ...]:
    if not result.items:
        return ()
    from flows.catalog_check import open_questions

    return open_questions(Path(result.catalog), (item.collection for item in result.items))


def _options(**values: object) -> OwnFilesOptions:
    from pipelines.own_files import OwnFilesOptions

    return OwnFilesOptions(**values)  # type: ignore[arg-type]


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        if len(value) == len("2021-06-01"):
            return datetime.combine(date.fromisoformat(value), time(12), UTC)
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"--time is 2021-06-01 or 2021-06-01T10:50:31Z, got {value!r}; correct it") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
