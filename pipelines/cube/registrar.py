"""The references of a build: which scene all others of a group are held against, and what is told of it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipelines.cube.coregister import COREGISTERED_GROUPS, CoregisterOptions, Registration
from pipelines.cube.errors import CubeError, ReadFailed
from pipelines.cube.group import stored_dates
from pipelines.cube.registration import Reference, reference_of_group, reference_of_source, registered
from pipelines.cube.source import Skipped
from pipelines.physics.shift import Shift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import zarr

    from catalogs.scenes import Scene
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.source import Source
    from pipelines.grid import TargetGrid

REFERENCE: Final = "coregistration_reference"
"""Attribute of a group: id of the scene that all others are held against."""

ACTION: Final = "coregistration_action"
"""Attribute of a group: what is done about shifts."""

CLEAR_ENOUGH: Final = 0.8
"""Usable share of a scene's windows from which on no clearer one is looked for."""

NO_REFERENCE: Final = (
    "its shift was not measured: no scene is clear enough yet to be the reference, or no band of the cube serves"
)

MOST_CANDIDATES: Final = 8
"""Scenes whose windows are read at most to find a reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """The references of one build, each read once."""

    options: CoregisterOptions
    references: Mapping[str, Reference]
    """By group; a group without one is not compared."""

    def check(self, source: Source, group: str) -> Source:
        """Returns a scene with its registration, or with a note where there is no reference to compare it with.

        A scene of a group that is never compared comes back as it is.

        Raises:
            Skipped: As `registered`.
        """
        reference = self.references.get(group)
        if reference is None:
            if group not in COREGISTERED_GROUPS:
                return source
            return dataclasses.replace(source, notes=(*source.notes, NO_REFERENCE))
        if source.scene.id == reference.name:
            return dataclasses.replace(source, registration=_itself(reference, source.run.grid))
        return registered(source, group, reference, self.options)

    def attributes(self, group: str) -> dict[str, str]:
        """Returns what a group says of its reference, where it has one, and of what is done about shifts."""
        if group not in COREGISTERED_GROUPS:
            return {}
        reference = self.references.get(group)
        return {ACTION: self.options.action} | ({} if reference is None else {REFERENCE: reference.name})


def registrar_of(
    options: CoregisterOptions,
    stored: Mapping[str, zarr.Group],
    wanted: Iterable[Acquisition],
    grid: TargetGrid,
    open_scene: Callable[[Scene, str], Source],
) -> Registrar:
    """Returns the references of a build: those that the cube was built with, else the clearest scene that is wanted.

    Args:
        options: What is done about shifts.
        stored: The groups of the cube, empty where nothing was written yet.
        wanted: Dates to be written.
        grid: The cube's.
        open_scene: Opens a scene for a group; raises Skipped.
    """
    references = references_of_cube(stored, grid, options)
    scenes: dict[str, list[Scene]] = {}
    for date in wanted:
        if date.group in COREGISTERED_GROUPS and date.group not in references:
            scenes.setdefault(date.group, []).extend(date.scenes)
    for group, members in scenes.items():
        reference = _clearest(members, group, options, open_scene)
        if reference is not None:
            references[group] = reference
    return Registrar(options=options, references=references)


def _clearest(
    scenes: Iterable[Scene], group: str, options: CoregisterOptions, open_scene: Callable[[Scene, str], Source]
) -> Reference | None:
    """Returns the first scene that is clear enough, by the clouds that the items state; else the clearest of them.

    None where even that one is too cloudy to compare anything with: it would be the reference for the cube's life.
    """
    best: Reference | None = None
    for scene in sorted(scenes, key=_cloudiness)[:MOST_CANDIDATES]:
        try:
            reference = reference_of_source(open_scene(scene, group), group, options)
        except (Skipped, ReadFailed):
            continue  # recorded when its own turn comes
        if reference is None or not reference.serves(options):
            continue
        if best is None or reference.usable_share > best.usable_share:
            best = reference
        if best.usable_share >= CLEAR_ENOUGH:
            break
    return best


def _cloudiness(scene: Scene) -> tuple[float, datetime, str]:
    unknown = 50.0
    return unknown if scene.cloud_cover is None else scene.cloud_cover, scene.time, scene.id


def _itself(reference: Reference, grid: TargetGrid) -> Registration:
    shift = Shift(rows_px=0.0, cols_px=0.0, spread_px=0.0, num_windows=0)
    return Registration(reference=reference.name, band=reference.band, shift=shift, resolution=grid.resolution)


def coordinates(sources: Iterable[Source]) -> dict[str, str | float]:
    """Returns the coordinates along time that tell of a date's registration, empty where nothing was compared.

    The shift is that of the date's first scene that has one; the JSON holds every scene's.
    """
    found = {source.scene.id: source.registration for source in sources if source.registration is not None}
    if not found:
        return {}
    first = next((each for each in found.values() if each.shift.is_measured), next(iter(found.values())))
    records = {scene_id: each.record for scene_id, each in found.items()}
    return {
        "shift_x_m": first.shift_x_m,
        "shift_y_m": first.shift_y_m,
        "coregistration": json.dumps(records, sort_keys=True),
    }


def require_same_action(stored: Mapping[str, zarr.Group], options: CoregisterOptions | None) -> None:
    """Raises where a build would leave dates that were moved back beside others that were not.

    Raises:
        CubeError: The cube was built with another action, and one of the two is `correct`.
    """
    asked = "none" if options is None else options.action
    for name, group in stored.items():
        if name not in COREGISTERED_GROUPS or not stored_dates(group):
            continue
        held = str(group.attrs.get(ACTION, "none"))
        if "correct" in {held, asked} and held != asked:
            raise CubeError(
                f"dates of one cube are all moved back or none is, {name} was built with coregister {held!r}, the "
                f"build asks for {asked!r}; keep to the first, or build the cube anew"
            )


def references_of_cube(
    groups: Mapping[str, zarr.Group], grid: TargetGrid, options: CoregisterOptions
) -> dict[str, Reference]:
    """Returns the references that a cube was built with so far, by group."""
    found = {}
    for name, group in groups.items():
        told = str(group.attrs.get(REFERENCE, "")) if name in COREGISTERED_GROUPS else ""
        reference = reference_of_group(group, told, grid, options) if told else None
        if reference is not None:
            found[name] = reference
    return found
