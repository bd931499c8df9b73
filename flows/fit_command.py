"""The command `ringmoe fit`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from flows.fit_report import FitReport

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2


def fit(  # noqa: PLR0917 each is an option of its own
    region: Annotated[Path | None, typer.Argument(metavar="[REGION.yaml]", help="The region's YAML file.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Polygons or points: GeoPackage, GeoJSON, Shapefile, GeoParquet, CSV."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Instead of a region: points with their series, Parquet, CSV or JSON."),
    ] = None,
    column: Annotated[str | None, typer.Option("--column", help="Column of the class.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File of the head (.safetensors).")] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Spatial folds that accuracy is measured over.")] = 5,
    block_km: Annotated[
        float | None, typer.Option("--block-km", help="Side of the blocks that are never divided.")
    ] = None,
    buffer_m: Annotated[
        float, typer.Option("--buffer-m", min=0, help="Least distance of what is learnt to what is tested.")
    ] = 0.0,
    features: Annotated[
        str, typer.Option("--features", help="What the head reads: both, maps or statistics.")
    ] = "both",
    hidden: Annotated[int, typer.Option("--hidden", min=0, help="Width of a hidden layer; 0 is a linear head.")] = 0,
    min_samples: Annotated[
        int | None, typer.Option("--min-samples", min=1, help="A class with fewer samples is left out.")
    ] = None,
    random_sample: Annotated[
        bool, typer.Option("--random-sample", help="The labels are points drawn at random: areas are estimated too.")
    ] = False,
    layer: Annotated[str | None, typer.Option("--layer", help="Of a file of labels with several.")] = None,
    columns: Annotated[
        Path | None, typer.Option("--columns", help="YAML of what a table's columns are; WorldCereal's are known.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of folds, draws and descent.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Learn your own classes from labels over a region's cube, or from a table of points: a head and a report."""
    if (region is None) == (table is None):
        _wrong("give a region with --labels, or --table alone; see `ringmoe fit --help`")
    given: dict[str, object] = {"out": out, "folds": folds, "block_km": block_km, "buffer_m": buffer_m, "seed": seed}
    if min_samples is not None:
        given["min_samples"] = min_samples
    with _faults(), redirect_stdout(sys.stderr):
        if table is not None:
            if labels is not None or layer is not None:
                _wrong("--labels and --layer belong to a region, got them with --table; leave them out")
            report, head = _points(table, given | {"column": column, "columns": columns})
        else:
            assert region is not None, "one of both is given"
            if labels is None or column is None:
                _wrong("a region needs --labels and --column; name the file and the column of the class")
            more = {"labels": labels, "column": column, "layer": layer, "features": features, "hidden": hidden}
            more |= {"random_sample": random_sample}
            report, head = _region(region, given | more)
        from flows.fit_report import summary, write_report

        page, _ = write_report(report, head.with_suffix(""))
    print(json.dumps(report.to_dict() | {"report": str(page)}) if as_json else summary(report, page))  # noqa: T201


def _region(region: Path, given: dict[str, object]) -> tuple[FitReport, Path]:
    from flows.fit import fit_region
    from flows.fit_options import FitOptions
    from flows.fit_progress import FitProgress
    from flows.region_file import load_region

    config = load_region(region)
    options = FitOptions(**given)  # type: ignore[arg-type]
    with FitProgress() as progress:
        return fit_region(config, options, on_progress=progress)


def _points(table: Path, given: dict[str, object]) -> tuple[FitReport, Path]:
    from flows.fit_points import PointOptions, fit_points
    from flows.fit_progress import FitProgress

    options = PointOptions(table=table, **given)  # type: ignore[arg-type]
    with FitProgress() as progress:
        return fit_points(options, on_progress=progress)


@contextmanager
def _faults() -> Iterator[None]:
    from flows.errors import ConfigError
    from pipelines.training.own_labels.errors import LabelError

    try:
        yield
    except (typer.Exit, KeyboardInterrupt):
        raise
    except (ConfigError, LabelError) as error:
        _wrong(str(error))
    except Exception as error:
        print(f"ringmoe: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_FAILED) from error


def _wrong(message: str) -> NoReturn:
    print(f"ringmoe: {message}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(EXIT_WRONG)
