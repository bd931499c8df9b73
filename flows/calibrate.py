"""Calibration of trained weights on simulated regions: temperatures, the threshold of change, statistics of novelty."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from pipelines.inference.novelty import Novelty
    from pipelines.training import SceneArrays
    from pipelines.training.calibration import CalibrationFigures, SceneLogits
    from pipelines.training.calibration.novelty_fit import NoveltyConfig
    from ringmoe_core import CheckpointMetadata, RingMoE

FIT_SEED = 60_000
"""First of the held-out regions that temperatures, threshold and percentiles are fitted on; training never draws it."""

UNSEEN_SEED = 95_000
"""First of the regions that measure; they choose nothing."""

STATISTICS_SEED = 1_000
"""First of the training's own regions, which the statistics of novelty are of."""

FLAGGED = 99.0
"""Novelty, percent, above which the share of familiar cells is told."""

LIKELY = 0.1
"""Least probability of change of the pixels that one of the errors is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRun:
    """One calibration, as the command line gives it."""

    weights: str
    """Name of shipped weights, or a path to a file."""

    regions: int = 12
    """Held-out regions to fit on."""

    unseen_regions: int = 20
    """Others to measure on."""

    statistics_regions: int = 24
    """Training regions behind the statistics of novelty."""

    seed: int = 0
    workers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateReport:
    """What was fitted, and how honest the percentages are on unseen regions, before and after."""

    config: dict[str, object]
    seeds: dict[str, list[int]]
    """First and last of each set of simulated regions."""

    land_cover_temperature: float
    change_temperature: float
    change_threshold: float
    land_cover: dict[str, CalibrationFigures]
    """`before` (temperature 1) and `after`."""

    change: dict[str, CalibrationFigures]
    change_where_likely: dict[str, float]
    """Expected calibration error among pixels whose probability of change is at least 10 %."""

    familiar_above_99: float
    """Share of cells of unseen regions whose novelty exceeds 99."""

    def to_dict(self) -> dict[str, object]:
        """Returns the report as JSON-able values."""
        return asdict(self)


def calibrate(run: CalibrateRun, out: Path | None = None, *, say: Callable[[str], None] = print) -> CalibrateReport:
    """Returns the report; writes the weights with their temperatures, the statistics and the report beside them.

    Args:
        run: Weights and sizes.
        out: File to write; None writes over the weights' own.
        say: Takes a line of progress.

    Raises:
        ConfigError: The weights are not there, or are a folder of shards.
    """
    import torch

    from flows.errors import ConfigError
    from flows.train import render
    from flows.weights import weights_path
    from pipelines.inference.novelty_file import novelty_path, save_novelty
    from pipelines.training.calibration import fit_temperatures, scene_logits
    from pipelines.training.calibration.novelty_fit import NoveltyConfig, fit_novelty
    from pipelines.training.calibration.plot import reliability_svg
    from ringmoe_core import load_checkpoint, save_checkpoint

    path = weights_path(run.weights)
    if path.is_dir():
        raise ConfigError(f"weights: one file is calibrated, got the folder {path}; calibrate before sharding")
    target = path if out is None else out
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(run.workers)
    loaded = load_checkpoint(path)
    say(f"rendering {run.regions + run.unseen_regions + run.statistics_regions} simulated regions")
    held_out = render(range(FIT_SEED, FIT_SEED + run.regions), workers=run.workers)
    unseen = render(range(UNSEEN_SEED, UNSEEN_SEED + run.unseen_regions), workers=run.workers)
    training = render(range(STATISTICS_SEED, STATISTICS_SEED + run.statistics_regions), workers=run.workers)
    say("fitting temperatures on held-out regions")
    logits = [scene_logits(loaded.model, scene, seed=run.seed) for scene in held_out]
    fitted = fit_temperatures(logits)
    metadata = replace(
        loaded.metadata,
        land_cover_temperature=fitted.land_cover,
        change_temperature=fitted.change,
        change_threshold=best_threshold(logits, fitted.change),
    )
    say("gathering statistics of novelty")
    config = NoveltyConfig(seed=run.seed)
    novelty = fit_novelty(loaded.model, loaded.sha256, training, held_out, config)
    say("measuring on unseen regions")
    measured = [scene_logits(loaded.model, scene, seed=run.seed) for scene in unseen]
    shares = [unfamiliar_share(loaded.model, novelty, scene, config) for scene in unseen]
    report = _report(run, metadata, measured, float(np.mean(shares)))
    save_checkpoint(loaded.model, target, metadata=metadata, dtype=stored_dtype(path))
    save_novelty(novelty, novelty_path(target))
    target.with_suffix(".calibration.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    panels = {"land cover": report.land_cover, "any change": report.change}
    drawn = {title: {name: found.table for name, found in states.items()} for title, states in panels.items()}
    target.with_suffix(".calibration.svg").write_text(reliability_svg(drawn))
    return report


def best_threshold(scenes: Sequence[SceneLogits], temperature: float) -> float:
    """Returns the probability of any change from which the F1 over held-out pixels is best."""
    from flows.train import THRESHOLDS
    from pipelines.training.calibration.temperature import probabilities

    stated = 1 - np.concatenate([probabilities(scene.change, temperature)[:, 0] for scene in scenes])
    truth = np.concatenate([scene.change_label > 0 for scene in scenes])

    def score(threshold: float) -> float:
        said = stated >= threshold
        hits = int((said & truth).sum())
        return 2 * hits / max(1, int(said.sum() + truth.sum()))

    best: float = max(THRESHOLDS, key=score)
    return best


def unfamiliar_share(model: RingMoE, novelty: Novelty, scene: SceneArrays, config: NoveltyConfig) -> float:
    """Returns the share of a region's observed cells whose novelty exceeds `FLAGGED`."""
    from pipelines.inference.novelty import observed_cells
    from pipelines.training.calibration.novelty_fit import show

    shown = show(model, [scene], config, seed=config.seed + 2)
    cells = [novelty.cells(e.fused, e.series)[observed_cells(e.fused, novelty.level)] for e in shown]
    return float((np.concatenate(cells) > FLAGGED).mean())


def stored_dtype(path: Path) -> torch.dtype:
    """Returns the type of a checkpoint's parameters: written in it again, they keep their digest."""
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 not a dict
    return torch.bfloat16 if "BF16" in names else torch.float32


def _report(
    run: CalibrateRun, metadata: CheckpointMetadata, measured: Sequence[SceneLogits], familiar: float
) -> CalibrateReport:
    from pipelines.training.calibration import Temperatures, change_figures, land_cover_figures

    after = Temperatures(land_cover=metadata.land_cover_temperature, change=metadata.change_temperature)
    both = {"before": Temperatures(), "after": after}
    firsts = {"held_out": (FIT_SEED, run.regions), "unseen": (UNSEEN_SEED, run.unseen_regions)}
    firsts["statistics"] = (STATISTICS_SEED, run.statistics_regions)
    return CalibrateReport(
        config=asdict(run),
        seeds={name: [first, first + count - 1] for name, (first, count) in firsts.items()},
        land_cover_temperature=after.land_cover,
        change_temperature=after.change,
        change_threshold=metadata.change_threshold,
        land_cover={name: land_cover_figures(measured, entry.land_cover) for name, entry in both.items()},
        change={name: change_figures(measured, entry.change) for name, entry in both.items()},
        change_where_likely={name: likely_change_error(measured, entry.change) for name, entry in both.items()},
        familiar_above_99=familiar,
    )


def likely_change_error(scenes: Sequence[SceneLogits], temperature: float) -> float:
    """Returns the ECE among pixels whose probability of change is at least `LIKELY`: the others are all but certain."""
    from pipelines.training.calibration import expected_calibration_error
    from pipelines.training.calibration.temperature import probabilities

    stated = 1 - np.concatenate([probabilities(scene.change, temperature)[:, 0] for scene in scenes])
    truth = np.concatenate([scene.change_label > 0 for scene in scenes])
    likely = stated >= LIKELY
    return expected_calibration_error(np.clip(stated[likely], 0, 1), truth[likely]) if likely.any() else float("nan")
