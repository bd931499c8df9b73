"""The demonstration's words: the page's content and the closing tables."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from flows.bigearthnet_catalog import ATTRIBUTION, LICENSE
from flows.demo_accuracy import open_product
from flows.demo_result import DemoResult, python_lines
from flows.demo_views import real_view, simulated_view
from flows.html_report import AccuracyRow, Figure, Page
from flows.tables import table

if TYPE_CHECKING:
    from pathlib import Path

    from flows.run_report import RunReport
    from pipelines.product import Score

ACCURACY_NOTE = (
    "Simulated data only: these figures say nothing about real scenes. Every pixel counts, those without an answer as "
    "errors. Intervals by bootstrap over blocks of 320 m. The forest sees the same cube and was fitted on simulated "
    "training regions."
)


def demo_page(result: DemoResult, out: Path) -> Page:
    """Returns the page of a demonstration."""
    views = [simulated_view(result.truth, result.simulated)]
    views += [real_view(place, report) for place, report in result.real]
    return Page(
        title="RingMoE Datacube: demonstration",
        lead=(
            f"Six real Sentinel-1/Sentinel-2 pairs and one simulated region, from catalogue to published maps in "
            f"{result.seconds:.0f} seconds on {os.cpu_count()} cores, without a network."
        ),
        views=tuple(views),
        accuracy=(
            _row("Land cover: overall accuracy", result.model.land_cover, result.forest.land_cover),
            _row("Change: F1 of any change", result.model.change, result.forest.change),
        ),
        accuracy_note=ACCURACY_NOTE,
        python=python_lines(result.simulated),
        provenance=_provenance(result, out),
    )


def _provenance(result: DemoResult, out: Path) -> tuple[tuple[str, str], ...]:
    observed = result.observed
    seen = f"{observed.name}: {observed.state}; artifacts {', '.join(observed.artifacts)}" if observed else "none"
    return (
        ("software", f"ringmoe-datacube {version('ringmoe-datacube')}, Python {platform.python_version()}"),
        ("weights", _weights(result.simulated)),
        ("cube snapshots", "; ".join(f"{r.region} {r.cube.snapshot}" for r in result.reports if r.cube)),
        ("run as the Prefect server holds it", seen),
        ("results", str(out)),
        ("real scenes", f"{ATTRIBUTION}; {LICENSE}"),
    )


def _weights(report: RunReport) -> str:
    attrs = next(open_product(row.zarr).attrs for row in report.products if row.zarr)
    return f"{attrs['model_name']}, SHA-256 {attrs['model_sha256']}"


def _row(measure: str, model: Score, baseline: Score) -> AccuracyRow:
    return AccuracyRow(measure=measure, model=_figure(model), baseline=_figure(baseline))


def _figure(score: Score) -> Figure:
    return Figure(value=score.value, n=score.n, ci95=score.ci95)


def closing_text(result: DemoResult, out: Path) -> str:
    """Returns the tables of scenes, products and accuracy, and how to open the results, for the terminal."""
    scenes = [
        (report.region, row.id, row.outcome, row.reason or "") for report in result.reports for row in report.scenes
    ]
    products = [
        (report.region, row.name, row.state, os.path.relpath(row.path, out) if row.path else row.reason)
        for report in result.reports
        for row in report.products
    ]
    figures = [
        ("land cover, overall accuracy", _text(result.model.land_cover), _text(result.forest.land_cover)),
        ("change, F1", _text(result.model.change), _text(result.forest.change)),
    ]
    parts = [
        table(("region", "scene", "outcome", "reason"), scenes),
        table(("region", "product", "state", f"item below {out}"), products),
        table(("simulated region", "RingMoE", "random forest"), figures),
        "\n".join(python_lines(result.simulated)),
        f"{out / 'report.html'} and {out / 'run.json'}, in {result.seconds:.0f} s",
    ]
    return "\n\n".join(parts) + "\n"


def _text(score: Score) -> str:
    return f"{score.value:.3f} [{score.ci95[0]:.3f}, {score.ci95[1]:.3f}]"
