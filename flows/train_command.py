"""`ringmoe train`: one run, by a configuration; under torchrun the same command runs on many processes."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, NoReturn

import typer

EXIT_FAILED = 1
EXIT_WRONG = 2


def train(  # noqa: PLR0917 each is an option of its own
    config: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help="A configuration: nano, tiny or a YAML file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the run, out/train/NAME by default; weights (.safetensors) with --preset."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run of this folder was stopped.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value of the configuration: stages.0.steps=100."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Instead of CONFIG: land cover and change alone, of this size.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps, with --preset.")] = 2000,
    regions: Annotated[int, typer.Option("--regions", min=1, help="Simulated regions, with --preset.")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Of weights and chips, with --preset.")] = 0,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that render, threads that train, with --preset.")
    ] = 2,
) -> None:
    """Train a model: pre-training, then tasks, as a configuration says; leaves weights, curves and a report."""
    if (config is None) == (preset is None):
        _wrong("a run needs a CONFIG or a --preset, and only one of them; `ringmoe train nano` is a start")
    if preset is not None:
        if out is None or resume or overrides:
            _wrong("--preset needs --out and takes neither --resume nor --set; give a CONFIG for those")
        _by_preset(preset, out, steps=steps, regions=regions, seed=seed, workers=workers)
    elif config is not None:
        _by_config(config, out, resume=resume, overrides=overrides)


def _by_config(source: str, out: Path | None, *, resume: bool, overrides: list[str] | None) -> None:
    from flows.errors import ConfigError
    from flows.train_config import load_training

    try:
        config = load_training(source, overrides)
        from flows.train_run import train_run
        from flows.train_summary import report_json
        from pipelines.training.loop import ResumeError
    except ConfigError as error:
        _wrong(str(error))
    folder = out or Path("out/train") / config.name
    try:
        with redirect_stdout(sys.stderr):
            report = train_run(config, folder, resume=resume, say=_say)
    except (ConfigError, ResumeError) as error:
        _wrong(str(error))
    except KeyboardInterrupt as error:
        _say(f"stopped; go on with: ringmoe train {source} --out {folder} --resume")
        raise typer.Exit(EXIT_FAILED) from error
    except Exception as error:
        _say(f"ringmoe: {type(error).__name__}: {error}")
        raise typer.Exit(EXIT_FAILED) from error
    if report is not None:
        sys.stdout.write(report_json(report) + "\n")


def _by_preset(preset: str, out: Path, *, steps: int, regions: int, seed: int, workers: int) -> None:
    import json

    from flows.errors import ConfigError
    from flows.train import TrainConfig, train_with_progress

    config = TrainConfig(preset=preset, steps=steps, regions=regions, seed=seed, workers=workers)
    try:
        with redirect_stdout(sys.stderr):
            report = train_with_progress(config, out)
    except ConfigError as error:
        _wrong(str(error))
    except Exception as error:
        _say(f"ringmoe: {type(error).__name__}: {error}")
        raise typer.Exit(EXIT_FAILED) from error
    sys.stdout.write(json.dumps(report.to_dict()) + "\n")


def main() -> None:
    """Runs the command alone, as torchrun starts it: `torchrun -m flows.train CONFIG`.

    A process of many ends without the interpreter's own end: threads of gloo may outlive the group, and abort it.
    """
    code = 0
    try:
        typer.run(train)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else EXIT_FAILED
    sys.stdout.flush()
    sys.stderr.flush()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        os._exit(code)
    raise SystemExit(code)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _wrong(message: str) -> NoReturn:
    _say(f"ringmoe: {message}")
    raise typer.Exit(EXIT_WRONG)
