"""One live line of a stage: losses, speed, the busiest expert, the share of time spent waiting for data."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flows.train_health import RoutingHealth
    from pipelines.training.loop import StepRecord

SMOOTHING: Final = 0.9
"""Of the losses shown: a single batch says little."""

_SHOWN: Final = 5
"""Terms that fit a line."""


@contextmanager
def live_line(name: str, *, show: bool) -> Iterator[Callable[[StepRecord, RoutingHealth], None]]:
    """Yields what takes every step of a stage.

    Args:
        name: Of the stage.
        show: Whether anything is written, to standard error.
    """
    from tqdm import tqdm

    smooth: dict[str, float] = {}
    with tqdm(desc=name, unit="step", disable=not show, dynamic_ncols=True) as bar:

        def tell(record: StepRecord, health: RoutingHealth) -> None:
            for term, value in record.terms.items():
                smooth[term] = SMOOTHING * smooth.get(term, value) + (1 - SMOOTHING) * value
            if not show:
                return
            if bar.n == 0 and record.step > 1:
                bar.initial = bar.n = record.step - 1
            bar.total = record.steps
            bar.set_postfix_str(line(smooth, record, health), refresh=False)
            bar.update()

        yield tell


def line(smooth: dict[str, float], record: StepRecord, health: RoutingHealth) -> str:
    """Returns what stands behind the bar."""
    terms = [f"{name} {value:.3f}" for name, value in list(smooth.items())[:_SHOWN]]
    experts = busiest(health)
    return ", ".join([*terms, *([f"busiest expert {experts:.0%}"] if experts else []), f"waits {record.waited:.0%}"])


def busiest(health: RoutingHealth) -> float:
    """Returns the largest share of a sensor's tokens that one of several experts takes; 0 before there is a figure."""
    rows = health.windows[-1].rows if health.windows else ()
    return max((max(row.utilisation) for row in rows if len(row.load) > 1), default=0.0)
