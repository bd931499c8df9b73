"""`ringmoe evaluate`: a model, or predictions, put to a benchmark in its official format."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.evaluation import EvaluateReport, EvaluateRun
    from pipelines.training.protocols.settings import Adapt

EXIT_FAILED = 1
EXIT_WRONG = 2
EXIT_INTERRUPTED = 130


def evaluate(  # noqa: PLR0917 each is an option of its own
    listed: Annotated[bool, typer.Option("--list", help="Name all benchmarks; with --json as one array.")] = False,
    benchmark: Annotated[str | None, typer.Option("--benchmark", help="Name of the benchmark, see --list.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Its folder, as its authors publish it.")] = None,
    weights: Annotated[str | None, typer.Option("--weights", help="A shipped name, or a checkpoint's path.")] = None,
    heads: Annotated[Path | None, typer.Option("--heads", help="File of heads, for --protocol head.")] = None,
    head: Annotated[str | None, typer.Option("--head", help="Head of that file; the one that fits by default.")] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Score this JSON of predictions instead of a model.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="head, linear, prototype or finetune; the task's first by default.")
    ] = None,
    adapt: Annotated[
        str, typer.Option("--adapt", help="What of the backbone learns with finetune: frozen, lora or full.")
    ] = "frozen",
    split: Annotated[str | None, typer.Option("--split", help="Split to evaluate; test by default.")] = None,
    train_split: Annotated[str | None, typer.Option("--train-split", help="Split to learn from; train.")] = None,
    shots: Annotated[int | None, typer.Option("--shots", help="Learn from so many samples of each class.")] = None,
    train_share: Annotated[float, typer.Option("--train-share", help="Share of the split to learn from.")] = 1.0,
    steps: Annotated[int, typer.Option("--steps", help="Steps of a head that is trained.")] = 200,
    batch: Annotated[int, typer.Option("--batch", help="Windows a step.")] = 4,
    window: Annotated[int, typer.Option("--window", help="Pixels across what the model sees at once.")] = 256,
    overlap: Annotated[int, typer.Option("--overlap", help="Pixels that neighbouring windows share.")] = 64,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the benchmark's own reader.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A trial: the first samples of a split.")] = None,
    replicates: Annotated[int, typer.Option("--replicates", min=20, help="Of the bootstrap.")] = 400,
    seed: Annotated[int, typer.Option("--seed", help="Of draws, first values and intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a model, or predictions, to a benchmark in its official format."""
    if listed:
        _print_list(as_json=as_json)
        return
    with _faults():
        from flows.errors import ConfigError
        from flows.evaluate import evaluate as run_evaluation
        from flows.evaluation import EvaluateRun
        from pipelines.training.protocols.settings import Settings

        if benchmark is None or data is None:
            raise ConfigError("--benchmark and --data must be given, or --list")
        settings = None
        if predictions is None:
            settings = Settings(
                protocol=_protocol(protocol, benchmark, heads=heads), adapt=cast("Adapt", adapt),
                steps=steps, batch=batch, window=window,
                overlap=overlap, shots=shots, train_share=train_share, seed=seed,
            )  # fmt: skip
        elif protocol is not None or shots is not None or train_share < 1 or adapt != "frozen":
            raise ConfigError("--predictions stands alone: nothing learns")
        run = EvaluateRun(
            benchmark=benchmark, data=data, settings=settings, weights=weights, heads=heads, head=head,
            predictions=predictions, split=split, train_split=train_split, options=_options(option or []),
            limit=limit, replicates=replicates, seed=seed,
        )  # fmt: skip
        with redirect_stdout(sys.stderr):
            report = _with_bar(run_evaluation, run)
    typer.echo(json.dumps(report.to_dict(), allow_nan=False) if as_json else report_text(report))


def report_text(report: EvaluateReport) -> str:
    """The numbers as lines, each with its interval."""
    told = report.to_dict()
    protocol = told["protocol"]["name"]
    if protocol == "finetune":
        protocol += f", backbone {told['protocol']['adapt']}"
    lines = [f"{told['title']}, {told['split']}: {told['num_images']} images, protocol {protocol}"]
    for name, number in told["metrics"].items():
        value = "no value" if number["value"] is None else f"{number['value']:.4f}"
        low_high = "" if number["interval"] is None else "  [{:.4f}, {:.4f}]".format(*number["interval"])
        lines.append(f"  {name:24}{value}{low_high}")
    if told["limit"] is not None:
        lines.append(f"a trial on the first {told['limit']} samples, not a result")
    if told["skipped"]["num"]:
        lines.append(f"left out: {told['skipped']['num']}; the first: {told['skipped']['reasons'][0]}")
    lines += [f"note: {note}" for note in told["notes"]]
    return "\n".join(lines)


def _print_list(*, as_json: bool) -> None:
    from pipelines.training.benchmarks import benchmark_class, names

    if as_json:
        typer.echo(json.dumps(list(names())))
        return
    for name in names():
        info = benchmark_class(name).info
        typer.echo(f"{name:32}{info.task:20}{info.metrics[0]:24}{info.title}")


def _protocol(asked: str | None, benchmark: str, *, heads: Path | None) -> Any:
    """The protocol asked for, or the one that goes without saying."""
    if asked is not None:
        return asked
    if heads is not None:
        return "head"
    from pipelines.training.benchmarks import benchmark_class
    from pipelines.training.protocols.head_choice import OFFERED

    return OFFERED[benchmark_class(benchmark).info.task][0]


def _options(entries: list[str]) -> dict[str, Any]:
    """KEY=VALUE as a dictionary; a value that is JSON is read as such."""
    from flows.errors import ConfigError

    found: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise ConfigError(f"--option must be KEY=VALUE, got {entry!r}")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


def _with_bar(run_evaluation: Callable[..., EvaluateReport], run: EvaluateRun) -> EvaluateReport:
    """Runs with a bar a stage on stderr."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(total=total, desc=f"{run.benchmark} {stage}", unit="it", file=sys.stderr)
        bars[stage].update(done - bars[stage].n)

    try:
        return run_evaluation(run, progress)
    finally:
        for bar in bars.values():
            bar.close()


@contextmanager
def _faults() -> Iterator[None]:
    """Says what went wrong on stderr, and ends with the exit code of its kind."""
    from ringmoe_core.errors import CheckpointError

    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo("ringmoe: interrupted; nothing was written", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from error
    except (ValueError, FileNotFoundError, CheckpointError) as error:
        typer.echo(f"ringmoe: {error}", err=True)
        raise typer.Exit(EXIT_WRONG) from error
    except typer.Exit:
        raise
    except Exception as error:
        typer.echo(f"ringmoe: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
