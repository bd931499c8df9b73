"""A date applied again on a tip that another run has moved: its chunks are copied as stored, no catalogue is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from pipelines.cube.acquisition import Acquisition
from pipelines.cube.chunk_bytes import copy_date
from pipelines.cube.errors import CubeError
from pipelines.cube.failures import parse_failures
from pipelines.cube.fields import image_fields
from pipelines.cube.group import array_of, make_room, stored_dates, values_of, write_coords
from pipelines.cube.held_date import HeldDate
from pipelines.cube.lineage import lineage_of
from pipelines.cube.plan import AlreadyThere, HeldBack, StoredDate, is_settled, place
from pipelines.schema import PER_TIME_COORDS

if TYPE_CHECKING:
    from pipelines.cube.store import Draft, Store

_SHARED = ("schema_version", "configuration", "grid", "recipe")
"""Attributes of the root that two runs must agree on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DateReplay:
    """Applies one date of a former draft to a fresh one."""

    store: Store
    base: str
    """Id of the snapshot that the former draft began on."""

    group: str
    scene_ids: tuple[str, ...]

    def __call__(self, draft: Draft, changed: zarr.Group) -> None:
        """Puts the date of `changed`, the root of the former draft, to its place among those of the new tip.

        Raises:
            AlreadyThere: The other run has written the same scenes, or read parts of them that this one could not.
            HeldBack: The other run's date of the same pass holds a scene that this one does not, or more of its pixels.
            CubeError: The other run made a cube of another configuration.
        """
        source, root = _group(changed, self.group), draft.root
        _agree_on_root(changed, root)
        target = _group(root, self.group) if self.group in root else _clone_empty(source, root)
        _require_alike(source, target)
        _agree_on_group(source, target)
        target.attrs["attribution"] = root.attrs["attribution"]
        index = [date.scene_ids for date in stored_dates(source)].index(self.scene_ids)
        date, stored = stored_dates(source)[index], stored_dates(target)
        acquisition = Acquisition(group=self.group, scenes=tuple(s.scene for s in date.scenes if s.scene is not None))
        if is_settled(acquisition, stored) and not is_settled(acquisition, self._dates_before()):
            raise AlreadyThere(self.group)
        held = HeldDate.of(acquisition, stored)
        lost = held.losses(acquisition, parse_failures(date.read_failures))
        if lost and held.holds(acquisition):
            raise AlreadyThere(self.group)  # with more of its pixels, which are not given up
        if lost:
            raise HeldBack(f"the other run read parts of {min(lost)} that this one could not; run again")
        placement = place(date.time_us, acquisition.scenes, stored)
        free = make_room(target, placement.order)
        for name in image_fields(self.group):
            copy_date(array_of(source, name), index, array_of(target, name), free)
        values = {name: values_of(source, name)[index] for name in PER_TIME_COORDS}
        start, end = values_of(source, "time_bounds")[index].tolist()
        write_coords(
            target,
            placement.order,
            time_us=date.time_us,
            bounds_us=(start, end),
            values=values | {"lineage": lineage_of(placement, snapshot=draft.base, now=datetime.now(UTC))},
        )

    def _dates_before(self) -> tuple[StoredDate, ...]:
        root = self.store.root(self.base)
        return () if root is None or self.group not in root else stored_dates(_group(root, self.group))


def _agree_on_root(changed: zarr.Group, root: zarr.Group) -> None:
    ours, theirs = dict(changed.attrs), dict(root.attrs)
    for name in _SHARED:
        if theirs and ours.get(name) != theirs.get(name):
            raise CubeError(
                f"runs that write to one cube at once agree on its {name}, got {ours.get(name)} here and "
                f"{theirs.get(name)} from the other; give both the same region"
            )
    lines = [line for held in (theirs, ours) for line in str(held.get("attribution", "")).splitlines() if line]
    root.attrs.update({**ours, **theirs, "attribution": "\n".join(dict.fromkeys(lines))})


def _agree_on_group(source: zarr.Group, target: zarr.Group) -> None:
    """Takes over what the former draft added to a group's attributes, such as the reference of co-registration."""
    ours, theirs = dict(source.attrs), dict(target.attrs)
    for name in sorted({*ours, *theirs} - {"attribution"}):
        if name in theirs and ours.get(name) != theirs[name]:
            raise CubeError(
                f"runs that write to one cube at once agree on the {name} of {target.path}, got {ours.get(name)} here "
                f"and {theirs[name]} from the other; run again, the cube's own is then taken"
            )
    target.attrs.update({**ours, **theirs})


def _clone_empty(source: zarr.Group, root: zarr.Group) -> zarr.Group:
    """Returns a new group like the source, with its fixed coordinates and no date."""
    target = root.create_group(source.basename, attributes=dict(source.attrs))
    for name, array in source.arrays():
        described = _description(array)
        grows = _grows(array)
        if grows:
            described["shape"][0] = 0
        text = json.dumps(described).encode()
        sync(target.store.set(f"{target.path}/{name}/zarr.json", default_buffer_prototype().buffer.from_bytes(text)))
        if not grows:
            array_of(target, name)[...] = np.asarray(array[...])
    return target


def _require_alike(source: zarr.Group, target: zarr.Group) -> None:
    """Raises where chunks of one group would mean something else in the other."""
    for name, array in source.arrays():
        ours, theirs = _description(array), _description(array_of(target, name))
        grows = _grows(array)
        if grows:
            ours["shape"], theirs["shape"] = ours["shape"][1:], theirs["shape"][1:]
        alike = all(ours[key] == theirs[key] for key in ("shape", "data_type", "chunk_grid", "codecs", "fill_value"))
        if not alike or not (grows or _equal(array, array_of(target, name))):
            raise CubeError(
                f"runs that write to one cube at once agree on its bands and chunks, {name} of {target.path} differs "
                "between the two; give both the same region"
            )


def _equal(first: zarr.Array[Any], second: zarr.Array[Any]) -> bool:
    ours, theirs = np.asarray(first[...]), np.asarray(second[...])
    return np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")


def _grows(array: zarr.Array[Any]) -> bool:
    names = array.metadata.to_dict().get("dimension_names")
    return isinstance(names, (list, tuple)) and "time" in names[:1]


def _description(array: zarr.Array[Any]) -> dict[str, Any]:
    document = array.metadata.to_buffer_dict(default_buffer_prototype())["zarr.json"]
    described: dict[str, Any] = json.loads(document.to_bytes())
    return described


def _group(root: zarr.Group, name: str) -> zarr.Group:
    group = root[name]
    assert isinstance(group, zarr.Group), name
    return group
