"""A place as one safetensors file, written whole and read where it lies."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from pipelines.training.places.errors import PlaceStoreError
from pipelines.training.places.place import KINDS, Kind, Place
from pipelines.training.scene_arrays import SensorArrays
from ringmoe_core.errors import CheckpointError
from ringmoe_core.tensor_file import TensorFile, TensorSource, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

_FIELDS: Final = ("pixels", "valid", "observed", "present", "day", "age")
_NOTE: Final = "ringmoe-place"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEntry:
    """What the index says of a place."""

    id: str
    kind: Kind
    block: tuple[int, int]
    shape: tuple[int, int]
    """Rows and columns."""

    gsd_m: float
    seed: int | None
    sensors: Mapping[str, int]
    """Dates of each modality."""

    targets: tuple[str, ...]
    size: int
    """Bytes of the file."""

    sha256: str
    """Of the file."""

    source: str
    """What the place was made from, as its maker wrote it; a place of the same source is not made again."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlaceEntry:
        """Returns the entry that `to_dict` wrote.

        Raises:
            ValueError: A value cannot be.
            KeyError: One is missing.
            TypeError: One is of another type, or unknown.
        """
        entry = cls(
            **{
                **values,
                "block": (int(values["block"][0]), int(values["block"][1])),
                "shape": (int(values["shape"][0]), int(values["shape"][1])),
                "sensors": {str(name): int(dates) for name, dates in values["sensors"].items()},
                "targets": tuple(str(name) for name in values["targets"]),
            }
        )
        if entry.kind not in KINDS or not entry.sensors or os.sep in entry.id or entry.id.startswith("."):
            raise ValueError(f"an entry names a known kind, sensors and a plain file, got {entry}")
        return entry


def place_path(folder: Path, place_id: str) -> Path:
    """Returns the file of a place."""
    return folder / f"{place_id}.safetensors"


def write_place_file(place: Place, folder: Path, *, source: str = "") -> PlaceEntry:
    """Writes the file of a place, which appears whole or not at all, and returns its entry for the index."""
    path = place_path(folder, place.id)
    partial = path.with_name(path.name + f".{os.getpid()}.partial")
    arrays = {f"{name}.{field}": getattr(one, field) for name, one in place.series.items() for field in _FIELDS}
    arrays |= {f"target.{name}": values for name, values in place.targets.items()}
    head = {"kind": place.kind, "block": place.block, "gsd_m": place.gsd_m, "seed": place.seed}
    written = write_tensors(
        partial, {name: _source(values) for name, values in arrays.items()}, {_NOTE: json.dumps(head)}
    )
    partial.replace(path)
    return PlaceEntry(
        id=place.id, kind=place.kind, block=place.block, shape=place.shape, gsd_m=place.gsd_m, seed=place.seed,
        sensors={name: one.pixels.shape[0] for name, one in place.series.items()}, targets=tuple(sorted(place.targets)),
        size=written.size, sha256=written.sha256, source=source,
    )  # fmt: skip


def read_place_file(entry: PlaceEntry, folder: Path) -> Place:
    """Returns a place whose arrays lie in the file's memory map: what is not looked at is not read.

    Raises:
        PlaceStoreError: The file is absent, damaged or no place.
    """
    path = place_path(folder, entry.id)
    try:
        file = TensorFile(path)
        arrays = {name: file.tensor(name).numpy() for name in file.places}
        head = json.loads(file.notes[_NOTE])
        return Place(
            id=entry.id,
            kind=head["kind"],
            series={
                name: SensorArrays(**{field: arrays[f"{name}.{field}"] for field in _FIELDS}) for name in entry.sensors
            },
            gsd_m=float(head["gsd_m"]),
            targets={name[7:]: values for name, values in arrays.items() if name.startswith("target.")},
            block=(int(head["block"][0]), int(head["block"][1])),
            seed=head["seed"],
        )
    except (OSError, CheckpointError, KeyError, ValueError) as error:
        raise PlaceStoreError(f"{path} must be a whole place, got {error}; render it again") from error


def check_place_file(entry: PlaceEntry, folder: Path, *, digest: bool) -> None:
    """Checks that the file of a place is the one that the index speaks of.

    Args:
        entry: Of the index.
        folder: Of the index.
        digest: Whether its bytes are read, too.

    Raises:
        PlaceStoreError: It is absent or another.
    """
    path = place_path(folder, entry.id)
    if not path.is_file():
        raise PlaceStoreError(f"every place of the index has a file, got none at {path}; render the places again")
    if path.stat().st_size != entry.size:
        raise PlaceStoreError(f"{path} must have {entry.size} bytes, got {path.stat().st_size}; render it again")
    if digest:
        found = TensorFile(path).sha256()
        if found != entry.sha256:
            raise PlaceStoreError(f"{path} must have the SHA-256 {entry.sha256}, got {found}; render it again")


def _source(values: npt.NDArray[np.generic]) -> TensorSource:
    tensor = torch.from_numpy(values.copy())
    return TensorSource(dtype=tensor.dtype, shape=tuple(tensor.shape), values=lambda: tensor)
