"""Stage between cube and inference, where a region asks for it: one image a period."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress
from pipelines.composite import CompositeOptions, composite_cube

if TYPE_CHECKING:
    from flows.config import CompositeConfig, RegionConfig
    from pipelines.cube import BuildResult, Progress


def composite(
    config: RegionConfig, built: BuildResult, *, run_id: str = "", on_progress: OnProgress = ignore_progress
) -> BuildResult:
    """Returns the cube that the later stages see: the composites, or the cube itself where none are asked for.

    Args:
        config: The region.
        built: What the build of the cube did.
        run_id: Written into the commits.
        on_progress: Told how far the stage is.

    Raises:
        CubeError: The output holds composites of other options.
    """
    if config.composite is None:
        return built

    def tell(progress: Progress) -> None:
        on_progress("composite", progress.done, progress.total)

    made = composite_cube(
        built.ref.uri,
        OutputPaths(root=config.output).composites,
        options=composite_options(config.composite),
        num_threads=config.workers,
        run_id=run_id,
        on_progress=tell,
    )
    return replace(built, ref=made.ref, dates=made.dates)


def composite_options(chosen: CompositeConfig) -> CompositeOptions:
    """Returns the options of a region's composites."""
    return CompositeOptions(period=chosen.period, method=chosen.method, radar_method=chosen.radar_method)
