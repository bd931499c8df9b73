"""The exceptions of the cube package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.read_fault import without_query

if TYPE_CHECKING:
    from pipelines.cube.read_fault import ReadFault


class CubeError(RuntimeError):
    """A cube that cannot be built, written or opened; the message says the rule, the value and the fix."""


class ReadFailed(Exception):  # noqa: N818 it is the cause of an outcome, caught and recorded, never shown alone
    """A raster of one scene could not be read: the blocks concerned stay missing, or the whole scene is skipped."""

    def __init__(self, *, scene_id: str, href: str, cause: str, fault: ReadFault = "damaged", band: str = "") -> None:
        super().__init__(f"{without_query(href)}: {cause}")
        self.scene_id = scene_id
        """Id of the scene."""
        self.href = without_query(href)
        """The file as the item says it, less what may hold a signature."""
        self.cause = cause
        """What the reader said."""
        self.fault: ReadFault = fault
        """Why; only some faults are worth a second try."""
        self.band = band
        """Band of the file, '' where the reader does not say."""
