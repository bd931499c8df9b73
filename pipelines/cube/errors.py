"""The exceptions of the cube package."""

from __future__ import annotations


class CubeError(RuntimeError):
    """A cube that cannot be built, written or opened; the message says the rule, the value and the fix."""


class ReadFailed(Exception):  # noqa: N818 it is the cause of an outcome, caught and recorded, never shown alone
    """A raster of one scene could not be read; the scene is skipped as `unreadable`."""

    def __init__(self, *, scene_id: str, href: str, cause: str) -> None:
        super().__init__(f"{href}: {cause}")
        self.scene_id = scene_id
        """Id of the scene to skip."""
