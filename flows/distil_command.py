"""`ringmoe distil`: a dense student of trained weights."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1
EXIT_WRONG = 2


def distil(  # noqa: PLR0917 each is an option of its own
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="The teacher: nano, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option("--out", help="Weights to write (.safetensors).")],
    method: Annotated[
        str, typer.Option("--method", help="First values: KS, KA, KC, select, random or random-experts.")
    ] = "select",
    width: Annotated[int, typer.Option("--width", min=1, help="Hidden width over that of one expert.")] = 3,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps.")] = 800,
    regions: Annotated[int, typer.Option("--regions", min=1, help="Simulated training regions.")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Of chips and first values.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render, threads that train.")] = 2,
) -> None:
    """Turn a mixture of experts into a dense model, teach it what the mixture says, measure it on unseen regions."""
    from flows.distil import DistilRun, distil_with_progress
    from flows.errors import ConfigError

    run = DistilRun(
        weights=weights, method=method, width=width, steps=steps, regions=regions, seed=seed, workers=workers
    )
    try:
        with redirect_stdout(sys.stderr):
            report = distil_with_progress(run, out)
    except ConfigError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    except Exception as error:
        typer.echo(f"ringmoe: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(json.dumps(report.to_dict()))
