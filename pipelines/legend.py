"""Codes, names and colours of the classes that are simulated, learnt and published; imports nothing of ours.

Land cover follows ESA WorldCover v200 (Product User Manual, table 4: codes and colours), so that existing palettes
work. Change has codes of its own.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendClass:
    """One class of a categorical layer."""

    code: int
    """Value stored in the raster, 0 to 255."""

    name: str
    """CF flag meaning: lower case, no blanks."""

    title: str
    """What a person reads."""

    color: str
    """Six hexadecimal digits, no '#'."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return int(self.color[0:2], 16), int(self.color[2:4], 16), int(self.color[4:6], 16)


LAND_COVER: Final = (
    LegendClass(code=10, name="tree_cover", title="Tree cover", color="006400"),
    LegendClass(code=30, name="grassland", title="Grassland", color="ffff4c"),
    LegendClass(code=40, name="cropland", title="Cropland", color="f096ff"),
    LegendClass(code=50, name="built_up", title="Built-up", color="fa0000"),
    LegendClass(code=60, name="bare_sparse_vegetation", title="Bare / sparse vegetation", color="b4b4b4"),
    LegendClass(code=80, name="permanent_water_bodies", title="Permanent water bodies", color="0064c8"),
    LegendClass(code=90, name="herbaceous_wetland", title="Herbaceous wetland", color="0096a0"),
)
"""The classes a model predicts, in the order of its logits."""

LAND_COVER_NODATA: Final = LegendClass(code=0, name="no_data", title="No data", color="000000")
"""WorldCover's own value for no data; a listed flag, never a `_FillValue` (which would turn the layer into floats)."""

CHANGE: Final = (
    LegendClass(code=0, name="no_change", title="No change", color="f5f5f5"),
    LegendClass(code=1, name="clearing", title="Vegetation clearing", color="d95f02"),
    LegendClass(code=2, name="flood", title="Flood", color="1f78b4"),
    LegendClass(code=3, name="construction", title="Construction", color="7b3294"),
)
"""The classes of change, in the order of a model's logits."""

CHANGE_NODATA: Final = LegendClass(code=255, name="no_data", title="No data", color="000000")

LAND_COVER_CODES: Final = tuple(entry.code for entry in LAND_COVER)
CHANGE_CODES: Final = tuple(entry.code for entry in CHANGE)

OWN_NODATA: Final = LegendClass(code=0, name="no_data", title="No data", color="000000")
"""No answer, in the maps of a user's own classes, which count from 1."""

MAX_OWN_CLASSES: Final = 254
GOLDEN_TURN: Final = 0.6180339887498949
"""Of a full circle of hues: neighbours in a legend are far apart however many there are."""


def own_legend(titles: Sequence[str]) -> tuple[LegendClass, ...]:
    """Returns the classes of a user in their order: codes from 1 on, plain names that differ, colours that do.

    Args:
        titles: What the user calls them, each once.

    Raises:
        ValueError: More than a byte counts, or none.
    """
    if not 1 <= len(titles) <= MAX_OWN_CLASSES:
        raise ValueError(f"a legend has 1 to {MAX_OWN_CLASSES} classes, got {len(titles)}; merge some")
    taken = {OWN_NODATA.name}
    entries = []
    for index, title in enumerate(titles):
        plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_") or "class"
        names = chain([plain], (f"{plain}_{number}" for number in count(index + 1)))
        name = next(entry for entry in names if entry not in taken)
        taken.add(name)
        rgb = colorsys.hsv_to_rgb(index * GOLDEN_TURN % 1, 0.75 - 0.2 * (index % 2), 0.9 - 0.2 * (index % 3) / 2)
        color = "".join(f"{round(255 * part):02x}" for part in rgb)
        entries.append(LegendClass(code=index + 1, name=name, title=title, color=color))
    return tuple(entries)
