"""`ringmoe prune`: smaller weights from trained ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2


def prune(  # noqa: PLR0917 each is an option of its own
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Weights to prune: nano, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option("--out", help="Weights to write (.safetensors).")],
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Modality to keep, once for each; the others go.")
    ] = None,
    keep: Annotated[
        float | None, typer.Option("--keep", help="Share of collaborative experts to keep in each layer, e.g. 0.25.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="With --keep: rank by output-norm (the default) or frequency.")
    ] = None,
    gate: Annotated[
        str | None, typer.Option("--gate", help="With --keep: original gates (the default) or recalibrated.")
    ] = None,
    dense: Annotated[
        str | None,
        typer.Option("--dense", help="One dense network a block instead of experts: KS, KA, KC, select or random."),
    ] = None,
    ratio: Annotated[
        int | None, typer.Option("--ratio", help="With --dense: hidden over input width; default that of one expert.")
    ] = None,
    refit: Annotated[
        bool | None,
        typer.Option("--refit/--no-refit", help="With --dense: fit outgoing weights to the layers (the default)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Keep some modalities, prune experts, or make a dense model; measured on simulated regions, trained on nothing."""
    from flows.errors import ConfigError
    from flows.prune import PruneRun, prune_weights, report_text
    from ringmoe_core import CheckpointError

    try:
        run = PruneRun(
            weights=weights,
            modalities=tuple(modality or ()),
            keep=keep,
            by=by,
            gate=gate,
            dense=dense,
            ratio=ratio,
            refit=refit,
        )
        report = prune_weights(run, out, say=lambda line: typer.echo(line, err=True))
    except ConfigError as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    except (CheckpointError, OSError) as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(json.dumps(report.to_dict()) if as_json else report_text(report))
