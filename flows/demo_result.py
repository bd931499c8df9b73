"""What the demonstration made, as a value and as the content of its `run.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flows.bigearthnet_catalog import RealPlace
    from flows.demo_accuracy import Accuracy
    from flows.observed import ObservedRun
    from flows.run_report import RunReport, Status
    from pipelines.simulate import SimulatedRegion

SEVERITY: Final[tuple[Status, ...]] = ("NoNewData", "Completed", "CompletedWithGaps", "Failed")
"""Of several runs together the last in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """Everything that the demonstration made."""

    truth: SimulatedRegion
    simulated: RunReport
    real: tuple[tuple[RealPlace, RunReport], ...]
    observed: ObservedRun | None
    model: Accuracy
    forest: Accuracy
    seconds: float

    @property
    def reports(self) -> tuple[RunReport, ...]:
        """All runs, the simulated region's first."""
        return (self.simulated, *(report for _, report in self.real))


def to_dict(result: DemoResult) -> dict[str, object]:
    """Returns the content of the demonstration's `run.json`: one report over all runs, the accuracy, each run."""
    rows = [(report.region, report) for report in result.reports]
    return {
        **result.simulated.to_dict(),
        "region": "demo",
        "status": max((report.status for report in result.reports), key=SEVERITY.index),
        "scenes": [{"region": name, **asdict(scene)} for name, report in rows for scene in report.scenes],
        "products": [{"region": name, **asdict(product)} for name, report in rows for product in report.products],
        "notes": [note for _, report in rows for note in report.notes] + [n for p, _ in result.real for n in p.notes],
        "timings": {**result.simulated.timings, "total": round(result.seconds, 3)},
        "accuracy": {
            "land_cover": {"overall_accuracy": result.model.land_cover.to_dict()},
            "change": {"f1": result.model.change.to_dict()},
            "random_forest": {
                "land_cover": {"overall_accuracy": result.forest.land_cover.to_dict()},
                "change": {"f1": result.forest.change.to_dict()},
            },
        },
        "prefect": asdict(result.observed) if result.observed else None,
        "runs": [report.to_dict() for report in result.reports],
    }


def python_lines(simulated: RunReport) -> tuple[str, ...]:
    """Returns four lines of Python that open the simulated region's cube and land cover."""
    assert simulated.cube is not None, "a run that did not fail has a cube"
    zarr = next(row.zarr for row in simulated.products if row.name == "land-cover")
    return (
        "import xarray as xr",
        "from pipelines import open_cube",
        f'cube = open_cube("{simulated.cube.uri}", group="s2")',
        f'land_cover = xr.open_zarr("{zarr}", consolidated=False)',
    )
