"""A training run of a configuration: render, learn stage by stage, measure on held-out ground, save, report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import yaml

from flows.errors import ConfigError
from flows.train_learner import make_learner, model_config, stage_config
from flows.train_places import run_places
from flows.train_summary import StageSummary, stage_summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning_fabric import Fabric
    from torch import Tensor

    from flows.train_config import Stage, TrainingConfig
    from flows.train_curves import Curves
    from flows.train_health import RoutingHealth
    from flows.train_summary import TrainingReport
    from pipelines.training.loop import Learner, StepRecord
    from pipelines.training.places import PlaceStore
    from ringmoe_core import CheckpointMetadata

STAGE_SEEDS: Final = 1_000
"""Seeds that a stage has for its draws."""


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
        self._started: CheckpointMetadata | None = None
        self._identity = config.identity() | {"processes": fabric.world_size, "device": fabric.device.type}

    def train(self, *, resume: bool) -> TrainingReport | None:
        """Runs all stages and writes everything."""
        from flows.train_curves import Curves
        from flows.train_output import write_stage
        from pipelines.training.loop import read_state

        saved = read_state(resume_folder(self.out), self._identity) if resume else None
        store = run_places(self.config, self.out, self.fabric, say=self._say, show=self._show)
        first = int(saved.values["stage"]) if saved is not None else 0
        if saved is not None:
            self._summaries = [stage_summary(one) for one in saved.values["summaries"]]
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
            if self._first and number + 1 < len(self.config.stages):
                write_stage(self, stage.name, state)
        if curves is not None:
            curves.close()
        assert learner is not None
        return self._finish(learner, store)

    def _start(self) -> dict[str, Tensor] | None:
        """Weights to start from; None for fresh ones."""
        from flows.weights import weights_path
        from ringmoe_core import load_checkpoint

        if self.config.start is None:
            return None
        loaded = load_checkpoint(weights_path(str(self.config.start)), config=self._shape)
        self._started = loaded.metadata
        return loaded.model.state_dict()

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
        from flows.train_tasks import SHOWN, task_specs

        kinds = {entry.kind for entry in store.entries}
        if stage.learn == "tasks":
            kinds &= {task.kind for task in task_specs(stage.tasks)}
        elif "series" in kinds:
            self._seen.add("optical")  # Sentinel-2 is shown as red, green and blue, too
        self._seen.update(name for kind in kinds for name in SHOWN[kind])

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
    def kept(self) -> CheckpointMetadata | None:
        """What the file that the run starts from says of a backbone that no stage changes; None where one does."""
        return self._started if self.config.keeps_backbone else None

    @property
    def modalities(self) -> tuple[str, ...]:
        """That the weights have seen, in the model's order."""
        return tuple(name for name in self._shape.modalities if name in self._seen)
