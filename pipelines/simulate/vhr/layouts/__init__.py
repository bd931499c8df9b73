"""Layouts by kind of scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.simulate.vhr.layouts.country import bare, farmland, forest, wetland
from pipelines.simulate.vhr.layouts.town import industrial, parking, residential
from pipelines.simulate.vhr.layouts.transport import airport, harbour, river

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from pipelines.simulate.vhr.ground import Frame
    from pipelines.simulate.vhr.layout import Site

__all__ = ["LAYOUTS"]

LAYOUTS: Final[dict[str, Callable[[np.random.Generator, Frame], Site]]] = {
    "residential": residential,
    "industrial": industrial,
    "parking": parking,
    "harbour": harbour,
    "airport": airport,
    "forest": forest,
    "farmland": farmland,
    "river": river,
    "bare": bare,
    "wetland": wetland,
}
"""By the names of `pipelines.simulate.vhr.SCENE_CLASSES`."""
