"""What a run of a region would do, without doing it: scenes, dates, grid, windows and bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flows.area import target_grid
from flows.budget import excesses
from flows.completeness import Completeness, completeness_lines, judge_completeness
from flows.estimate import Estimate, estimate_run
from flows.run_report import SceneRow
from flows.search import empty_collections, search
from flows.size_text import size_text
from flows.tables import table

if TYPE_CHECKING:
    from flows.config import RegionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The work that a region asks for."""

    region: str
    epsg: int
    resolution: float
    bounds: tuple[float, float, float, float]
    width: int
    height: int
    dates: dict[str, int]
    """Dates a group."""

    scenes: tuple[SceneRow, ...]
    """`used` means: would be read; whether it can be read shows only then."""

    unmatched: int
    windows: int
    products: tuple[str, ...]
    output: str
    estimate: Estimate
    """What it costs, less what the cube holds already."""

    completeness: Completeness
    """What the catalogues lack, by the orbits and beside a second one."""

    warnings: tuple[str, ...] = ()
    """What a person should look at before running."""

    over_budget: tuple[str, ...] = ()
    """What is foreseen beyond the region's budget, a line each."""

    def to_dict(self) -> dict[str, object]:
        """Returns the plan as plain values, ready for JSON."""
        return asdict(self)


def plan_region(config: RegionConfig) -> RunPlan:
    """Returns what a run would do; catalogues are asked, nothing is written and no pixel is read.

    Raises:
        ConfigError: No grid can be made of the area.
        CatalogError: A catalogue does not answer.
        CubeError: The output holds a cube that this region cannot go on with, or a unit does not fit its memory.
    """
    from pipelines.cube.wanted import dates_by_group
    from pipelines.grid import Lattice

    grid = target_grid(config.area, config.resolution)
    found = search(config)
    estimate = estimate_run(config, found)
    chosen = config.inference
    lattice = Lattice(height=grid.height, width=grid.width, window=chosen.window, stride=chosen.stride)
    wanted = dates_by_group(found.scenes)
    rows = [SceneRow(id=s.id, collection=s.collection, outcome="used") for s in found.scenes]
    rows += [
        SceneRow(id=s.id, collection=s.collection, outcome="skipped", reason=s.reason, detail=s.detail)
        for s in found.skipped
    ]
    return RunPlan(
        region=config.name,
        epsg=grid.epsg,
        resolution=grid.resolution,
        bounds=grid.bounds,
        width=grid.width,
        height=grid.height,
        dates={group: len(dates) for group, dates in wanted.items() if dates},
        scenes=tuple(sorted(rows, key=lambda row: (row.collection, row.id))),
        unmatched=found.unmatched,
        windows=len(lattice.rows) * len(lattice.cols),
        products=config.products,
        output=str(config.output),
        estimate=estimate,
        completeness=judge_completeness(config, found),
        warnings=empty_collections(config, found),
        over_budget=excesses(config.budget, estimate),
    )


def plan_text(plan: RunPlan) -> str:
    """Returns a plan for a person."""
    used = sum(row.outcome == "used" for row in plan.scenes)
    rows = [(row.id, row.collection, row.outcome, row.reason or "", row.detail) for row in plan.scenes]
    dates = ", ".join(f"{number} dates of {group}" for group, number in sorted(plan.dates.items())) or "no dates"
    warning = [] if used else ["NOTHING TO USE: a run fails; widen the area or the time, or check the sources"]
    lines = [
        table(("scene", "collection", "outcome", "reason", "detail"), rows),
        "",
        f"{used} scenes to use, {len(plan.scenes) - used} skipped, {plan.unmatched} items not matched; {dates}",
        f"grid EPSG:{plan.epsg}, {plan.height} x {plan.width} px of {plan.resolution:g} m, bounds {plan.bounds}",
        f"model: {plan.windows} windows; products: {', '.join(plan.products)}; output {plan.output}",
    ]
    work = [*estimate_lines(plan.estimate), *completeness_lines(plan.completeness)]
    return "\n".join(
        [
            *lines,
            "",
            *work,
            *warning,
            *(f"note: {line}" for line in plan.warnings),
            *budget_lines(plan.over_budget),
        ]
    )


def estimate_lines(estimate: Estimate) -> list[str]:
    """Returns an estimate for a person."""
    if not estimate.scenes and not estimate.settled:
        return []
    if not estimate.scenes:
        return [f"nothing new to read: the cube holds {estimate.settled} of these scenes"]
    learned = f"learned from {estimate.learned_from} runs" if estimate.learned_from else "no past run to learn from"
    read = f"{estimate.rasters} rasters, {size_text(estimate.bytes_read)}, {estimate.requests} requests"
    memory = f"at most {size_text(estimate.peak_bytes)} of memory"
    return [
        f"to read: {estimate.scenes} scenes ({estimate.settled} are held already), {read}",
        f"work: {estimate.units} units, {estimate.core_seconds:.0f} core-seconds, {memory}",
        f"output: about {size_text(estimate.bytes_output)}",
        f"time: about {estimate.seconds:.0f} s ({estimate.seconds_low:.0f} to {estimate.seconds_high:.0f}; {learned})",
    ]


def budget_lines(over: tuple[str, ...]) -> list[str]:
    """Returns what a person should know of a budget that is not kept, nothing where it is."""
    return ["", "OVER BUDGET, a run is refused:", *(f"  {line}" for line in over)] if over else []
