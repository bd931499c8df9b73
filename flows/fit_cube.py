"""The cube that a user's labels are laid over: the region's own, built where it is not there yet."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.errors import NothingFoundError
from flows.lock import exclusive
from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from flows.config import RegionConfig
    from pipelines.cube import CubeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCube:
    """A cube, and how it came about."""

    ref: CubeRef
    found: bool
    """False where a scene was read for it now."""


def region_cube(config: RegionConfig, *, on_progress: OnProgress = ignore_progress) -> FittedCube:
    """Returns what `ringmoe run` would map: the region's cube, or its composites; only scenes it lacks are read.

    Where the output holds a cube and the scenes of an earlier run, nothing is searched.

    Raises:
        NothingFoundError: No scene, or none that can be used.
        OutputBusyError: Another run works on the output.
        CubeError: The output holds a cube of another configuration.
    """
    from catalogs import write_snapshot
    from flows.build_cube import build_cube
    from flows.composite import composite
    from flows.monitor import built_groups
    from flows.origins import remember_origins
    from flows.search import nothing_found, nothing_usable, search

    paths = OutputPaths(root=config.output)
    known = config
    if config.scenes is None and config.store is None and paths.scenes.is_file() and paths.cube.is_dir():
        known = config.model_copy(update={"scenes": paths.scenes})
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with exclusive(paths.lock):
        scene_set = search(known)
        on_progress("search", 1, 1)
        if not scene_set.scenes:
            raise NothingFoundError(nothing_found(config, scene_set))
        if known is config:
            write_snapshot(scene_set, paths.scenes)
        remember_origins(paths.origins, scene_set)
        built = build_cube(config, scene_set, run_id=run_id, on_progress=on_progress)
        found = not built.changed
        built = composite(config, built, run_id=run_id, on_progress=on_progress)
    if not built_groups(built):
        raise NothingFoundError(f"{nothing_usable(built.outcomes)}; labels need dates of Sentinel-1 or Sentinel-2")
    return FittedCube(ref=built.ref, found=found)
