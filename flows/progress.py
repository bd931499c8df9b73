"""How far a run is: a callback for the stages, shown as bars on stderr or handed to anything else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from tqdm import tqdm

STAGES: Final = ("search", "build_cube", "infer", "make_products", "publish")
"""The stages of a run, in order; also the keys of a report's timings."""

STAGE_SHARE: Final[dict[str, float]] = {
    "search": 0.02,
    "build_cube": 0.33,
    "infer": 0.55,
    "make_products": 0.08,
    "publish": 0.02,
}
"""Rough share of a run's time, for one percentage over all stages."""


class OnProgress(Protocol):
    """Told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Takes the stage's name and its units of work done and wanted, 0 <= done <= total."""


def ignore_progress(stage: str, done: int, total: int) -> None:
    """Takes progress and does nothing with it."""


def percent(stage: str, done: int, total: int) -> float:
    """Returns how much of a whole run is done, 0 to 100."""
    before = sum(STAGE_SHARE[name] for name in STAGES[: STAGES.index(stage)])
    within = STAGE_SHARE[stage] * (done / total if total else 1.0)
    return 100.0 * (before + within)


class ProgressBars:
    """One bar a stage on stderr; where stderr is no terminal, one line as a stage ends."""

    def __init__(self, *, always: bool = False) -> None:
        self._enabled = always or sys.stderr.isatty()
        self._bars: dict[str, tqdm[None]] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Moves the stage's bar to `done` of `total`."""
        if not self._enabled:
            if done == total and stage not in self._told:
                self._told.add(stage)
                sys.stderr.write(f"{stage.replace('_', ' ')}: done\n")
            return
        bar = self._bars.get(stage) or self._open(stage, total)
        bar.total = total
        bar.update(done - bar.n)

    def _open(self, stage: str, total: int) -> tqdm[None]:
        from tqdm import tqdm

        self._bars[stage] = tqdm(total=total, desc=stage.replace("_", " "), file=sys.stderr, leave=True)
        return self._bars[stage]
