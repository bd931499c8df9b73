"""`ringmoe torture`: a catalogue of everything that goes wrong, for any reader to be held to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def torture(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; made where it is absent, else empty.")],
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it on loopback with its faults until interrupted; writes if absent.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to serve on; 0 takes a free one.")] = 0,
) -> None:
    """Write a STAC catalogue whose every item has something wrong, and what must become of it (expected.json)."""
    from pipelines.simulate.torture import MANIFEST_FILE, read_manifest, write_torture

    if serve and (out / MANIFEST_FILE).is_file():
        manifest = read_manifest(out / MANIFEST_FILE)
    else:
        try:
            manifest = write_torture(out)
        except ValueError as error:
            typer.echo(f"ringmoe: {error}", err=True)
            raise typer.Exit(2) from error
    typer.echo(f"{len(manifest.entries)} items in {out}, what must become of each in {out / MANIFEST_FILE}")
    if serve:
        _serve(out, port)


def _serve(folder: Path, port: int) -> None:
    import signal

    from pipelines.simulate.torture import TortureServer

    with TortureServer(folder, port=port) as server:
        typer.echo(f"STAC API and files at {server.url} until interrupted")
        try:
            signal.pause()
        except KeyboardInterrupt:
            typer.echo(f"{sum(server.asked.values())} requests for files were answered")
