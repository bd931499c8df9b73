"""Finished rows gathered into rows of output chunks, each written and committed when it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.inference.reduce import LayerArray
    from pipelines.inference.store import Draft, PredictionStore


class ChunkRows:
    """Takes rows from the top down; holds at most those of one chunk and of one lattice row."""

    def __init__(self, *, store: PredictionStore, draft: Draft, chunk: int, height: int) -> None:
        """Starts below the rows that the draft holds."""
        self._store = store
        self._chunk = chunk
        self._height = height
        self._waiting: list[Mapping[str, LayerArray]] = []
        self._next_row = draft.rows_done
        self.draft = draft

    @property
    def complete(self) -> bool:
        """Whether every row of the grid is committed."""
        return self.draft.rows_done >= self._height

    def add(self, top: int, layers: Mapping[str, LayerArray]) -> None:
        """Takes the rows from pixel row `top`; those that were taken before are left out.

        Raises:
            ValueError: Rows are missing in between.
        """
        if top > self._next_row:
            raise ValueError(f"rows come from the top down, got row {top} after {self._next_row}; send those between")
        bottom = top + next(iter(layers.values())).shape[-2]
        skip = min(self._next_row, bottom) - top
        self._waiting.append({name: values[..., skip:, :] for name, values in layers.items()})
        self._next_row = max(self._next_row, bottom)
        while not self.complete and self._next_row >= self._target:
            self._write(self._target)

    @property
    def _target(self) -> int:
        """First pixel row below the chunk row that is next."""
        return min(self.draft.rows_done + self._chunk, self._height)

    def _write(self, bottom: int) -> None:
        names = self._waiting[0]
        joined = {name: np.concatenate([part[name] for part in self._waiting], axis=-2) for name in names}
        num = bottom - self.draft.rows_done
        self.draft = self._store.write_rows(
            self.draft,
            {name: values[..., :num, :] for name, values in joined.items()},
            bottom=bottom,
            last=bottom == self._height,
        )
        self._waiting = [{name: values[..., num:, :].copy() for name, values in joined.items()}]
