"""Training of a preset on simulated regions: render, fit, choose the threshold, measure, save."""

from __future__ import annotations

import csv
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipelines.simulate import RegionSpec
    from pipelines.training import FitConfig, SceneArrays, Step
    from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig

TRAINABLE = ("nano", "tiny", "small")
"""Presets that make maps; the others are backbones alone."""

TRAIN_SEED = 1_000
VALIDATION_SEED = 50_000
TEST_SEED = 90_000
"""First seeds of the three disjoint sets of simulated regions; the demonstration's region lies outside of all."""

THRESHOLDS = tuple(np.round(np.arange(0.3, 0.96, 0.05), 2).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run, as the command line gives it."""

    preset: str = "nano"
    regions: int = 120
    """Simulated training regions, 256 x 256 pixels and 12 dates each."""

    validation_regions: int = 8
    """Regions that choose the change threshold."""

    test_regions: int = 12
    """Regions behind the figures of the model card; they choose nothing."""

    steps: int = 2000
    seed: int = 0
    workers: int = 2
    """Processes that render, threads that train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a run measured, written into the weights' metadata and beside them."""

    config: dict[str, object]
    change_threshold: float
    land_cover_overall_accuracy: float
    change_f1: float
    test_scenes: int
    by_modality: dict[str, dict[str, float]]
    """Figures with one sensor withheld: `ms`, `sar_l2`."""

    minutes: dict[str, float]
    """Wall-clock minutes of rendering and fitting."""

    def to_dict(self) -> dict[str, object]:
        """Returns the report as JSON-able values."""
        return asdict(self)


def train_with_progress(config: TrainConfig, out: Path) -> TrainReport:
    """Trains as `run_training` does, with a progress bar on standard error.

    Raises:
        ConfigError: The preset is unknown.
    """
    from tqdm import tqdm

    from flows.errors import ConfigError

    if config.preset not in TRAINABLE:
        raise ConfigError(f"preset: must be one of {list(TRAINABLE)}, got {config.preset!r}; choose one of them")
    with tqdm(total=config.steps, unit="step", desc=config.preset) as bar:

        def advance(step: Step) -> None:
            bar.update()
            bar.set_postfix(land_cover=f"{step.losses.land_cover:.3f}", change=f"{step.losses.change:.3f}")

        return run_training(config, out, on_step=advance, say=bar.write)


def run_training(
    config: TrainConfig, out: Path, *, on_step: Callable[[Step], None] | None = None, say: Callable[[str], None] = print
) -> TrainReport:
    """Trains a preset on simulated regions and writes its weights to `out`, curves and figures beside it.

    Args:
        config: The run.
        out: A `.safetensors` file; `<stem>.curve.csv` and `<stem>.json` are written beside it.
        on_step: Called after every step.
        say: Takes a line of progress.

    Raises:
        ValueError: The preset is unknown.
    """
    import torch

    from ringmoe_core import RingMoE, save_checkpoint
    from ringmoe_core.heap import keep_heap

    keep_heap()
    started = time.monotonic()
    say(f"rendering {config.regions + config.validation_regions + config.test_regions} simulated regions")
    train = render(range(TRAIN_SEED, TRAIN_SEED + config.regions), workers=config.workers)
    validation = render(range(VALIDATION_SEED, VALIDATION_SEED + config.validation_regions), workers=config.workers)
    test = render(range(TEST_SEED, TEST_SEED + config.test_regions), workers=config.workers)
    rendered = time.monotonic()
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.workers)
    model = RingMoE(preset_config(config.preset))
    say(f"rendered in {(rendered - started) / 60:.1f} minutes; fitting {config.steps} steps")
    rows: list[list[object]] = []

    def record(step: Step) -> None:
        losses = step.losses
        rows.append([step.step, losses.land_cover, losses.change, losses.balance, losses.accuracy, step.learning_rate])
        if on_step is not None:
            on_step(step)

    fitted = fit_model(model, train, config, record)
    minutes = {"render": (rendered - started) / 60, "fit": (time.monotonic() - rendered) / 60}
    report = measure(fitted, validation, test, config, minutes)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(fitted, out, metadata=checkpoint_metadata(report))
    write_curve(out.with_suffix(".curve.csv"), rows)
    out.with_suffix(".json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


def preset_config(name: str) -> RingMoEConfig:
    """Returns the configuration of a named preset.

    Raises:
        ValueError: The name is unknown.
    """
    from ringmoe_core import PRESETS

    if name not in TRAINABLE:
        raise ValueError(f"a preset to train is one of {TRAINABLE}, got {name!r}; choose one of them")
    return PRESETS[name]()


def render(seeds: Iterable[int], *, workers: int) -> list[SceneArrays]:
    """Returns simulated regions of the given seeds as training arrays, rendered in processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(render_one, seeds, chunksize=1))


def render_one(seed: int) -> SceneArrays:
    """Returns one simulated region of the standard size as training arrays."""
    from pipelines.simulate import RegionSpec

    return labelled_scene(RegionSpec(seed=seed))


def labelled_scene(spec: RegionSpec) -> SceneArrays:
    """Returns a simulated region as training arrays."""
    from pipelines.simulate import simulate_region, to_cube
    from pipelines.training import scene_arrays

    region = simulate_region(spec)
    return scene_arrays(
        to_cube(region), land_cover=region.land_cover, change=region.change, change_epoch=region.change_epoch
    )


def fit_model(
    model: RingMoE, scenes: Sequence[SceneArrays], config: TrainConfig, on_step: Callable[[Step], None]
) -> RingMoE:
    """Returns the fitted model's running average."""
    from pipelines.training import fit

    return fit(model, scenes, fit_config(config), on_step=on_step)


def fit_config(config: TrainConfig) -> FitConfig:
    """Returns the loop's configuration for a run; bfloat16 where the processor has it."""
    import torch

    from pipelines.training import FitConfig
    from ringmoe_core.precision import choose_precision

    fast = choose_precision("cpu").dtype == torch.bfloat16
    return FitConfig(steps=config.steps, seed=config.seed, bfloat16=fast)


def measure(
    model: RingMoE,
    validation: Sequence[SceneArrays],
    test: Sequence[SceneArrays],
    config: TrainConfig,
    minutes: dict[str, float],
) -> TrainReport:
    """Returns the report: the threshold from the validation regions, the figures from the test regions."""
    from pipelines.training import answer, change_f1, figures, overall_accuracy

    answers = [answer(model, scene) for scene in validation]

    def score(threshold: float) -> float:
        return change_f1([figures(a, s, threshold=threshold) for a, s in zip(answers, validation, strict=True)])

    threshold = max(THRESHOLDS, key=score)
    counts = [figures(answer(model, scene), scene, threshold=threshold) for scene in test]
    by_modality = {}
    for name in ("ms", "sar_l2"):
        alone = [figures(answer(model, scene, modalities=(name,)), scene, threshold=threshold) for scene in test]
        by_modality[name] = {"land_cover_overall_accuracy": overall_accuracy(alone), "change_f1": change_f1(alone)}
    return TrainReport(
        config=asdict(config),
        change_threshold=threshold,
        land_cover_overall_accuracy=overall_accuracy(counts),
        change_f1=change_f1(counts),
        test_scenes=len(counts),
        by_modality=by_modality,
        minutes=minutes,
    )


def checkpoint_metadata(report: TrainReport) -> CheckpointMetadata:
    """Returns what the weights say of themselves: modalities, classes, normalisation, threshold, provenance."""
    from pipelines.inference.channels import NORMALISATION_ID
    from pipelines.legend import CHANGE, LAND_COVER
    from ringmoe_core import CheckpointMetadata

    return CheckpointMetadata(
        trained_modalities=("sar_l2", "ms"),
        normalisation=NORMALISATION_ID,
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        change_threshold=report.change_threshold,
        provenance=json.dumps({"data": "simulated regions only", "command": "ringmoe train", **report.config}),
    )


def write_curve(path: Path, rows: list[list[object]]) -> None:
    """Writes one row a step."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["step", "land_cover_loss", "change_loss", "balance_loss", "batch_accuracy", "learning_rate"])
        writer.writerows(rows)


if __name__ == "__main__":
    from flows.train_command import main

    main()
