"""What could not be read: kept as values, told in the cube's own coordinate and in a run's report.

A date's `read_failures` is a JSON object by scene id; each entry names the band, the file (never signed), the fault,
its cause and the blocks of the grid that are missing, as [row, col, height, width] in pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipelines.grid import Block

if TYPE_CHECKING:
    from catalogs.scenes import SkipReason
    from pipelines.cube.errors import ReadFailed
    from pipelines.cube.raster_file import ReadFault

_QUERY: Final = re.compile(r"(\w+://[^\s?'\"]+)\?[^\s'\"]+")
"""An address with its query, where a signature stands."""

_SKIPPED_AS: Final[Mapping[str, SkipReason]] = {"damaged": "damaged", "refused": "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailure:
    """Blocks of one scene that stayed missing because a file could not be read there."""

    scene_id: str
    band: str
    """Band whose file failed, '' where not known."""

    href: str
    """As the item says it, without its query."""

    fault: ReadFault
    cause: str
    """What the reader said."""

    blocks: tuple[Block, ...]
    """Single chunks of the cube, sorted."""

    def __post_init__(self) -> None:
        if not self.blocks or list(self.blocks) != sorted(set(self.blocks)):
            raise ValueError(f"a read failure names the blocks it cost, sorted, got {self.blocks}; sort them")


def failure_of(error: ReadFailed, blocks: Iterable[Block]) -> ReadFailure:
    """Returns the record of blocks that an error cost."""
    return ReadFailure(
        scene_id=error.scene_id,
        band=error.band,
        href=_QUERY.sub(r"\1", error.href).split("?")[0] if "://" in error.href else error.href,
        fault=error.fault,
        cause=_QUERY.sub(r"\1", error.cause),
        blocks=tuple(sorted(set(blocks))),
    )


def gathered(failures: Iterable[ReadFailure]) -> tuple[ReadFailure, ...]:
    """Returns the failures with those of one file and one cause joined, sorted by scene, band and cause."""
    joined: dict[tuple[str, str, str, ReadFault, str], set[Block]] = {}
    for failure in failures:
        key = (failure.scene_id, failure.band, failure.href, failure.fault, failure.cause)
        joined.setdefault(key, set()).update(failure.blocks)
    return tuple(
        ReadFailure(scene_id=scene, band=band, href=href, fault=fault, cause=cause, blocks=tuple(sorted(blocks)))
        for (scene, band, href, fault, cause), blocks in sorted(joined.items())
    )


def failures_text(failures: Iterable[ReadFailure]) -> str:
    """Returns the text of the coordinate `read_failures`, '' where everything was read."""
    by_scene: dict[str, list[dict[str, object]]] = {}
    for failure in gathered(failures):
        blocks = [[block.row, block.col, block.height, block.width] for block in failure.blocks]
        entry = {"band": failure.band, "href": failure.href, "fault": failure.fault, "cause": failure.cause}
        by_scene.setdefault(failure.scene_id, []).append({**entry, "blocks": blocks})
    return json.dumps(by_scene, sort_keys=True) if by_scene else ""


def parse_failures(text: str) -> tuple[ReadFailure, ...]:
    """Returns the failures that a coordinate `read_failures` holds."""
    if not text:
        return ()
    by_scene: Mapping[str, list[dict[str, Any]]] = json.loads(text)
    return tuple(
        ReadFailure(
            scene_id=scene_id,
            band=entry["band"],
            href=entry["href"],
            fault=entry["fault"],
            cause=entry["cause"],
            blocks=tuple(Block(row=r, col=c, height=h, width=w) for r, c, h, w in entry["blocks"]),
        )
        for scene_id, entries in sorted(by_scene.items())
        for entry in entries
    )


def missing_blocks(failures: Iterable[ReadFailure]) -> dict[str, frozenset[Block]]:
    """Returns the blocks that are missing of each scene, whatever the cause."""
    found: dict[str, frozenset[Block]] = {}
    for failure in failures:
        found[failure.scene_id] = found.get(failure.scene_id, frozenset()) | frozenset(failure.blocks)
    return found


def describe(failures: Iterable[ReadFailure], num_units: int) -> str:
    """Returns one line on the failures of one scene.

    Args:
        failures: All of one scene and one date, at least one.
        num_units: Chunks of the grid, the smallest units there are.
    """
    listed = gathered(failures)
    lost = len(frozenset[Block]().union(*(failure.blocks for failure in listed)))
    causes = [f"{failure.href}: {failure.cause} ({failure.fault})" for failure in listed]
    told = "; ".join(dict.fromkeys(causes))
    return f"{lost} of {num_units} units could not be read: {told}"


def skip_reason(fault: ReadFault) -> SkipReason:
    """Returns how a scene is skipped of which nothing could be read: by what failed."""
    return _SKIPPED_AS.get(fault, "unreadable")
