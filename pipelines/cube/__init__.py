"""Scenes to arrays on one grid, in a versioned Zarr store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.cube.build import build_cube
    from pipelines.cube.errors import CubeError
    from pipelines.cube.open import open_cube
    from pipelines.cube.options import BuildOptions
    from pipelines.cube.progress import Progress
    from pipelines.cube.reference import CubeRef
    from pipelines.cube.result import BuildResult
    from pipelines.cube.wanted import DEFAULT_BANDS

__all__ = [
    "DEFAULT_BANDS",
    "BuildOptions",
    "BuildResult",
    "CubeError",
    "CubeRef",
    "Progress",
    "build_cube",
    "open_cube",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "build": ["build_cube"],
        "errors": ["CubeError"],
        "open": ["open_cube"],
        "options": ["BuildOptions"],
        "progress": ["Progress"],
        "reference": ["CubeRef"],
        "result": ["BuildResult"],
        "wanted": ["DEFAULT_BANDS"],
    },
)
