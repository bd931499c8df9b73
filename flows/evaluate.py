"""A model, or a file of predictions, put to a benchmark: what is printed by `ringmoe evaluate`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from flows.errors import ConfigError
from flows.evaluation import EvaluateReport, EvaluateRun, few_units_note, or_null
from flows.weights import weights_path
from pipelines.inference.channels import NORMALISATION_ID
from pipelines.training.benchmarks import benchmark_class, open_benchmark
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.first_samples import FirstSamples
from pipelines.training.benchmarks.split_overlap import share_samples
from pipelines.training.metrics import Resampling, metric_for
from pipelines.training.metrics.metric import ByClass
from pipelines.training.metrics.prediction_file import read_predictions
from pipelines.training.metrics.resampling import FEWEST_UNITS
from pipelines.training.protocols.head_choice import OFFERED, check_offered, check_stored, head_config
from pipelines.training.protocols.settings import Settings

if TYPE_CHECKING:
    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.benchmarks.sample import Sample
    from pipelines.training.metrics.metric import Metric
    from pipelines.training.metrics.prediction import Prediction
    from pipelines.training.protocols.head_watch import HeadWatch
    from pipelines.training.protocols.stream import Streamed
    from ringmoe_core.loaded_model import LoadedModel
    from ringmoe_core.task_model import TaskModel

TEST_SPLITS: Final = ("test", "query", "list-test", "val", "valid", "validation")
"""The first that a benchmark has is what is evaluated, unless another is named."""

TRAIN_SPLITS: Final = ("train", "support", "training", "list-train")

NUM_TOLD: Final = 20
"""Messages told of training samples that could not be used."""

OnProgress = Callable[[str, int, int], None]
"""Told a stage ("learn", "evaluate"), units done and wanted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    """A model at one benchmark."""

    run: EvaluateRun
    settings: Settings
    benchmark: Benchmark
    split: str
    loaded: LoadedModel
    trained: tuple[str, ...]
    """Modalities that the weights know."""

    progress: OnProgress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ready:
    """A model with the head that answers."""

    task: TaskModel
    temperature: float
    detail: Mapping[str, Any]
    """What is to be said of the head."""

    watch: HeadWatch | None = None
    """Of a stored head whose file says what it learned from."""


def evaluate(run: EvaluateRun, progress: OnProgress = lambda *_: None) -> EvaluateReport:
    """Puts a model, or predictions, to a benchmark.

    Raises:
        ConfigError: What is asked for does not go together, or no sample can be used.
        BenchmarkError: The benchmark's folder is not as it must be.
        CheckpointError: Weights or heads are damaged or do not belong together.
    """
    info = benchmark_class(run.benchmark).info
    split = _split(run.split, TEST_SPLITS, info, "--split")
    benchmark = _open(run, split)
    metric = metric_for(info.task, len(info.classes), Resampling(seed=run.seed, num_replicates=run.replicates))
    notes: tuple[str, ...] = ()
    if run.predictions is not None:
        streamed, protocol, weights = _from_file(run, benchmark, split, metric, progress)
    else:
        streamed, protocol, weights, notes = _from_model(run, benchmark, split, metric, progress)
    if not streamed.num_images:
        raise ConfigError(
            f"{info.title} {split}: at least one sample must be usable, all {streamed.num_skipped} were left out; "
            f"the first: {streamed.reasons[0]}"
        )
    return EvaluateReport(
        run=run,
        info=info,
        split=split,
        numbers=metric.compute(),
        intervals=_intervals(metric, streamed),
        by_class=_by_class(metric, info),
        streamed=streamed,
        protocol=protocol,
        weights=weights,
        notes=(*notes, *few_units_note(streamed.num_units)),
        held_bytes=metric.held_bytes(),
    )


def _by_class(metric: Metric, info: BenchmarkInfo) -> dict[str, dict[str, float]]:
    """Values of each class, where the metric has such."""
    if not isinstance(metric, ByClass):
        return {}
    return {
        measure: {name: float(value) for name, value in zip(info.classes, values, strict=True)}
        for measure, values in metric.by_class().items()
    }


def _from_file(
    run: EvaluateRun, benchmark: Benchmark, split: str, metric: Metric, progress: OnProgress
) -> tuple[Streamed, dict[str, Any], None]:
    from pipelines.training.protocols.stream import stream

    assert run.predictions is not None
    if run.weights or run.settings or run.train_split or run.head or run.heads:
        raise ConfigError("--predictions stands alone: leave out --weights, --heads and --protocol")
    document = read_predictions(run.predictions, benchmark.info, split)
    used = set()

    def answer(sample: Sample) -> Prediction:
        used.add(sample.id)
        return document.prediction(sample.id)

    streamed = stream(benchmark, answer, metric, lambda done: progress("evaluate", done, len(benchmark)))
    return streamed, {"name": "predictions", "num_unused": len(set(document.answers) - used)}, None


def _from_model(
    run: EvaluateRun, benchmark: Benchmark, split: str, metric: Metric, progress: OnProgress
) -> tuple[Streamed, dict[str, Any], dict[str, Any], tuple[str, ...]]:
    from pipelines.training.protocols.stream import stream, stream_videos
    from ringmoe_core import load_checkpoint

    info = benchmark.info
    if run.weights is None:
        raise ConfigError("--weights or --predictions must be given: what is to be put to the benchmark?")
    settings = run.settings or Settings(protocol="head" if run.heads else OFFERED[info.task][0], seed=run.seed)
    _check_asked(run, settings, info)
    loaded = load_checkpoint(_weights(run.weights))
    if loaded.metadata.normalisation != NORMALISATION_ID:
        raise ConfigError(
            f"--weights must have been trained on input normalised by {NORMALISATION_ID}, {run.weights} by "
            f"{loaded.metadata.normalisation}; use the release that wrote them"
        )
    trained = tuple(name for name in loaded.metadata.trained_modalities if name in loaded.model.config.modalities)
    trial = _Trial(
        run=run, settings=settings, benchmark=benchmark, split=split, loaded=loaded, trained=trained, progress=progress
    )
    ready = _stored(trial) if settings.protocol == "head" else _taught(trial)
    send = stream_videos if info.task == "tracking" else stream
    answer = _answer(trial, ready)
    streamed = send(benchmark, answer, metric, lambda done: progress("evaluate", done, len(benchmark)))
    protocol = {"name": settings.protocol, **asdict(settings), **ready.detail}
    weights = {"name": run.weights, "sha256": loaded.sha256, "trained_modalities": list(trained)}
    return streamed, protocol, weights, () if ready.watch is None else ready.watch.notes()


def _taught(trial: _Trial) -> _Ready:
    """A head that learns the training split."""
    from pipelines.training.protocols.few_shot import training_order
    from pipelines.training.protocols.learn import learn
    from pipelines.training.protocols.lesson import HEAD, Lesson
    from ringmoe_core.heads import build_head
    from ringmoe_core.task_model import TaskModel

    info, settings, model = trial.benchmark.info, trial.settings, trial.loaded.model
    train_split = _split(trial.run.train_split, TRAIN_SPLITS, info, "--train-split", apart_from=trial.split)
    if share_samples(train_split, trial.split):
        raise ConfigError(
            f"--train-split must be another than the one evaluated and share no sample with it, got {train_split!r} "
            f"to learn from and {trial.split!r} to evaluate; choose others of {list(info.splits)}"
        )
    train = _open(trial.run, train_split)
    head = build_head(head_config(info, settings.protocol), model.config, seed=settings.seed)
    passed_by: list[str] = []
    lesson = Lesson(
        task=TaskModel(model, {HEAD: head}),
        benchmark=train,
        trained=trial.trained,
        settings=settings,
        chosen=tuple(training_order(train, settings, passed_by.append)),
    )
    learned = learn(lesson, lambda done: trial.progress("learn", done, settings.steps))
    skipped = [*passed_by, *learned.skipped]
    detail = {
        "train_split": train_split,
        "num_train_samples": learned.num_samples,
        "num_parameters": learned.num_parameters,
        "last_loss": or_null(learned.last_loss),
        "num_train_skipped": len(skipped),
        "train_skipped": skipped[:NUM_TOLD],
    }
    return _Ready(task=lesson.task, temperature=1.0, detail=detail)


def _stored(trial: _Trial) -> _Ready:
    """A head of a file."""
    from pipelines.training.protocols.head_watch import HeadWatch
    from pipelines.training.protocols.lesson import HEAD
    from ringmoe_core.heads import load_heads
    from ringmoe_core.task_model import TaskModel

    path, info = trial.run.heads, trial.benchmark.info
    assert path is not None
    stored = load_heads(path, trial.loaded)
    name = trial.run.head or _only_fitting(stored.metadata.configs, info, path)
    if name not in stored.heads:
        raise ConfigError(f"--head must be one of {sorted(stored.heads)} of {path}, got {name!r}")
    check_stored(stored.metadata.configs[name], info, name)
    task = TaskModel(trial.loaded.model, {HEAD: stored.heads[name]}).eval()
    learned = stored.metadata.inputs.get(name)
    detail = {"head": name, "heads_sha256": stored.sha256, "learned": None if learned is None else learned.to_dict()}
    watch = None if learned is None else HeadWatch(name, learned, trial.settings)
    return _Ready(task=task, temperature=stored.metadata.temperature(name), detail=detail, watch=watch)


def _only_fitting(configs: Mapping[str, Any], info: BenchmarkInfo, path: Path) -> str:
    fitting = []
    for name, config in configs.items():
        try:
            check_stored(config, info, name)
        except ValueError:
            continue
        fitting.append(name)
    if len(fitting) != 1:
        raise ConfigError(
            f"{path} must hold one head for {info.name} ({info.task}, {len(info.classes)} classes), "
            f"{fitting or 'none'} of {sorted(configs)} {'fit' if fitting else 'fits'}; name one by --head"
        )
    return fitting[0]


def _answer(trial: _Trial, ready: _Ready) -> Callable[[Sample], Prediction]:
    from pipelines.training.protocols.answer import answer
    from pipelines.training.protocols.inputs import sample_images

    kind = trial.benchmark.info.task

    def answered(sample: Sample) -> Prediction:
        try:
            images = sample_images(sample, trial.trained, pair=kind == "change")
        except ValueError as error:
            raise SampleError(sample.id, str(error), "leave the sample out, or take other weights") from error
        if ready.watch is not None:
            ready.watch.see(images)
        return answer(ready.task, images, kind, trial.settings, ready.temperature)

    return answered


def _check_asked(run: EvaluateRun, settings: Settings, info: BenchmarkInfo) -> None:
    try:
        check_offered(settings.protocol, info)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if (settings.protocol == "head") != (run.heads is not None):
        raise ConfigError(f"--heads belongs to --protocol head, got {run.heads} and {settings.protocol!r}")
    if settings.protocol == "head" and (run.train_split or settings.shots or settings.train_share < 1):
        raise ConfigError("--protocol head learns nothing: leave out --train-split, --shots and --train-share")
    if run.head is not None and run.heads is None:
        raise ConfigError(f"--head names one of --heads, which is not given, got {run.head!r}")


def _open(run: EvaluateRun, split: str) -> Benchmark:
    known = inspect.signature(benchmark_class(run.benchmark).__init__).parameters
    unknown = sorted(set(run.options) - (set(known) - {"self", "root", "split", "options"}))
    if unknown:
        allowed = sorted(set(known) - {"self", "root", "split", "options"})
        raise ConfigError(f"options of {run.benchmark} are {allowed}, got {unknown}")
    options = {name: _fitting(name, value, known[name].default) for name, value in run.options.items()}
    whole = open_benchmark(run.benchmark, run.data, split, **options)
    return whole if run.limit is None else cast("Benchmark", FirstSamples(whole, run.limit))


def _fitting(name: str, value: object, default: object) -> object:
    """The value of an option, if it is of the kind of what it stands for."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    kinds: tuple[type, ...] = (int, float) if type(default) is float else (type(default),)
    if default is not None and (not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool)):
        raise ConfigError(f"--option {name} must be of the kind of {default!r}, its default, got {value!r}")
    return value


def _split(asked: str | None, known: tuple[str, ...], info: BenchmarkInfo, option: str, *, apart_from: str = "") -> str:
    if asked is not None:
        return asked  # the benchmark says which it has
    fitting = [name for name in known if name in info.splits]
    for name in fitting:
        if not apart_from or not share_samples(name, apart_from) or name == fitting[-1]:
            return name
    raise ConfigError(f"{option} must be given for {info.name}: one of {list(info.splits)}")


def _weights(name: str) -> Path:
    try:
        return weights_path(name)
    except ConfigError as error:
        raise ConfigError(str(error).replace("inference.weights", "--weights")) from error


def _intervals(metric: Metric, streamed: Streamed) -> dict[str, tuple[float, float] | None]:
    if streamed.num_units >= FEWEST_UNITS:
        return metric.intervals()
    return dict.fromkeys(metric.compute())  # so few say nothing of others
