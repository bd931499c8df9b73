"""A training run of a configuration: render, learn stage by stage, measure on held-out ground, save, report."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from flows.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from flows.routing_verdict import Finding
    from flows.train_config import Stage, TrainingConfig
    from flows.train_curves import Curves
    from flows.train_health import RoutingHealth
    from pipelines.training.loop import Learner, StepRecord
    from pipelines.training.places import PlaceSampler, PlaceStore
    from ringmoe_core import RingMoE

STAGE_SEEDS: Final = 1_000
"""Seeds that a stage has for its draws."""

_SEEN: Final = {"series": ("sar_l2", "ms"), "slc": ("sar_l1",), "vhr": ("optical",), "video": ("optical",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """How a stage went."""

    name: str
    steps: int
    minutes: float
    waited: float
    """Share of the last run's time in it spent waiting for data."""

    last: dict[str, float]
    """Means of the terms over its last tenth."""

    held_out: dict[str, float]
    """Terms on batches of validation ground."""

    draws: dict[str, int]
    """Chips used, and draws that were rejected and why."""

    findings: tuple[Finding, ...]
    """Of the use of experts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a run leaves in `report.json`."""

    config: dict[str, Any]
    places: dict[str, int]
    """Of each kind, held-out ones included."""

    stages: tuple[StageSummary, ...]
    figures: dict[str, float] = field(default_factory=dict)
    """On test ground: land cover and change, where there are series to measure them on."""

    notes: tuple[str, ...] = ()
    """What was skipped or looks wrong."""

    files: tuple[str, ...] = ()
    processes: int = 1
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        return asdict(self)


class RoutingFailedError(RuntimeError):
    """Experts are dead or a bank has collapsed, in a stage that was told to fail then."""


def train_run(
    config: TrainingConfig, out: Path, *, resume: bool = False, say: Callable[[str], None] = print, show: bool = True
) -> TrainingReport | None:
    """Trains as a configuration says, and writes weights, curves and a report into a folder.

    Under torchrun all processes call it together; only the first one writes and gets a report.

    Args:
        config: The run.
        out: Its folder.
        resume: Whether to go on where a run that was stopped was.
        say: Takes lines of progress.
        show: Whether to show a line of live progress.

    Raises:
        ConfigError: Something in the configuration or the folder cannot be.
        DivergedError: The loss is no longer finite.
        PlaceStoreError: The places are damaged.
        ResumeError: There is nothing to go on with, or it belongs to another run.
        RoutingFailedError: A stage that was told to fail does.
        SamplerError: There is nothing to draw.
    """
    from flows.train_processes import joined
    from ringmoe_core.heap import keep_heap

    keep_heap()
    _check_folder(out, resume=resume)
    with joined(config) as fabric:
        return _Run(config, out, fabric, say=say, show=show).train(resume=resume)


def resume_folder(out: Path) -> Path:
    """Returns where a run keeps the state that it resumes from."""
    return out / "resume"


def _check_folder(out: Path, *, resume: bool) -> None:
    from pipelines.training.loop import has_state

    if (out / "report.json").exists():
        raise ConfigError(f"{out} holds a run that is finished; name another folder with --out, or remove it")
    if not resume and has_state(resume_folder(out)):
        raise ConfigError(f"{out} holds a run that was stopped; add --resume to go on, or name another folder")


class _Run:
    """One run, in one of its processes."""

    def __init__(
        self, config: TrainingConfig, out: Path, fabric: Fabric, *, say: Callable[[str], None], show: bool
    ) -> None:
        from flows.train_health import RoutingHealth

        self.config, self.out, self.fabric = config, out, fabric
        self._first = fabric.global_rank == 0
        self._say = say if self._first else lambda _: None
        self._show = show and self._first
        self._shape = model_config(config)
        self._health = RoutingHealth(self._shape)
        self._summaries: list[StageSummary] = []
        self._notes: list[str] = []
        self._seen: set[str] = set()
        self._identity = config.identity() | {"processes": fabric.world_size, "device": fabric.device.type}

    def train(self, *, resume: bool) -> TrainingReport | None:
        """Runs all stages and writes everything."""
        from flows.train_curves import Curves
        from pipelines.training.loop import read_state

        saved = read_state(resume_folder(self.out), self._identity) if resume else None
        store = self._places()
        first = int(saved.values["stage"]) if saved is not None else 0
        if saved is not None:
            self._summaries = [_summary(one) for one in saved.values["summaries"]]
            self._notes = list(saved.values["notes"])
            self._health.load(saved.values["windows"])
        curves = None
        if self._first:
            self.out.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False)
            (self.out / "config.yaml").write_text(text, encoding="utf-8")
            curves = Curves(self.out, tensorboard=self.config.tensorboard)
            done: dict[str, int | None] = {stage.name: None for stage in self.config.stages[:first]}
            if saved is not None:
                done[self.config.stages[first].name] = int(saved.values["progress"]["step"])
            curves.begin(done)
        state, learner = self._start(), None
        for number, stage in enumerate(self.config.stages):
            self._note_modalities(stage, store)
            if number < first:
                continue
            learner = self._learner(stage, number, store, state)
            self._stage(stage, number, learner, curves, saved if number == first else None, store)
            state = self._backbone_state(learner)
        if curves is not None:
            curves.close()
        assert learner is not None
        return self._finish(learner, store)

    def _places(self) -> PlaceStore:
        from torch import distributed

        from flows.render import place_specs, render_places
        from pipelines.training.places import PlaceStore

        folder = self.config.data.folder or self.out / "places"
        specs = place_specs(self.config.data.render)
        if self._first and specs:
            started = time.monotonic()
            made = _with_bar(self._show, "places", lambda tell: render_places(
                specs, folder, workers=self.config.data.workers, on_place=tell
            ))  # fmt: skip
            if made:
                self._say(f"rendered {made} of {len(specs)} places in {(time.monotonic() - started) / 60:.1f} minutes")
        if self.fabric.world_size > 1:
            distributed.barrier()
        return PlaceStore.open(folder)

    def _start(self) -> dict[str, Tensor] | None:
        """Weights to start from; None for fresh ones."""
        from flows.weights import weights_path
        from ringmoe_core import load_checkpoint

        if self.config.start is None:
            return None
        return load_checkpoint(weights_path(str(self.config.start)), config=self._shape).model.state_dict()

    def _learner(self, stage: Stage, number: int, store: PlaceStore, state: dict[str, Tensor] | None) -> Learner:
        """The stage's model, spread over the processes, with what it learns."""
        from flows.train_processes import spread

        learner = make_learner(self.config, stage, store, seed=self.config.seed + number)
        if state is not None:
            learner.backbone.load_state_dict(self._everywhere(state))
        spread(learner.module, learner.backbone, self.config, self.fabric)
        return learner

    def _everywhere(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The first process's tensors, in all."""
        if self.fabric.world_size == 1:
            return state
        from ringmoe_core import RingMoE

        whole = {} if self._first else RingMoE(self._shape, seed=0).state_dict()
        return {
            name: self.fabric.broadcast(state[name] if self._first else whole[name], src=0)
            for name in (state if self._first else whole)
        }

    def _backbone_state(self, learner: Learner) -> dict[str, Tensor]:
        from flows.train_processes import whole_state

        return whole_state(learner.backbone)

    def _note_modalities(self, stage: Stage, store: PlaceStore) -> None:
        kinds = {entry.kind for entry in store.entries}
        if stage.learn == "tasks":
            from flows.train_tasks import task_specs

            kinds &= {task.kind for task in task_specs(stage.tasks)}
        elif "series" in kinds:
            self._seen.add("optical")  # Sentinel-2 is shown as red, green and blue, too
        self._seen.update(name for kind in kinds for name in _SEEN[kind])

    def _stage(  # noqa: PLR0917 what a stage needs
        self, stage: Stage, number: int, learner: Learner, curves: Curves | None, saved: Any, store: PlaceStore
    ) -> None:
        from flows.train_progress import live_line
        from pipelines.training.loop import SaveRule, StageRun, run_stage, write_state

        tail: list[StepRecord] = []

        def write(tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
            summaries = [asdict(one) for one in self._summaries]
            values |= {"stage": number, "summaries": summaries, "notes": self._notes}
            values["windows"] = self._health.to_list()
            name = f"{stage.name}-{values['progress']['step']}"
            write_state(resume_folder(self.out), name, tensors, values, self._identity)

        rule = SaveRule(
            every_steps=self.config.resume.every_steps, every_minutes=self.config.resume.every_minutes, write=write
        )
        with live_line(stage.name, show=self._show) as tell:

            def on_step(record: StepRecord) -> None:
                self._health.add(stage.name, record.step, record.steps, record.routing)
                tail.append(record)
                del tail[: max(0, len(tail) - max(10, record.step // 10))]
                tell(record, self._health)
                if curves is not None:
                    curves.add(record)

            run = StageRun(
                learner=learner, stage=stage_config(stage), fabric=self.fabric, save=rule, on_step=on_step,
                seed=(self.config.seed * 100 + number) * STAGE_SEEDS,
            )  # fmt: skip
            done = run_stage(run, saved)
        self._health.close(stage.name, done.step)
        self._summarise(stage, learner, tail, done, store)

    def _summarise(self, stage: Stage, learner: Learner, tail: list[StepRecord], done: Any, store: PlaceStore) -> None:
        from flows.train_measure import held_out_terms, mean_terms

        findings = self._health.findings(stage.name)
        bad = [finding.text for finding in findings if finding.state == "bad"] + [
            f"certain router: {case}" for case in self._health.certain(stage.name)
        ]
        for text in bad:
            self._say(f"warning: {stage.name}: {text}")
            self._notes.append(f"{stage.name}: {text}")
        held_out = held_out_terms(self.config, stage, learner, store, self.fabric)
        self._summaries.append(
            StageSummary(
                name=stage.name,
                steps=done.step,
                minutes=done.seconds / 60,
                waited=tail[-1].waited if tail else 0.0,
                last=mean_terms([record.terms for record in tail]),
                held_out=held_out,
                draws=asdict(done.sampler.counts),
                findings=findings,
            )
        )
        if bad and stage.routing == "fail":
            raise RoutingFailedError(
                f"experts must stay in use, got in {stage.name}: {'; '.join(bad)}; raise the balance weight"
            )

    def _finish(self, learner: Learner, store: PlaceStore) -> TrainingReport | None:
        """Measures, saves and reports, in the first process."""
        from flows.train_processes import whole_state

        state = whole_state(learner.module)
        if not self._first:
            return None
        from flows.train_output import write_outputs

        return write_outputs(self, state, learner, store)

    @property
    def summaries(self) -> tuple[StageSummary, ...]:
        """Of the stages that are done."""
        return tuple(self._summaries)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was skipped or looks wrong."""
        return tuple(self._notes)

    @property
    def health(self) -> RoutingHealth:
        """Use of the experts over time."""
        return self._health

    @property
    def modalities(self) -> tuple[str, ...]:
        """That the weights have seen, in the model's order."""
        return tuple(name for name in self._shape.modalities if name in self._seen)


def model_config(config: TrainingConfig) -> Any:
    """Returns the model's configuration: the preset's with the run's changes.

    Raises:
        ConfigError: A change cannot be.
    """
    from ringmoe_core import PRESETS, RingMoEConfig

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
    from ringmoe_core.pretraining import PretrainConfig, Pretrainer
    from ringmoe_core.task_model import TaskModel

    backbone: RingMoE = RingMoE(model_config(config), seed=seed)

    def draw(size: int, batch: int, draw_seed: int) -> PlaceSampler:
        return make_sampler(config, stage, store, size=size, batch=batch, seed=draw_seed, split=split)

    if stage.learn == "pretrain":
        try:
            objective = PretrainConfig.from_dict(stage.objective)
            return Pretraining(Pretrainer(backbone, objective, seed=seed), draw, seed=seed)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"stages, {stage.name}: objective: {error}") from error
    from flows.train_tasks import head_configs, task_specs

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
    sampling = SamplerConfig(
        purpose=stage.learn, size=size, batch=batch, temperature=data.temperature, weights=weights,
        max_nodata=data.max_nodata, overlap=data.overlap,
        draw=DrawConfig(num_dates=data.num_dates, num_pairs=data.num_pairs),
    )  # fmt: skip
    return PlaceSampler(store, sampling, seed=seed, hold_out=HoldOut(**data.hold_out.model_dump()), split=split)


def _summary(values: dict[str, Any]) -> StageSummary:
    """Returns the summary that JSON holds."""
    from flows.routing_verdict import Finding

    findings = tuple(Finding(**one | {"cases": tuple(one["cases"])}) for one in values["findings"])
    return StageSummary(**values | {"findings": findings})


def _with_bar(show: bool, unit: str, work: Callable[[Callable[[int, int], None]], int]) -> int:
    """Runs something that tells how far it is, with a progress bar on standard error."""
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", disable=not show, desc=unit) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.n = done
            bar.refresh()

        return work(tell)


def report_json(report: TrainingReport) -> str:
    """Returns the report as one JSON object."""
    return json.dumps(report.to_dict())
