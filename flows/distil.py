"""A dense student of trained weights: densify, teach on simulated regions, choose the threshold, measure, save."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flows.train import (
    TEST_SEED,
    TRAIN_SEED,
    VALIDATION_SEED,
    TrainConfig,
    TrainReport,
    checkpoint_metadata,
    fit_config,
    measure,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelines.training import DistillationConfig, SceneArrays
    from pipelines.training.distil import DistilStep
    from ringmoe_core import CheckpointMetadata, LoadedModel, RingMoE

METHODS = ("KS", "KA", "KC", "select", "random", "random-experts")
"""Ways to make the student's first values, as `ringmoe_core.prune.densify` has them; the last two are controls."""

CALIBRATION_BATCHES = 8
CALIBRATION_SEED = 70_000
"""Batches of training chips on which the teacher's experts are watched, and the seed of their draw."""

STUDENT = "student"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilRun:
    """One distillation, as the command line gives it."""

    weights: str = "nano"
    """The teacher: name of shipped weights, or a path."""

    method: str = "select"
    """One of `METHODS`."""

    width: int = 3
    """Hidden width of the student's networks over that of one of the teacher's experts; 3 is the teacher's active
    width."""

    regions: int = 120
    """Simulated training regions, the same that `ringmoe train` draws from."""

    validation_regions: int = 8
    test_regions: int = 12
    steps: int = 800
    learning_rate: float = 1e-3
    average: float = 0.995
    """Decay of the running average of the student's weights."""

    seed: int = 0
    workers: int = 2
    """Processes that render, threads that train."""


def distil_with_progress(run: DistilRun, out: Path) -> TrainReport:
    """Distils as `run_distillation` does, with a progress bar on standard error.

    Raises:
        ConfigError: The method or the weights are unknown.
    """
    from tqdm import tqdm

    check_method(run.method)
    with tqdm(total=run.steps, unit="step", desc=run.method) as bar:

        def advance(step: DistilStep) -> None:
            bar.update()
            losses = step.students[STUDENT]
            bar.set_postfix(teacher=f"{losses.distillation:.3f}", land_cover=f"{losses.land_cover:.3f}")

        return run_distillation(run, out, on_step=advance, say=bar.write)


def check_method(method: str) -> None:
    """Checks the name of a method.

    Raises:
        ConfigError: It is unknown.
    """
    from flows.errors import ConfigError

    if method not in METHODS:
        raise ConfigError(f"method: must be one of {list(METHODS)}, got {method!r}; choose one of them")


def run_distillation(
    run: DistilRun,
    out: Path,
    *,
    on_step: Callable[[DistilStep], None] | None = None,
    say: Callable[[str], None] = print,
) -> TrainReport:
    """Makes a dense student of trained weights and writes it to `out`, curve and figures beside it.

    Args:
        run: The distillation.
        out: A `.safetensors` file; `<stem>.curve.csv` and `<stem>.json` are written beside it.
        on_step: Called after every step.
        say: Takes a line of progress.

    Raises:
        ConfigError: The method or the weights are unknown.
    """
    import torch

    from flows.weights import weights_path
    from pipelines.training import distil
    from ringmoe_core import load_checkpoint, save_checkpoint

    check_method(run.method)
    teacher = load_checkpoint(weights_path(run.weights))
    started = time.monotonic()
    say(f"rendering {run.regions + run.validation_regions + run.test_regions} simulated regions")
    train, validation, test = (
        render(range(first, first + num), workers=run.workers)
        for first, num in (
            (TRAIN_SEED, run.regions),
            (VALIDATION_SEED, run.validation_regions),
            (TEST_SEED, run.test_regions),
        )
    )
    rendered = time.monotonic()
    torch.set_num_threads(run.workers)
    student = dense_student(teacher.model, train, run)
    say(f"rendered in {(rendered - started) / 60:.1f} minutes; {run.steps} steps of {run.method}")
    rows: list[list[object]] = []

    def record(step: DistilStep) -> None:
        losses = step.students[STUDENT]
        figures = (losses.distillation, losses.land_cover, losses.change, losses.accuracy, step.learning_rate)
        rows.append([step.step, *figures])
        if on_step is not None:
            on_step(step)

    config = distillation_config(run)
    taught = distil(teacher.model, {STUDENT: student}, train, config, on_step=record)[STUDENT]
    minutes = {"render": (rendered - started) / 60, "fit": (time.monotonic() - rendered) / 60}
    told = asdict(run) | {"weights": Path(run.weights).name}  # no folder of the machine: the files travel
    report = replace(measure(taught, validation, test, TrainConfig(seed=run.seed), minutes), config=told)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(taught, out, metadata=student_metadata(report, teacher))
    write_distil_curve(out.with_suffix(".curve.csv"), rows)
    out.with_suffix(".json").write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    return report


def dense_student(teacher: RingMoE, scenes: Sequence[SceneArrays], run: DistilRun) -> RingMoE:
    """Returns the student before it is taught, made from what the teacher's experts do on training chips."""
    from pipelines.training.chips import ChipConfig, ChipSampler
    from ringmoe_core.prune import calibrate, densify

    sampler = ChipSampler(scenes, ChipConfig(), seed=CALIBRATION_SEED + run.seed)
    calibration = calibrate(teacher, (sampler.draw().series for _ in range(CALIBRATION_BATCHES)), seed=run.seed)
    ratio = run.width * teacher.config.mlp_ratio
    return densify(teacher, calibration, method=run.method, mlp_ratio=ratio, seed=run.seed)  # type: ignore[arg-type]


def distillation_config(run: DistilRun) -> DistillationConfig:
    """Returns the loop's configuration for a run; bfloat16 where the processor has it."""
    from pipelines.training import DistillationConfig

    plain = fit_config(TrainConfig(steps=run.steps, seed=run.seed))
    warmup = min(plain.warmup_steps, run.steps // 10)
    return DistillationConfig(
        fit=replace(plain, learning_rate=run.learning_rate, average=run.average, warmup_steps=warmup)
    )


def student_metadata(report: TrainReport, teacher: LoadedModel) -> CheckpointMetadata:
    """Returns what the student's weights say of themselves: as the teacher's, with their own threshold and origin."""
    provenance = {
        "data": "simulated regions only",
        "command": "ringmoe distil",
        "teacher_sha256": teacher.sha256,
        "teacher_provenance": teacher.metadata.provenance,
        **report.config,
    }
    return replace(
        checkpoint_metadata(report),
        trained_modalities=teacher.metadata.trained_modalities,
        provenance=json.dumps(provenance),
    )


def write_distil_curve(path: Path, rows: list[list[object]]) -> None:
    """Writes one row a step."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            ["step", "distillation_loss", "land_cover_loss", "change_loss", "batch_accuracy", "learning_rate"]
        )
        writer.writerows(rows)
