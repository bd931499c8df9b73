"""From scenes to maps: cubes, their physics, inference and products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.cube import CubeRef, build_cube, open_cube

__all__ = ["CubeRef", "build_cube", "open_cube"]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={"cube": ["CubeRef", "build_cube", "open_cube"]},
)
