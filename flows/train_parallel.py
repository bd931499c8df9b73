"""Training of a preset over several processes: `torchrun --nproc-per-node 2 -m flows.train_parallel --out FILE`.

Without torchrun the same command trains in one process, on the same batches.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from flows.train import TrainReport
    from pipelines.training import FitConfig, SceneArrays, Step
    from ringmoe_core import RingMoE
    from ringmoe_core.precision import Precision

SMALLER: Final = 4
"""The second phase's chips are twice as wide, and so many times fewer a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelTrainConfig:
    """One training run over processes, as the command line gives it."""

    preset: str = "nano"
    regions: int = 120
    validation_regions: int = 8
    test_regions: int = 12
    """As for `flows.train.TrainConfig`."""

    steps: int = 2000
    seed: int = 0
    workers: int = 1
    """Of each process: processes that render, threads that train."""

    batch: int = 16
    """Chips of a step of the first phase, over all processes; the second takes a quarter."""

    expert_ranks: int = 1
    """Processes that divide the experts of each bank."""

    checkpoints_activations: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of products; `auto` is what the device is fastest in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which of the processes this is."""

    rank: int
    world: int
    device: torch.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves."""

    state: dict[str, torch.Tensor]
    """The model's, in the first process; empty in the others."""

    rows: list[list[object]]
    """Of the curve, one a step."""

    minutes: dict[str, float]
    """Wall-clock minutes of rendering and fitting."""


def main(  # noqa: PLR0917 each is an option of its own
    out: Annotated[Path, typer.Option("--out", help="Weights to write (.safetensors).")],
    preset: Annotated[str, typer.Option("--preset", help="Size of the model: nano, tiny or small.")] = "nano",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps.")] = 2000,
    regions: Annotated[int, typer.Option("--regions", min=1, help="Simulated training regions.")] = 120,
    validation_regions: Annotated[int, typer.Option("--validation-regions", min=1, help="Choose the threshold.")] = 8,
    test_regions: Annotated[int, typer.Option("--test-regions", min=1, help="Give the figures.")] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Of weights and chips.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Of each process: renderers, threads.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=4, help="Chips a step, over all processes.")] = 16,
    expert_ranks: Annotated[int, typer.Option("--expert-ranks", min=1, help="Processes that divide experts.")] = 1,
    checkpoints_activations: Annotated[
        bool, typer.Option("--checkpoint-activations", help="Compute blocks twice, keep less.")
    ] = False,
    precision: Annotated[str, typer.Option("--precision", help="auto, float32 or bfloat16.")] = "auto",
) -> None:
    """Train a preset on simulated regions, over the processes that torchrun starts."""
    from flows.errors import ConfigError

    config = ParallelTrainConfig(
        preset=preset, steps=steps, regions=regions, validation_regions=validation_regions, test_regions=test_regions,
        seed=seed, workers=workers, batch=batch, expert_ranks=expert_ranks,
        checkpoints_activations=checkpoints_activations, precision=precision,  # type: ignore[arg-type] # checked below
    )  # fmt: skip
    try:
        with joined() as place:
            check_config(config, place)
            trained = train_together(config, place)
    except ConfigError as error:
        sys.stderr.write(f"train_parallel: {error}\n")
        raise typer.Exit(2) from error
    if place.rank == 0:
        report = measure_and_write(config, out, place, trained)
        sys.stdout.write(json.dumps(report.to_dict()) + "\n")


@contextmanager
def joined() -> Iterator[Place]:
    """Yields this process's place, in torchrun's process group where there is one: NCCL on GPUs, gloo on CPUs."""
    import torch
    from torch import distributed

    if "WORLD_SIZE" not in os.environ:
        yield Place(rank=0, world=1, device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl")
    try:
        yield Place(rank=distributed.get_rank(), world=distributed.get_world_size(), device=device)
    finally:
        distributed.destroy_process_group()


def check_config(config: ParallelTrainConfig, place: Place) -> None:
    """Checks what the number of processes decides.

    Raises:
        ConfigError: A value cannot be.
    """
    from flows.errors import ConfigError
    from flows.train import TRAINABLE

    if config.preset not in TRAINABLE:
        raise ConfigError(f"preset: must be one of {list(TRAINABLE)}, got {config.preset!r}; choose one of them")
    if config.precision not in {"auto", "float32", "bfloat16"}:
        raise ConfigError(f"precision: must be auto, float32 or bfloat16, got {config.precision!r}; choose one of them")
    if config.batch % (SMALLER * place.world):
        raise ConfigError(
            f"batch: must be a multiple of {SMALLER} times the {place.world} processes, got {config.batch}; "
            f"use {SMALLER * place.world}"
        )
    if place.world % config.expert_ranks:
        raise ConfigError(
            f"expert_ranks: must divide the {place.world} processes, got {config.expert_ranks}; use a divisor"
        )


def train_together(config: ParallelTrainConfig, place: Place) -> Trained:
    """Returns the trained weights and how training went.

    Args:
        config: The run, the same in all processes.
        place: This process.
    """
    import torch

    from flows.train import TRAIN_SEED
    from pipelines.training.fit_ranks import fit_ranks
    from ringmoe_core.heap import keep_heap
    from ringmoe_core.parallel import full_state

    keep_heap()
    started = time.monotonic()
    scenes = render_together(range(TRAIN_SEED, TRAIN_SEED + config.regions), config.workers, place)
    rendered = time.monotonic()
    torch.set_num_threads(config.workers)
    precision = chosen_precision(config, place)
    model = make_model(config, place, precision)
    rows: list[list[object]] = []
    with _progress(config, place, rows) as record:
        fit_ranks(model, scenes, fit_config(config), precision=precision, on_step=record)
    minutes = {"render": (rendered - started) / 60, "fit": (time.monotonic() - rendered) / 60}
    return Trained(state=full_state(model), rows=rows, minutes=minutes)


def render_together(seeds: range, workers: int, place: Place) -> list[SceneArrays]:
    """Returns the simulated regions of all seeds, each rendered in one of the processes and sent to the others."""
    from torch import distributed

    from flows.train import render

    own = render(seeds[place.rank :: place.world], workers=workers)
    if place.world == 1:
        return own
    parts: list[list[SceneArrays]] = [[] for _ in range(place.world)]
    distributed.all_gather_object(parts, own)
    return [parts[index % place.world][index // place.world] for index in range(len(seeds))]


def chosen_precision(config: ParallelTrainConfig, place: Place) -> Precision:
    """Returns what the run's products are computed in."""
    import torch

    from ringmoe_core.precision import Precision, choose_precision

    if config.precision == "auto":
        return choose_precision(place.device)
    return Precision(device=place.device, dtype=torch.bfloat16 if config.precision == "bfloat16" else torch.float32)


def make_model(config: ParallelTrainConfig, place: Place, precision: Precision) -> RingMoE:
    """Returns the model with its first values, spread over the processes where torchrun started them."""
    import torch
    from torch import distributed

    from flows.train import preset_config
    from ringmoe_core import RingMoE
    from ringmoe_core.parallel import ParallelConfig, load_full_state, make_mesh, parallelise

    shape = preset_config(config.preset)
    if not distributed.is_initialized():
        model = RingMoE(shape, seed=config.seed).to(place.device)
        model.encoder.runs_every_modality = True  # as parallelise does: AdamW moves what has a zero gradient, too
        return model
    parallel = ParallelConfig(
        param_dtype=torch.bfloat16 if precision.dtype == torch.bfloat16 else None,
        checkpoints_activations=config.checkpoints_activations,
    )
    model = parallelise(RingMoE(shape, seed=None), make_mesh(place.device, expert_ranks=config.expert_ranks), parallel)
    model.to_empty(device=place.device)
    load_full_state(model, {} if place.rank else RingMoE(shape, seed=config.seed).state_dict())
    return model


def fit_config(config: ParallelTrainConfig) -> FitConfig:
    """Returns the loop's configuration for a run."""
    from pipelines.training import FitConfig, Phase

    phases = (
        Phase(size=64, batch=config.batch, share=0.7),
        Phase(size=128, batch=config.batch // SMALLER, share=0.3),
    )
    return FitConfig(steps=config.steps, seed=config.seed, phases=phases)


def measure_and_write(config: ParallelTrainConfig, out: Path, place: Place, trained: Trained) -> TrainReport:
    """Returns the figures of a trained model, and writes it as `flows.train.run_training` does.

    Args:
        config: The run.
        out: A `.safetensors` file; `<stem>.curve.csv` and `<stem>.json` are written beside it.
        place: Where it ran.
        trained: In the first process.
    """
    from flows.train import (
        TEST_SEED,
        VALIDATION_SEED,
        TrainConfig,
        checkpoint_metadata,
        measure,
        preset_config,
        render,
        write_curve,
    )
    from ringmoe_core import RingMoE, save_checkpoint

    model = RingMoE(preset_config(config.preset), seed=None)
    model.load_state_dict(trained.state, assign=True)
    model.eval()
    validation = render(range(VALIDATION_SEED, VALIDATION_SEED + config.validation_regions), workers=config.workers)
    test = render(range(TEST_SEED, TEST_SEED + config.test_regions), workers=config.workers)
    plain = TrainConfig(
        preset=config.preset, regions=config.regions, validation_regions=config.validation_regions,
        test_regions=config.test_regions, steps=config.steps, seed=config.seed, workers=config.workers,
    )  # fmt: skip
    run = asdict(config) | {"processes": place.world, "device": place.device.type}
    report = replace(measure(model, validation, test, plain, trained.minutes), config=run)
    provenance = json.dumps({"data": "simulated regions only", "command": "torchrun -m flows.train_parallel", **run})
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(model, out, metadata=replace(checkpoint_metadata(report), provenance=provenance))
    write_curve(out.with_suffix(".curve.csv"), trained.rows)
    out.with_suffix(".json").write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    return report


@contextmanager
def _progress(config: ParallelTrainConfig, place: Place, rows: list[list[object]]) -> Iterator[Callable[[Step], None]]:
    """Yields what notes a step in `rows`; the first process also shows a bar."""
    from tqdm import tqdm

    with tqdm(total=config.steps, unit="step", desc=config.preset, disable=place.rank > 0) as bar:

        def record(step: Step) -> None:
            losses = step.losses
            rows.append(
                [step.step, losses.land_cover, losses.change, losses.balance, losses.accuracy, step.learning_rate]
            )
            bar.update()
            bar.set_postfix(land_cover=f"{losses.land_cover:.3f}", change=f"{losses.change:.3f}")

        yield record


if __name__ == "__main__":
    typer.run(main)
