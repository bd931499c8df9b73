"""`ringmoe store`: what a cube takes on disk, its versions, and how the old ones go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from flows.size_text import size_text
from flows.tables import table

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2

store = typer.Typer(
    help="Look after a cube: its size, its versions, what may go. Nothing goes without --yes.",
    no_args_is_help=True,
)

Uri = Annotated[str, typer.Argument(metavar="URI", help="Folder of the cube, or s3://bucket/prefix.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would go is shown.")]

_AGE: Final = re.compile(r"(\d+)([hdw])")
_UNITS: Final[Mapping[str, timedelta]] = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


@store.command()
def info(uri: Uri, as_json: Json = False) -> None:
    """Show what a cube holds and takes on disk: by array, by kind of object and by age."""
    from pipelines.cube.usage import disk_usage

    with _faults():
        used = disk_usage(uri)
    if as_json:
        _print_json(used.to_dict())
        return
    dates = ", ".join(f"{number} dates of {group}" for group, number in used.dates.items()) or "no date"
    rows = [(group, name, size_text(size)) for group, arrays in used.arrays.items() for name, size in arrays.items()]
    big = sorted(rows, key=lambda row: (row[0], row[1]))
    lines = [
        f"{used.uri} @ {used.snapshot}: schema {used.schema_version or 'none yet'}, {dates}, {used.versions} versions",
        "",
        table(("group", "array", "newest version"), big),
        "",
        f"newest version {size_text(used.newest_bytes)}, all that lies there {size_text(used.total_bytes)}",
        "by kind: " + ", ".join(f"{kind} {size_text(size)}" for kind, size in used.kinds.items()),
        "by age:  "
        + ", ".join(f"up to {age} {size_text(size)}" for age, size in used.ages.items() if age != "older")
        + f", older {size_text(used.ages['older'])}",
    ]
    lines += [f"tag {name}: {snapshot}" for name, snapshot in used.tags.items()]
    typer.echo("\n".join(lines))


@store.command()
def history(uri: Uri, as_json: Json = False) -> None:
    """Show the versions of a cube, the newest first: when, by which run, which scenes."""
    from pipelines.cube.history import history as versions_of

    with _faults():
        versions = versions_of(uri)
    if as_json:
        _print_json({"uri": uri, "versions": [version.to_dict() for version in versions]})
        return
    rows = [(f"{v.time:%Y-%m-%d %H:%M:%S}", v.snapshot, v.run, v.group, v.message, " ".join(v.tags)) for v in versions]
    typer.echo(table(("time (UTC)", "snapshot", "run", "group", "message", "tags"), rows))


@store.command()
def expire(  # noqa: PLR0917 each is an option of its own
    uri: Uri,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="12h, 30d, 4w, or a date: versions before it go.")
    ],
    keep: Annotated[list[str] | None, typer.Option("--keep", metavar="SNAPSHOT", help="A snapshot that stays.")] = None,
    products: Annotated[
        list[Path] | None,
        typer.Option("--products", help="Folder of published products: the snapshots that they name stay."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take old versions out of the history; the newest, tagged ones and those of published products stay."""
    from pipelines.cube.history import history as versions_of
    from pipelines.cube.maintenance import expire as expire_versions

    before = _instant(older_than)
    with _faults():
        known = {version.snapshot for version in versions_of(uri)}
        named = known & published_beside(uri, products or ())
        done = expire_versions(uri, before, keep=[*(keep or ()), *sorted(named)], do_it=yes)
    if as_json:
        _print_json({"uri": uri, "older_than": before.isoformat(), **done.to_dict()})
        return
    rows = [(f"{v.time:%Y-%m-%d %H:%M:%S}", v.snapshot, v.message) for v in done.expired]
    typer.echo(table(("time (UTC)", "snapshot", "message"), rows))
    what = f"{len(done.expired)} versions before {before:%Y-%m-%d %H:%M}"
    kept = f"; {len(done.kept)} older ones stay" if done.kept else ""
    typer.echo(
        f"\n{what} {'have gone' if yes else 'would go'}{kept}; `ringmoe store gc` frees their bytes" + _hint(yes)
    )


@store.command()
def gc(uri: Uri, yes: Yes = False, as_json: Json = False) -> None:
    """Free what nothing points to: expired versions, and what killed runs left."""
    from pipelines.cube.maintenance import collect_garbage

    with _faults():
        found = collect_garbage(uri, do_it=yes)
    if as_json:
        _print_json({"uri": uri, **found.to_dict()})
        return
    what = f"{found.chunks} chunks, {found.manifests} manifests, {found.snapshots} snapshots, {len(found.branches)} "
    typer.echo(
        f"{size_text(found.num_bytes)} {'freed' if yes else 'would be freed'}: {what}branches of killed runs; looked "
        f"at what is older than {found.older_than:%Y-%m-%d %H:%M} UTC{_hint(yes)}"
    )


@store.command()
def delete(uri: Uri, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a cube with all of its versions."""
    from pipelines.cube.maintenance import delete_store

    with _faults():
        gone = delete_store(uri, do_it=yes)
    if as_json:
        _print_json(gone.to_dict())
        return
    what = f"{gone.uri}: {gone.objects} objects, {size_text(gone.num_bytes)}"
    typer.echo(f"{what} {'deleted' if yes else 'would be deleted'}{_hint(yes)}")


@store.command()
def migrate(uri: Uri, as_json: Json = False) -> None:
    """Bring a cube to this program's schema version, as a version of its own; builds do it by themselves."""
    from pipelines.cube.migration import migrate as migrate_cube
    from pipelines.cube.store import open_store
    from pipelines.schema import SCHEMA_VERSION

    with _faults():
        opened = open_store(uri)
        with opened.run("migrate") as run:
            snapshot = migrate_cube(run)
    if as_json:
        _print_json(
            {"uri": uri, "schema_version": SCHEMA_VERSION, "migrated": snapshot is not None, "snapshot": snapshot}
        )
        return
    typer.echo(f"{uri}: " + (f"now of schema {SCHEMA_VERSION} @ {snapshot}" if snapshot else "nothing to do"))


@store.command()
def tag(
    uri: Uri,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, . _ and -.")],
    snapshot: Annotated[str | None, typer.Option("--snapshot", help="Which version; left out: the newest.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the name away: the version may then expire.")] = False,
    as_json: Json = False,
) -> None:
    """Give a version a name: it never expires while it has one, and open_cube(uri, tag=NAME) opens it."""
    from pipelines.cube.history import remove_tag, tag_snapshot

    with _faults():
        named = remove_tag(uri, name) if remove else tag_snapshot(uri, name, snapshot)
    if as_json:
        _print_json({"uri": uri, "tag": name, "snapshot": named, "removed": remove})
        return
    typer.echo(f"{name} {'named' if remove else 'names'} {named}")


def published_beside(uri: str, products: list[Path] | tuple[Path, ...]) -> frozenset[str]:
    """Returns the snapshots that published products name: of the folders given, and of a local cube's own region."""
    from flows.paths import OutputPaths
    from flows.published import published_snapshots

    beside = [] if "://" in uri else [OutputPaths(root=Path(uri).absolute().parent).products]
    return published_snapshots([*products, *beside])


def _instant(text: str) -> datetime:
    """Returns the instant of an age or of a date, UTC."""
    aged = _AGE.fullmatch(text)
    try:
        moment = datetime.now(UTC) - int(aged[1]) * _UNITS[aged[2]] if aged else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        typer.echo(f"ringmoe: --older-than is an age such as 30d or a date such as 2026-01-31, got {text!r}", err=True)
        raise typer.Exit(EXIT_WRONG) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _hint(done: bool) -> str:
    return "" if done else "; add --yes to do it"


def _print_json(document: Mapping[str, object]) -> None:
    typer.echo(json.dumps(document))


@contextmanager
def _faults() -> Iterator[None]:
    from pipelines.cube import CubeError

    try:
        yield
    except CubeError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
