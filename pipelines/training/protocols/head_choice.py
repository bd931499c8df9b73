"""Which head answers a task, and how it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringmoe_core.heads.head_config import HeadConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.training.benchmarks.info import BenchmarkInfo, Task
    from pipelines.training.protocols.settings import Protocol
    from ringmoe_core.heads.head_config import OptionValue

KINDS: Final[Mapping[Task, str]] = {
    "classification": "classification",
    "multi_label": "classification",
    "segmentation": "segmentation",
    "change": "change",
    "height": "height",
    "detection": "detection",
    "rotated_detection": "rotated",
    "tracking": "detection",
}
"""Task -> kind of head."""

OFFERED: Final[Mapping[Task, tuple[Protocol, ...]]] = {
    "classification": ("linear", "prototype", "finetune", "head"),
    "multi_label": ("linear", "finetune", "head"),
    "segmentation": ("linear", "prototype", "finetune", "head"),
    "change": ("linear", "finetune", "head"),
    "height": ("finetune", "head"),
    "detection": ("finetune", "head"),
    "rotated_detection": ("finetune", "head"),
    "tracking": ("finetune", "head"),
}
"""Task -> protocols that make sense of it, the first by default."""


def check_offered(protocol: Protocol, info: BenchmarkInfo) -> None:
    """Checks that a protocol is one of the task's.

    Raises:
        ValueError: It is not.
    """
    if protocol not in OFFERED[info.task]:
        raise ValueError(
            f"--protocol of {info.name}, a benchmark of {info.task}, must be one of {list(OFFERED[info.task])}, "
            f"got {protocol!r}"
        )


def head_config(info: BenchmarkInfo, protocol: Protocol) -> HeadConfig:
    """The head that is trained for a benchmark: linear where the protocol is, otherwise the kind's own."""
    options: dict[str, OptionValue] = {}
    if KINDS[info.task] == "classification":
        options = {"pool": "attentive" if protocol == "finetune" else "mean", "multi_label": info.task == "multi_label"}
    elif protocol in {"linear", "prototype"}:
        options = {"decoder": "linear"}
    return HeadConfig(kind=KINDS[info.task], task=info.name, class_names=info.classes, options=options)


def check_stored(config: HeadConfig, info: BenchmarkInfo, name: str) -> None:
    """Checks that a stored head answers a benchmark.

    Raises:
        ValueError: It is of another kind, or has other classes.
    """
    if config.kind != KINDS[info.task]:
        raise ValueError(f"head {name!r} must be of kind {KINDS[info.task]!r} for {info.name}, got {config.kind!r}")
    if config.class_names != info.classes:
        raise ValueError(
            f"classes of head {name!r} must be those of {info.name}, {list(info.classes)}, in order, "
            f"got {list(config.class_names)}"
        )
    if config.kind == "classification" and bool(config.option("multi_label")) != (info.task == "multi_label"):
        raise ValueError(
            f"head {name!r} must {'' if info.task == 'multi_label' else 'not '}be multi-label for {info.name}"
        )
