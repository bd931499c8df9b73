"""What a model makes of ground that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.train_config import Stage, TrainingConfig
    from pipelines.training import SceneArrays
    from pipelines.training.loop import Learner
    from pipelines.training.loop.fabric import Fabric
    from pipelines.training.places import PlaceStore
    from ringmoe_core import RingMoE

HELD_OUT_SEED: Final = 77
"""Of the draws from validation ground: the same for every run, so that runs can be compared."""

MEASURED_PLACES: Final = 12
"""Held-out series, at most, that the threshold of change and the figures rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Land cover and change on held-out series."""

    change_threshold: float
    figures: dict[str, float]


def held_out_terms(
    config: TrainingConfig, stage: Stage, learner: Learner, store: PlaceStore, fabric: Fabric
) -> dict[str, float]:
    """Returns the terms of a stage's losses on batches of validation ground; none where there is no such ground.

    All processes call it together, each on whole batches.
    """
    import torch

    from flows.train_learner import make_sampler
    from pipelines.training.loop.learner import on_device
    from pipelines.training.places import SamplerError

    phase = stage.phases[-1]
    try:
        sampler = make_sampler(
            config, stage, store, size=phase.size, batch=phase.batch, seed=HELD_OUT_SEED, split="validation"
        )
        if stage.learn == "tasks":
            from flows.train_tasks import task_specs

            sampler = sampler.restricted([task.kind for task in task_specs(stage.tasks)])
    except SamplerError:
        return {}
    learner.module.eval()
    terms = []
    with torch.no_grad(), fabric.autocast():
        for index in range(config.validation_batches):
            prepared = on_device(learner.prepare(sampler.batch(index)), fabric.device)
            terms.append(learner.losses(prepared).terms)
    return mean_terms(terms)


def mean_terms(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean of each term over the steps that have it."""
    names = dict.fromkeys(name for one in terms for name in one)
    return {name: sum(one[name] for one in terms if name in one) / sum(name in one for one in terms) for name in names}


def measured(model: RingMoE, config: TrainingConfig, store: PlaceStore) -> Measured | None:
    """Returns a model's figures on test ground, at the threshold of change that validation ground chooses.

    None where either has no series with land cover and change.

    Args:
        model: In evaluation mode, in this process.
        config: Of the run.
        store: Of its places.
    """
    from flows.train import TrainConfig, measure

    validation, test = (scenes(config, store, split) for split in ("validation", "test"))
    if not validation or not test:
        return None
    report = measure(model, validation, test, TrainConfig(preset=config.preset), {})
    figures = {
        "land_cover_overall_accuracy": report.land_cover_overall_accuracy,
        "change_f1": report.change_f1,
        "test_places": float(report.test_scenes),
    }
    for name, values in report.by_modality.items():
        figures |= {f"{key}_{name}_alone": value for key, value in values.items()}
    return Measured(change_threshold=report.change_threshold, figures=figures)


def scenes(config: TrainingConfig, store: PlaceStore, split: str) -> list[SceneArrays]:
    """Returns held-out series with land cover and change."""
    from pipelines.training import SceneArrays
    from pipelines.training.places import HoldOut, split_of

    hold_out = HoldOut(**config.data.hold_out.model_dump())
    wanted = {"land_cover", "change", "change_epoch"}
    entries = [
        entry
        for entry in store.entries
        if entry.kind == "series"
        and split_of(entry.block, hold_out) == split
        and wanted <= set(entry.targets)
        and set(entry.sensors) == {"ms", "sar_l2"}
        and len(set(entry.sensors.values())) == 1
    ]
    found = []
    for entry in entries[:MEASURED_PLACES]:
        place = store.place(entry.id)
        targets = {name: place.targets[name] for name in wanted}
        found.append(SceneArrays(ms=place.series["ms"], sar=place.series["sar_l2"], **targets))  # type: ignore[arg-type]
    return found
