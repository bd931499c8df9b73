"""Stage two: the scenes on one grid, in the region's cube."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flows.area import target_grid
from flows.paths import cube_uri
from flows.progress import OnProgress, ignore_progress
from flows.recipe import recipe_of
from pipelines.cube import BuildOptions
from pipelines.cube import build_cube as build
from pipelines.cube.byte_size import parse_bytes
from pipelines.cube.coregister import CoregisterOptions
from pipelines.cube.read_policy import read_policy

if TYPE_CHECKING:
    from catalogs import SceneSet
    from flows.config import RegionConfig
    from pipelines.cube import BuildResult, Progress


def build_cube(
    config: RegionConfig, scene_set: SceneSet, *, run_id: str = "", on_progress: OnProgress = ignore_progress
) -> BuildResult:
    """Returns what the build did; only scenes that the cube lacks are read.

    Args:
        config: The region.
        scene_set: What its search found.
        run_id: Written into the commits of the cube.
        on_progress: Told how far the build is.

    Raises:
        CubeError: The output holds a cube of another configuration or schema version, or cannot be written.
    """

    def tell(progress: Progress) -> None:
        on_progress("build_cube", progress.done, progress.total)

    return build(
        scene_set,
        target_grid(config.area, config.resolution),
        cube_uri(config),
        options=build_options(config, run_id=run_id),
        on_progress=tell,
    )


def build_options(config: RegionConfig, *, run_id: str = "") -> BuildOptions:
    """Returns the cube's options of a region."""
    return BuildOptions(
        bands_s2=config.bands.s2,
        bands_s1=config.bands.s1,
        bands_l8=config.bands.l8,
        bands_modis=config.bands.modis,
        bands_vhr=config.bands.vhr,
        bands_slc=config.bands.slc,
        chunk=config.cube.chunk,
        reader=config.cube.reader,
        recipe=recipe_of(config),
        coregister=coregister_options(config),
        on_contradiction=config.radiometry.on_contradiction,
        num_threads=config.workers,
        cluster=config.cube.cluster,
        memory=None if config.cube.memory is None else parse_bytes(config.cube.memory),
        retries=config.cube.retries,
        reading=replace(read_policy(), verify=config.cube.verify),
        title=f"Co-registered Sentinel-1 and Sentinel-2 cube of {config.name}",
        run_id=run_id,
    )


def coregister_options(config: RegionConfig) -> CoregisterOptions | None:
    """Returns what a region does about shifted scenes, None where it does not look."""
    chosen = config.coregister
    return None if chosen is None else CoregisterOptions(action=chosen.action, max_shift_m=chosen.max_shift_m)
