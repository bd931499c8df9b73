"""One block of a composite: its dates read and merged in strips of rows, so that a period may hold many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.composite.best_pixel import cloud_distance
from pipelines.composite.image import CompositeImage, Observations, composite_image
from pipelines.cube.group import array_of
from pipelines.cube.recipe import with_halo
from pipelines.grid import Block
from pipelines.physics.packing import unpack_values

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from pipelines.composite.options import CompositeOptions
    from pipelines.composite.plan import PlannedComposite
    from pipelines.grid import TargetGrid
    from pipelines.schema import GroupSpec

READ_BYTES: Final = 256 * 2**20
"""Of stored observations that one thread holds at once. Where the dates of a period hold more on a chunk, its rows are
read in turn, and each of its chunks is decoded as many times: 365 dates of ten bands and 512 px, nine times."""

STRIP_BYTES: Final = 64 * 2**20
"""Of decoded observations that one thread holds at once."""

_PLANES_BYTES: Final = 7
"""A pixel of a date: `reason`, `valid` and the distance to clouds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWork:
    """What the composites of one group share."""

    source: zarr.Group
    grid: TargetGrid
    spec: GroupSpec
    options: CompositeOptions
    """With the method that the group's kind takes."""


def block_image(work: GroupWork, composite: PlannedComposite, block: Block) -> CompositeImage:
    """Returns one block of a composite; strips of rows never show in it.

    Args:
        work: The group.
        composite: Which of its dates.
        block: Of the grid.
    """
    value = array_of(work.source, work.spec.value_name)
    row_bytes = len(composite.members) * block.width * (value.shape[1] * value.dtype.itemsize + _PLANES_BYTES)
    rows = max(1, READ_BYTES // row_bytes)
    parts = (
        Block(row=top, col=block.col, height=min(rows, block.row_stop - top), width=block.width)
        for top in range(block.row, block.row_stop, rows)
    )
    return _stacked([_read_image(work, composite, part) for part in parts])


def _read_image(work: GroupWork, composite: PlannedComposite, block: Block) -> CompositeImage:
    group, members = work.source, list(composite.members)
    value, reason, valid = (array_of(group, name) for name in (work.spec.value_name, "reason", "valid"))
    stored = np.stack([value[date, :, *block.slices] for date in members])
    reasons = np.stack([reason[date, *block.slices] for date in members])
    clear = np.stack([valid[date, *block.slices] for date in members])
    clearance = _clearance(work, members, block)
    rows = max(1, STRIP_BYTES // max(1, stored[..., 0, :].size * 4))
    images = []
    for top in range(0, block.height, rows):
        strip = slice(top, top + rows)
        observations = Observations(
            values=unpack_values(stored[..., strip, :], work.spec),
            reason=reasons[:, strip],
            valid=clear[:, strip],
            age=np.array(composite.ages),
            clearance_px=None if clearance is None else clearance[:, strip],
        )
        images.append(composite_image(observations, work.options))
    return _stacked(images)


def _stacked(images: list[CompositeImage]) -> CompositeImage:
    """Returns strips of rows as one image."""
    if len(images) == 1:
        return images[0]
    return CompositeImage(
        values=np.concatenate([image.values for image in images], axis=1),
        reason=np.concatenate([image.reason for image in images]),
        num_valid=np.concatenate([image.num_valid for image in images]),
        source=np.concatenate([image.source for image in images]),
    )


def _clearance(work: GroupWork, members: list[int], block: Block) -> NDArray[np.float32] | None:
    """Returns the distance to clouds on a block, seen from its surroundings so that no edge of a strip shows."""
    if work.options.method != "best-pixel":
        return None
    reach = work.options.weights.reach_px
    outer = with_halo(block, reach, work.grid.shape)
    rows = slice(block.row - outer.row, block.row_stop - outer.row)
    cols = slice(block.col - outer.col, block.col_stop - outer.col)
    reason = array_of(work.source, "reason")
    clearance = np.empty((len(members), block.height, block.width), dtype=np.float32)
    for index, date in enumerate(members):  # copied one by one: a view would keep the surroundings of every date
        clearance[index] = cloud_distance(np.asarray(reason[date, *outer.slices]), reach_px=reach)[rows, cols]
    return clearance
