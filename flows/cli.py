"""The command line. Heavy modules are imported by the command that needs them, so that `--help` stays quick."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from flows.calibrate_command import calibrate
from flows.catalog_command import catalog
from flows.distil_command import distil
from flows.evaluate_command import evaluate
from flows.fit_command import fit
from flows.inspect_command import inspect
from flows.models_command import models
from flows.prune_command import prune
from flows.routing_command import routing
from flows.store_command import store
from flows.torture_command import torture
from flows.train_command import train

if TYPE_CHECKING:
    from flows.config import RegionConfig
    from flows.run_report import RunReport

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2
EXIT_OVER_BUDGET: Final = 3

app = typer.Typer(
    name="ringmoe",
    help="Co-registered optical and SAR cubes from STAC, mapped by RingMoE into land cover and change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (models, fit, evaluate, routing, prune, distil, calibrate, inspect, catalog, torture, train):
    app.command()(command)
app.add_typer(store, name="store")

RegionArgument = Annotated[Path, typer.Argument(metavar="REGION.yaml", help="The region's YAML file.")]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="KEY=VALUE", help="Refuse more: time=30min, read=20GB, requests=5000 and so on."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ScenesOption = Annotated[
    Path | None, typer.Option("--scenes", help="scenes.parquet of an earlier run: nothing is searched.")
]


def main() -> None:
    """Runs the command line."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"ringmoe {version('ringmoe-datacube')}")
        raise typer.Exit


@app.callback()
def _ringmoe(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the client tells of its retries itself
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="[REGION.yaml]", help="Where to write.")] = Path("region.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented region to start from."""
    from flows.region_template import TEMPLATE

    if path.exists() and not force:
        _wrong(f"{path} exists already; name another file, or add --force to replace it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE, encoding="utf-8")
    print(f"wrote {path}; next: ringmoe plan {path}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a region."""
    from flows.config import RegionConfig

    print(json.dumps(RegionConfig.model_json_schema(), indent=2))


@app.command()
def plan(
    region: RegionArgument, as_json: JsonOption = False, scenes: ScenesOption = None, budget: BudgetOption = None
) -> None:
    """Show what a run would do and cost. Writes nothing. Exit 3 where that is over the budget."""
    config = _with_budget(_with_scenes(_load(region), scenes), budget)
    from flows.plan import plan_region, plan_text

    with _stage_faults(), redirect_stdout(sys.stderr):
        planned = plan_region(config)
    print(json.dumps(planned.to_dict()) if as_json else plan_text(planned))
    if planned.over_budget:
        print(f"ringmoe: over budget: {'; '.join(planned.over_budget)}", file=sys.stderr)
        raise typer.Exit(EXIT_OVER_BUDGET)


@app.command()
def run(
    region: RegionArgument,
    as_json: JsonOption = False,
    server: Annotated[
        bool, typer.Option("--server", help="Run as Prefect flows: on PREFECT_API_URL, or on a server started here.")
    ] = False,
    scenes: ScenesOption = None,
    budget: BudgetOption = None,
) -> None:
    """Run a region: search, cube, inference, products, catalogue. Exit 0; 1 if it failed; 2 for a wrong region."""
    config = _with_budget(_with_scenes(_load(region), scenes), budget)
    report = _run(config, server=server)
    if as_json:
        sys.stderr.flush()
        print(report.to_json(), flush=True)
    else:
        from flows.tables import summary

        print(summary(report))
    raise typer.Exit(report.exit_code)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = Path("out/demo"),
) -> None:
    """Run six real pairs and a simulated region offline; leaves run.json and report.html."""
    from flows.demo import run_demo

    raise typer.Exit(run_demo(out))


def _load(path: Path) -> RegionConfig:
    from flows.errors import ConfigError
    from flows.region_file import load_region

    try:
        return load_region(path)
    except ConfigError as error:
        _wrong(str(error))


def _with_budget(config: RegionConfig, entries: list[str] | None) -> RegionConfig:
    if not entries:
        return config
    from flows.budget import parse_budget
    from flows.errors import ConfigError

    try:
        return config.model_copy(update={"budget": parse_budget(entries, config.budget)})
    except ConfigError as error:
        _wrong(str(error))


def _with_scenes(config: RegionConfig, scenes: Path | None) -> RegionConfig:
    if scenes is None:
        return config
    if not scenes.is_file():
        _wrong(f"--scenes must be the scenes.parquet of an earlier run, got {scenes}, which is no file")
    return config.model_copy(update={"scenes": scenes.absolute()})


def _run(config: RegionConfig, *, server: bool) -> RunReport:
    from flows.errors import ConfigError, RunFailedError
    from flows.launch import launch

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with redirect_stdout(sys.stderr):
            return launch(config, server=server)
    except RunFailedError as error:
        print(f"ringmoe: the run failed: {error}", file=sys.stderr)
        return error.report
    except ConfigError as error:
        _wrong(str(error))


def _interrupt(number: int, _frame: object) -> NoReturn:
    """Ends a run as Ctrl-C does, so that its report is written and its server stopped."""
    raise KeyboardInterrupt(f"ended by signal {number}")


@contextmanager
def _stage_faults() -> Iterator[None]:
    from flows.errors import ConfigError

    try:
        yield
    except ConfigError as error:
        _wrong(str(error))
    except Exception as error:
        print(f"ringmoe: {type(error).__name__}: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error


def _wrong(message: str) -> NoReturn:
    print(f"ringmoe: {message}", file=sys.stderr)
    raise typer.Exit(EXIT_WRONG)
