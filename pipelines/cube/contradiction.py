"""Dates whose pixels contradicted their metadata: within one cube all of them are settled the same way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelines.cube.errors import CubeError
from pipelines.cube.group import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr

    from pipelines.cube.verdict import OnContradiction


def require_same_side(stored: Mapping[str, zarr.Group], on_contradiction: OnContradiction) -> None:
    """Raises where a build would read such scenes by the other convention than the dates that the cube holds.

    Quarantine adds none of them, and goes with either.

    Raises:
        CubeError: Names a scene of the other side.
    """
    if on_contradiction == "quarantine" or "s2" not in stored:
        return
    for text in values_of(stored["s2"], "radiometric_evidence"):
        for scene_id, record in json.loads(str(text) or "{}").items():
            pixels = record.get("pixels")
            if not isinstance(pixels, dict) or pixels.get("verdict") != "contradicts":
                continue
            held = "pixels" if record.get("rule") == "pixels" else "metadata"
            if held != on_contradiction:
                raise CubeError(
                    f"scenes whose pixels contradict their metadata are settled in one way within a cube, {scene_id} "
                    f"was read with radiometry.on_contradiction {held!r}, the build asks for {on_contradiction!r}; "
                    "keep to the first, or build the cube anew"
                )
