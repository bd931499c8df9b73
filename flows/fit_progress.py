"""How far a fit is, as one line a stage on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from types import TracebackType


class FitProgress:
    """A bar for each stage as it comes; quiet where stderr is no terminal."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[None]] = {}

    def __enter__(self) -> Self:
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Takes the stage's name and its units of work done and wanted."""
        bar = self._bars.get(stage)
        if bar is None:
            bar = tqdm(total=total, desc=stage.replace("_", " "), file=sys.stderr, disable=None, leave=False)
            self._bars[stage] = bar
        bar.total = total
        bar.update(done - bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()
