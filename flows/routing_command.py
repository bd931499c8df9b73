"""`ringmoe routing`: which experts a checkpoint's tokens take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2


def routing(
    weights: Annotated[str, typer.Option("--weights", help="A shipped checkpoint's name, or a file.")] = "nano",
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("routing.html"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the values as one JSON object.")] = False,
) -> None:
    """Draw which experts the tokens of simulated regions take: use, entropy, load, and maps over an image."""
    from flows.errors import ConfigError
    from flows.routing import study_routing
    from flows.routing_page import routing_page
    from flows.routing_regions import RegionSet
    from flows.run_report import write_atomically
    from flows.weights import weights_path
    from ringmoe_core import CheckpointError

    try:
        study = study_routing(weights_path(weights), RegionSet())
        write_atomically(out, routing_page(study))
    except ConfigError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    except (CheckpointError, OSError) as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    if as_json:
        typer.echo(json.dumps({**study.to_dict(), "page": str(out)}))
        return
    for finding in study.findings:
        typer.echo(finding.text)
        for case in finding.cases:
            typer.echo(f"  {case}")
    typer.echo(str(out))
