"""What may not change within one cube: schema version, grid, bands and recipe."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from pipelines.cube.errors import CubeError
from pipelines.cube.group import values_of
from pipelines.grid import TargetGrid
from pipelines.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import zarr

    from pipelines.cube.recipe import Recipe

FORMER_VERSION: Final = "1.0"
"""The one older version that is known: what it lacks is empty, and a build brings it to this one before it writes."""

_FIX = "choose another output, or delete the cube and build it anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeConfiguration:
    """Grid and bands of a cube; written with its first date and compared by every later build."""

    grid: TargetGrid
    bands: Mapping[str, tuple[str, ...]]
    """Bands of each group that the cube holds or is about to."""

    schema_version: str = SCHEMA_VERSION
    recipe: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """`Recipe.to_dict()`: the optional steps of physics, empty where there is none."""

    @property
    def digest(self) -> str:
        """SHA-256 of the schema version, the grid, which all groups share, and the recipe."""
        parts = [self.schema_version, self.grid.to_dict(), *([self.recipe] if self.recipe else [])]
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def stored_configuration(root: zarr.Group | None, uri: str) -> CubeConfiguration | None:
    """Returns the configuration of a cube, None where nothing was written yet.

    Raises:
        CubeError: The store holds no cube, or one of a schema version that is neither this one nor the former.
    """
    if root is None:
        return None
    attributes = dict(root.attrs)
    version = attributes.get("schema_version")
    if version is None or "grid" not in attributes:
        raise CubeError(f"a cube says its schema_version and grid, {uri} holds something else; {_FIX}")
    if version not in {SCHEMA_VERSION, FORMER_VERSION}:
        raise CubeError(f"schema_version must be {SCHEMA_VERSION!r}, {uri} has {version!r}; {_FIX}")
    bands = {name: tuple(map(str, values_of(group, "band"))) for name, group in root.groups()}
    grid = TargetGrid.from_dict(cast("Mapping[str, float]", attributes["grid"]))
    recipe = cast("Mapping[str, object]", attributes.get("recipe", {}))
    return CubeConfiguration(grid=grid, bands=bands, recipe=recipe)


def require_same(
    stored: CubeConfiguration, *, grid: TargetGrid, asked: Mapping[str, tuple[str, ...]], recipe: Recipe, uri: str
) -> None:
    """Raises where a build would mix two configurations.

    Args:
        stored: What the cube is.
        grid: The grid of the build.
        asked: Bands that the caller named, by group; groups left to the default are absent.
        recipe: Optional steps of the build.
        uri: Folder, for the message.

    Raises:
        CubeError: Names the key that differs with both values.
    """
    ours, theirs = grid.to_dict(), stored.grid.to_dict()
    for key in ours:
        if ours[key] != theirs[key]:
            raise CubeError(f"grid {key} of {uri} is {theirs[key]}, the build asks for {ours[key]}; {_FIX}")
    # through JSON, as the store keeps it: a tuple comes back as a list
    steps = json.loads(json.dumps(recipe.to_dict()))
    for name in sorted({*steps, *stored.recipe}):
        if steps.get(name) != stored.recipe.get(name):
            held_step, asked_step = stored.recipe.get(name, "left out"), steps.get(name, "left out")
            raise CubeError(f"step {name} of {uri} is {held_step}, the build asks for {asked_step}; {_FIX}")
    for group, bands in asked.items():
        held = stored.bands.get(group)
        if held is not None and held != bands:
            raise CubeError(f"bands of {group} in {uri} are {list(held)}, the build asks for {list(bands)}; {_FIX}")
