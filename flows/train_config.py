"""TrainingConfig: one training run as a YAML file has it; unknown keys are refused."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flows.errors import ConfigError

Kind = Literal["series", "slc", "vhr", "video"]
TaskName = Literal["land_cover", "change", "radar_land_cover", "height", "objects", "scene", "movers"]

RUN_KEYS: Final = ("resume", "tensorboard", "data.workers")
"""Keys that a resumed run may change: nothing that is learnt hangs on them."""

_LONGEST_VALUE: Final = 80


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RenderConfig(_Strict):
    """Simulated places of one kind."""

    places: int = Field(ge=0)
    size: int = Field(default=256, ge=64, multiple_of=8)
    """Pixels a side."""

    dates: int = Field(default=1, ge=1)
    """Dates or frames of each."""

    seed: int = Field(default=1_000, ge=0)
    """Of the first; the following ones count up."""


class HoldOutConfig(_Strict):
    """Ground that is not trained on."""

    seed: int = 0
    validation: float = Field(default=0.08, ge=0, lt=1)
    test: float = Field(default=0.08, ge=0, lt=1)
    buffer_px: int = Field(default=16, ge=0)


class DataConfig(_Strict):
    """What is trained on."""

    folder: Path | None = None
    """Store of places, rendered into where `render` asks for it; None puts it below the run's own folder."""

    render: dict[Kind, RenderConfig] = Field(default_factory=dict)
    workers: int = Field(default=2, ge=1)
    """Processes that render."""

    hold_out: HoldOutConfig = HoldOutConfig()
    temperature: float = Field(default=0.5, ge=0)
    weights: dict[Kind, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    max_nodata: float = Field(default=0.6, ge=0, le=1)
    overlap: float = Field(default=0.75, ge=0, lt=1)
    num_dates: int = Field(default=6, ge=2)
    """Dates of a chip of a series, for tasks."""

    num_pairs: int = Field(default=1, ge=1)
    """Dates of a chip, for pre-training."""


class PhaseConfig(_Strict):
    """Part of a stage with one size of chip."""

    size: int = Field(ge=8, multiple_of=4)
    batch: int = Field(ge=1)
    share: float = Field(default=1.0, gt=0, le=1)


class _StageConfig(_Strict):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    phases: tuple[PhaseConfig, ...] = (PhaseConfig(size=64, batch=16),)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1.5e-3, gt=0)
    final_learning_rate: float = Field(default=1e-5, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    clip_norm: float = Field(default=1.0, gt=0)
    average: float = Field(default=0.998, ge=0, lt=1)
    routing: Literal["warn", "fail"] = "warn"
    """What dead experts and collapsed banks do when the stage is over."""

    @model_validator(mode="after")
    def _check(self) -> _StageConfig:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(f"a stage has either steps or minutes, got {self.steps} and {self.minutes}; give one")
        if not math.isclose(sum(phase.share for phase in self.phases), 1.0, abs_tol=1e-6):
            raise ValueError(f"the phases' shares sum to 1, got {[phase.share for phase in self.phases]}; correct them")
        if self.final_learning_rate > self.learning_rate:
            raise ValueError(
                f"final_learning_rate is at most learning_rate, got {self.final_learning_rate} and {self.learning_rate}"
            )
        return self


class PretrainStage(_StageConfig):
    """Learns from images alone."""

    learn: Literal["pretrain"]
    objective: dict[str, Any] = Field(default_factory=dict)
    """Options of `ringmoe_core.pretraining.PretrainConfig`; those left out have its defaults."""


class WithheldStage(_StageConfig):
    """Learns from series alone what images that it was not shown look like."""

    learn: Literal["withheld"]
    dates: int = Field(default=8, ge=2)
    """Dates of a chip of a series, each with all sensors that saw it within `pair_days`."""

    pair_days: float = Field(default=8.0, ge=0)
    objective: dict[str, Any] = Field(default_factory=dict)
    """Options of `ringmoe_core.pretraining.WithheldConfig`; those left out have its defaults."""


class TaskStage(_StageConfig):
    """Learns tasks."""

    learn: Literal["tasks"]
    tasks: dict[TaskName, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """Weight of each task's loss."""

    channels: int = Field(default=48, ge=4)
    """Inner width of the heads."""

    train: Literal["all", "heads"] = "all"
    """What learns: everything, or the heads alone, which take the backbone as it is."""

    @model_validator(mode="after")
    def _check_train(self) -> TaskStage:
        own = sorted({"land_cover", "change"} & set(self.tasks))
        if self.train == "heads" and own:
            raise ValueError(f"heads alone cannot learn {own}, the backbone's own; leave them out, or train all")
        return self


Stage = Annotated[PretrainStage | WithheldStage | TaskStage, Field(discriminator="learn")]


class ResumeConfig(_Strict):
    """When a state to resume from is written."""

    every_steps: int = Field(default=200, ge=1)
    every_minutes: float = Field(default=5.0, gt=0)


class TrainingConfig(_Strict):
    """One training run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Stem of the files of weights."""

    preset: Literal["nano", "tiny", "small"]
    model: dict[str, Any] = Field(default_factory=dict)
    """Options of the model that differ from the preset's."""

    seed: int = 0
    threads: int = Field(default=2, ge=1)
    """Of each process."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"
    """Of products; `auto` is bf16 where the device computes in it natively."""

    expert_ranks: int = Field(default=1, ge=1)
    """Processes that divide the experts of each bank."""

    recompute: bool = False
    """Whether blocks keep only their input and are computed again in the backward pass, with several processes."""

    start: Path | None = None
    """Weights to start from."""

    data: DataConfig
    stages: tuple[Stage, ...] = Field(min_length=1)
    resume: ResumeConfig = ResumeConfig()
    validation_batches: int = Field(default=8, ge=0)
    """Batches of held-out ground, of each stage's last phase, that the report's figures rest on."""

    tensorboard: bool = False
    """Whether curves are also written for TensorBoard (extra `train`)."""

    @field_validator("stages")
    @classmethod
    def _names_differ(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        names = [stage.name for stage in stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages have names of their own, got {names}; rename them")
        return stages

    @model_validator(mode="after")
    def _backbone_comes_from_somewhere(self) -> TrainingConfig:
        first = self.stages[0]
        if self.start is None and first.learn == "tasks" and first.train == "heads":
            raise ValueError(
                f"stage {first.name} trains heads alone and is the first, so that the backbone needs `start`, "
                "got none; name weights, or train all"
            )
        return self

    @property
    def keeps_backbone(self) -> bool:
        """Whether no stage changes the backbone that the run starts from; its sizes are then those of `start`."""
        return all(stage.learn == "tasks" and stage.train == "heads" for stage in self.stages)

    def identity(self) -> dict[str, Any]:
        """Returns what a resumed run must have in common with the one that it goes on with."""
        values = self.model_dump(mode="json")
        for key in RUN_KEYS:
            *path, last = key.split(".")
            inner = values
            for step in path:
                inner = inner[step]
            inner.pop(last)
        return values


def shipped_configs() -> tuple[str, ...]:
    """Returns the names of the configurations that come with the package."""
    folder = resources.files("flows") / "configs"
    return tuple(sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml")))


def load_training(source: str, overrides: list[str] | None = None) -> TrainingConfig:
    """Returns a run's configuration.

    Args:
        source: Name of a shipped one, or the path of a YAML file.
        overrides: `key=value`, the key with dots into mappings and numbers into lists, the value as YAML has it.

    Raises:
        ConfigError: There is no such file, it is no YAML mapping, or it breaks a rule; each fault is named by its path.
    """
    if source in shipped_configs():
        text = (resources.files("flows") / "configs" / f"{source}.yaml").read_text(encoding="utf-8")
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"a configuration is one of {list(shipped_configs())} or a readable YAML file, got {source!r} ({error})"
            ) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: a configuration must be valid YAML, got: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{source}: a configuration must be a mapping of keys, got {type(document).__name__}")
    for entry in overrides or []:
        _override(document, entry)
    try:
        return TrainingConfig.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(dict(fault))}" for fault in error.errors())
        raise ConfigError(f"{source}: the configuration is not valid:\n{faults}") from error


def _override(document: dict[str, Any], entry: str) -> None:
    key, sign, text = entry.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set takes key=value, got {entry!r}; write for example stages.0.steps=100")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: the value must be YAML, got {text!r} ({error})") from error
    *path, last = key.split(".")
    inner: Any = document
    for step in path:
        inner = _inside(inner, step, key)
    if isinstance(inner, list):
        inner[_position(inner, last, key)] = value
    elif isinstance(inner, dict):
        inner[last] = value
    else:
        raise ConfigError(f"--set {key}: the key must lead into a mapping or a list, got {inner!r} above {last!r}")


def _inside(inner: Any, step: str, key: str) -> Any:
    if isinstance(inner, list):
        return inner[_position(inner, step, key)]
    if isinstance(inner, dict):
        return inner.setdefault(step, {})
    raise ConfigError(f"--set {key}: the key must lead into a mapping or a list, got {inner!r} above {step!r}")


def _position(inner: list[Any], step: str, key: str) -> int:
    if not step.isdecimal() or int(step) >= len(inner):
        raise ConfigError(f"--set {key}: a list of {len(inner)} takes 0 to {len(inner) - 1}, got {step!r}; correct it")
    return int(step)


def _describe(fault: dict[str, Any]) -> str:
    parts = [str(part) for part in fault["loc"]]
    if parts[:1] == ["stages"] and parts[2:3] in (
        ["pretrain"],
        ["withheld"],
        ["tasks"],
    ):  # the kind of stage is no key of the file
        del parts[2]
    where = ".".join(parts)
    given = repr(fault.get("input"))
    shown = given if len(given) <= _LONGEST_VALUE else given[: _LONGEST_VALUE - 3] + "..."
    return f"{where or 'configuration'}: {fault['msg']}, got {shown}"
