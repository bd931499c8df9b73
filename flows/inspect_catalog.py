"""The verdicts over all items of a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.browse import browse
from catalogs.providers import static_provider
from pipelines.cube.item_verdict import Reach, judge_item
from pipelines.cube.read_policy import ReadPolicy, read_policy, use_read_policy

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.cube.item_verdict import ItemVerdict

HASTY: Final = ReadPolicy(connect_s=5.0, stall_s=15.0, num_tries=1, verify="none")
"""A server that is out of reach is no error here, and is not waited for."""


def inspect_catalog(catalog: Path, *, pixels: bool = True) -> tuple[ItemVerdict, ...]:
    """Returns the verdict over every item of a catalogue on disk, or of a folder of item files.

    Args:
        catalog: As `catalogs.browse` takes it.
        pixels: Whether files are opened: those below the catalogue's folder, and those of hosts that the table of
            providers lists. Where none can be, the metadata decide and the evidence says so.

    Raises:
        CatalogError: There is no such path, or no item in it.
    """
    found = browse(catalog)
    root = catalog if catalog.is_dir() else catalog.parent
    reach = Reach(local=static_provider(root) if pixels else None)
    before = read_policy()
    use_read_policy(HASTY)
    try:
        return tuple(judge_item(item, reach) for item in found)
    finally:
        use_read_policy(before)
