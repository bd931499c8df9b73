"""`ringmoe calibrate`: make the confidence of trained weights honest, and let them know what they have not seen."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1
EXIT_WRONG = 2


def calibrate(  # noqa: PLR0917 each is an option of its own
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="nano, nano-dense, or a checkpoint's path.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Weights to write (.safetensors); without it the same file.")
    ] = None,
    regions: Annotated[int, typer.Option("--regions", min=2, help="Held-out simulated regions to fit on.")] = 12,
    unseen: Annotated[int, typer.Option("--unseen", min=2, help="Others to measure on.")] = 20,
    statistics: Annotated[int, typer.Option("--statistics", min=1, help="Training regions behind novelty.")] = 24,
    seed: Annotated[int, typer.Option("--seed", help="Of the pixels and windows drawn.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render, threads of the model.")] = 2,
) -> None:
    """Fit temperatures and statistics of novelty on simulated regions, and measure confidence on unseen ones."""
    from flows.calibrate import CalibrateRun
    from flows.calibrate import calibrate as run_calibration
    from flows.errors import ConfigError

    run = CalibrateRun(
        weights=weights,
        regions=regions,
        unseen_regions=unseen,
        statistics_regions=statistics,
        seed=seed,
        workers=workers,
    )
    try:
        with redirect_stdout(sys.stderr):
            report = run_calibration(run, out)
    except ConfigError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    except Exception as error:
        typer.echo(f"ringmoe: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(json.dumps(report.to_dict()))
