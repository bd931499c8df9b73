"""Predictions in an Icechunk repository: begun, resumed and finished so that a reader sees a whole one or none.

A run writes on a branch of its own, named by the prediction's key, and commits each row of chunks as it is done. A
killed run leaves the branch; the next one with the same key goes on behind the last row committed. `main` moves when
the last row is there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import icechunk
import numpy as np
import xarray as xr
import zarr

from pipelines.cube.encoding import compressor
from pipelines.cube.store import MAIN, create_store, open_store
from pipelines.inference.errors import InferenceError
from pipelines.inference.options import PredictionRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.inference.reduce import LayerArray

_PREFIX: Final = "predict-"
_KEY: Final = "prediction_key"
_ROWS: Final = "rows_done"
_WHOLE: Final = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A prediction in the making."""

    key: str
    rows_done: int
    """Pixel rows committed, from the top; a whole number of chunk rows, or all."""

    @property
    def branch(self) -> str:
        """Name of the branch that holds it."""
        return f"{_PREFIX}{self.key[:16]}"


class PredictionStore:
    """The one file that knows how a prediction is stored."""

    def __init__(self, uri: str) -> None:
        """Opens the repository at a local folder, or makes one.

        Raises:
            CubeError: The folder holds other files, or cannot be written.
        """
        self._store = create_store(uri)
        self._repository = self._store.repository
        self.uri = self._store.uri

    def lock(self, key: str) -> contextlib.AbstractContextManager[object]:
        """Returns the right to write, one run at a time; it ends with the process, however that ends.

        Raises:
            CubeError: On entering, where another run is writing.
        """
        return self._store.run(key[:16])

    def find(self, key: str) -> PredictionRef | None:
        """Returns the newest whole prediction of a key, None where there is none."""
        for snapshot in self._repository.ancestry(branch=MAIN):
            if snapshot.metadata.get(_KEY) == key and snapshot.metadata.get(_WHOLE):
                return PredictionRef(uri=self.uri, snapshot=snapshot.id, key=key)
        return None

    def begin(self, key: str, template: xr.Dataset) -> Draft:
        """Returns the draft of a key: the one a killed run left, or a new one laid out after the template."""
        draft = Draft(key=key, rows_done=0)
        main = self._repository.lookup_branch(MAIN)
        if draft.branch in self._repository.list_branches():
            tip = self._repository.lookup_snapshot(self._repository.lookup_branch(draft.branch))
            if tip.metadata.get(_KEY) == key:
                return Draft(key=key, rows_done=int(str(tip.metadata[_ROWS])))
            self._repository.delete_branch(draft.branch)  # made, but killed before its first commit
        self._repository.create_branch(draft.branch, main)
        session = self._repository.writable_session(draft.branch)
        template.to_zarr(
            session.store, mode="w", compute=False, zarr_format=3, consolidated=False, encoding=_encoding(template)
        )
        session.commit("lay out the prediction", metadata={_KEY: key, _ROWS: 0, _WHOLE: False})
        return draft

    def write_rows(self, draft: Draft, layers: Mapping[str, LayerArray], *, bottom: int, last: bool) -> Draft:
        """Returns the draft with the rows from `rows_done` to `bottom` committed.

        Args:
            draft: As `begin` or the last call gave it.
            layers: Values by name, (..., y, x), of exactly those rows.
            bottom: First pixel row below.
            last: Whether the prediction is whole with these.

        Raises:
            InferenceError: The disk is full or cannot be written.
        """
        session = self._repository.writable_session(draft.branch)
        try:
            for name, values in layers.items():
                array = zarr.open_array(session.store, path=name, mode="r+", zarr_format=3)
                array[..., draft.rows_done : bottom, :] = values
            session.commit(f"rows to {bottom}", metadata={_KEY: draft.key, _ROWS: bottom, _WHOLE: last})
        except (OSError, icechunk.IcechunkError) as error:
            raise InferenceError(
                f"rows {draft.rows_done} to {bottom} must fit the disk of {self.uri}, got {error}; "
                "free space and run again, what is committed stays"
            ) from error
        return Draft(key=draft.key, rows_done=bottom)

    def finish(self, draft: Draft) -> PredictionRef:
        """Returns the whole prediction, now what readers of the repository see.

        Args:
            draft: All rows are written.
        """
        snapshot = str(self._repository.lookup_branch(draft.branch))
        self._repository.reset_branch(MAIN, snapshot, from_snapshot_id=self._repository.lookup_branch(MAIN))
        for branch in self._repository.list_branches():  # and drafts of other keys, which nobody came back to
            if branch.startswith(_PREFIX):
                self._repository.delete_branch(branch)
        return PredictionRef(uri=self.uri, snapshot=snapshot, key=draft.key)


def open_prediction(ref: PredictionRef) -> xr.Dataset:
    """Returns a prediction, lazy, missing as NaN or as the flag its variable lists.

    Args:
        ref: As `predict` returned it.

    Raises:
        CubeError: There is no repository, or not that snapshot in it.
    """
    store = open_store(ref.uri).read(ref.snapshot)
    dataset: xr.Dataset = xr.open_zarr(store, consolidated=False, zarr_format=3, chunks={})
    return dataset


def _encoding(template: xr.Dataset) -> dict[str, dict[str, object]]:
    encoding: dict[str, dict[str, object]] = {}
    for name, variable in template.data_vars.items():
        chunks = tuple(sizes[0] for sizes in variable.chunks or ())
        encoding[str(name)] = {"chunks": chunks, "compressors": (compressor(variable.dtype),)}
        if np.issubdtype(variable.dtype, np.floating):
            encoding[str(name)]["_FillValue"] = np.float32(np.nan)
    return encoding
