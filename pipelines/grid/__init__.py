"""Target grids, blocks and window lattices: plans made of integers, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.grid.block import Block, blocks
    from pipelines.grid.errors import GridError
    from pipelines.grid.lattice import Lattice, Window, WindowGroup
    from pipelines.grid.target import TargetGrid

__all__ = ["Block", "GridError", "Lattice", "TargetGrid", "Window", "WindowGroup", "blocks"]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "block": ["Block", "blocks"],
        "errors": ["GridError"],
        "lattice": ["Lattice", "Window", "WindowGroup"],
        "target": ["TargetGrid"],
    },
)
