"""What a stage of a configuration trains: the model, what it learns, and what its batches are drawn from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from flows.train_config import Stage, TrainingConfig
    from pipelines.training.loop import Learner
    from pipelines.training.places import PlaceSampler, PlaceStore
    from ringmoe_core import RingMoE


def model_config(config: TrainingConfig) -> Any:
    """Returns the model's configuration: the preset's with the run's changes; that of `start` where nothing changes it.

    Raises:
        CheckpointError: The weights to start from are damaged.
        ConfigError: A change cannot be, or there are no weights to start from.
    """
    from flows.weights import weights_path
    from ringmoe_core import PRESETS, RingMoEConfig, load_checkpoint

    if config.keeps_backbone:
        return load_checkpoint(weights_path(str(config.start))).model.config

    try:
        return RingMoEConfig.from_dict(PRESETS[config.preset]().to_dict() | config.model)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"model: {error}") from error


def stage_config(stage: Stage) -> Any:
    """Returns a stage as the loop takes it."""
    from pipelines.training.loop import ChipPhase, OptimiserConfig, Schedule, StageConfig

    return StageConfig(
        name=stage.name,
        steps=stage.steps,
        minutes=stage.minutes,
        phases=tuple(ChipPhase(size=phase.size, batch=phase.batch, share=phase.share) for phase in stage.phases),
        accumulate=stage.accumulate,
        schedule=Schedule(
            kind=stage.schedule, peak=stage.learning_rate, final=stage.final_learning_rate,
            warmup_steps=stage.warmup_steps,
        ),
        optimiser=OptimiserConfig(
            weight_decay=stage.weight_decay, layer_decay=stage.layer_decay, clip_norm=stage.clip_norm
        ),
        average=stage.average,
    )  # fmt: skip


def make_learner(
    config: TrainingConfig, stage: Stage, store: PlaceStore, *, seed: int, split: Any = "train"
) -> Learner:
    """Returns a stage's model with fresh values, in one process, and what it learns.

    Raises:
        ConfigError: The objective or the heads cannot be.
    """
    from pipelines.training.loop import MultiTask, Pretraining
    from ringmoe_core import RingMoE
    from ringmoe_core.heads import build_head
    from ringmoe_core.pretraining import PretrainConfig, Pretrainer, WithheldConfig, WithheldImages
    from ringmoe_core.task_model import TaskModel

    backbone: RingMoE = RingMoE(model_config(config), seed=seed)

    def draw(size: int, batch: int, draw_seed: int) -> PlaceSampler:
        return make_sampler(config, stage, store, size=size, batch=batch, seed=draw_seed, split=split)

    if stage.learn != "tasks":
        try:
            if stage.learn == "withheld":
                unseen = WithheldImages(backbone, WithheldConfig.from_dict(stage.objective), seed=seed)
                return Pretraining(unseen, draw, seed=seed, kinds=["series"])
            objective = PretrainConfig.from_dict(stage.objective)
            return Pretraining(Pretrainer(backbone, objective, seed=seed), draw, seed=seed)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"stages, {stage.name}: objective: {error}") from error
    from flows.train_tasks import head_configs, task_specs

    backbone.requires_grad_(stage.train == "all")
    heads: dict[str, nn.Module] = {
        name: build_head(one, backbone.config, seed=seed + 1)
        for name, one in head_configs(stage.tasks, stage.channels).items()
    }
    return MultiTask(TaskModel(backbone, heads), task_specs(stage.tasks), draw)


def make_sampler(
    config: TrainingConfig, stage: Stage, store: PlaceStore, *, size: int, batch: int, seed: int, split: Any
) -> PlaceSampler:
    """Returns what batches of a phase are drawn from.

    Raises:
        SamplerError: There is nothing to draw.
    """
    from pipelines.training.places import DrawConfig, HoldOut, PlaceSampler, SamplerConfig

    data = config.data
    weights: dict[str, float] = dict(data.weights.items())
    drawing = DrawConfig(num_dates=data.num_dates, num_pairs=data.num_pairs)
    if stage.learn == "withheld":
        drawing = replace(drawing, num_pairs=stage.dates, pair_days=stage.pair_days, as_rgb=0.0)
    sampling = SamplerConfig(
        purpose="tasks" if stage.learn == "tasks" else "pretrain", size=size, batch=batch,
        temperature=data.temperature, weights=weights, max_nodata=data.max_nodata, overlap=data.overlap, draw=drawing,
    )  # fmt: skip
    return PlaceSampler(store, sampling, seed=seed, hold_out=HoldOut(**data.hold_out.model_dump()), split=split)
