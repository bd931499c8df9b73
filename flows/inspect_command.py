"""`ringmoe inspect`: which items of a catalogue can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.cube.item_verdict import ItemVerdict

EXIT_CONTRADICTIONS: Final = 3
EXIT_WRONG: Final = 2

LISTED: Final = ("contradicts", "resolved", "uncalibrated", "unknown", "unreadable")
"""Verdicts whose items are named in the table's notes."""


def inspect(
    catalog: Annotated[
        Path,
        typer.Argument(metavar="CATALOG", help="A catalog.json, a folder that holds one, or a folder of item files."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an item, one a line.")] = False,
    pixels: Annotated[
        bool, typer.Option("--pixels/--no-pixels", help="Hold Sentinel-2 offsets against the pixels that can be read.")
    ] = True,
) -> None:
    """Judge the radiometry of every item. Exit 0; 3 if an item contradicts itself or its pixels; 2 for a wrong path."""
    from catalogs.errors import CatalogError
    from flows.inspect_catalog import inspect_catalog

    try:
        verdicts = inspect_catalog(catalog, pixels=pixels)
    except CatalogError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    if as_json:
        for verdict in verdicts:
            typer.echo(json.dumps(verdict.to_dict(), allow_nan=False))
    else:
        typer.echo(inspect_text(verdicts))
    raise typer.Exit(EXIT_CONTRADICTIONS if any(v.verdict == "contradicts" for v in verdicts) else 0)


def inspect_text(verdicts: Iterable[ItemVerdict]) -> str:
    """Returns the counts as a table of collections and verdicts, and below it the items that need a look."""
    verdicts = tuple(verdicts)
    found = sorted({verdict.verdict for verdict in verdicts})
    collections = sorted({verdict.collection for verdict in verdicts})
    rows = [["collection", *found, "items"]]
    for collection in collections:
        own = [verdict.verdict for verdict in verdicts if verdict.collection == collection]
        rows.append(
            [printable(collection) or "(none)", *(str(own.count(name) or "-") for name in found), str(len(own))]
        )
    every = [verdict.verdict for verdict in verdicts]
    rows.append(["all", *(str(every.count(name)) for name in found), str(len(every))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(wide) for cell, wide in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    notes = [
        f"{verdict.verdict}: {printable(verdict.item)}\n    {printable(str(verdict.evidence.get('why', '')))}"
        for name in LISTED
        for verdict in verdicts
        if verdict.verdict == name
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def printable(text: str) -> str:
    """Returns a text that no terminal takes for a command: what is not printable stands as its escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
