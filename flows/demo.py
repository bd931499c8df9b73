"""The demonstration: real pairs and a simulated region, from catalogue to report, without a network."""

from __future__ import annotations

import json
import shutil
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from flows.bigearthnet_archive import ArchiveError
from flows.bigearthnet_catalog import write_real_catalog
from flows.demo_accuracy import Accuracy, fit_baseline, forest_accuracy, model_accuracy
from flows.demo_page import closing_text, demo_page
from flows.demo_regions import NUM_DATES, SEED, SIZE_PX, real_config, simulated_config
from flows.demo_result import DemoResult, to_dict
from flows.errors import RunFailedError, ServerError
from flows.html_report import render
from flows.launch import server_for
from flows.monitor import run_region
from flows.run_report import RunReport, write_atomically
from flows.weights import DEMONSTRATED

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig
    from flows.observed import ObservedRun
    from pipelines.simulate import SimulatedRegion


def run_demo(out: Path, *, weights: str = DEMONSTRATED) -> int:
    """Runs everything, writes `run.json` and `report.html`, prints what came of it, and returns an exit code.

    Args:
        out: Folder of the results; what a former demonstration left there is removed.
        weights: A shipped checkpoint's name, or the path of one.
    """
    started = time.perf_counter()
    if find_spec("sklearn") is None:
        _say("ringmoe demo: the baseline needs scikit-learn, it is not installed; install the extra demo")
        return 1
    out = out.resolve()
    _clear(out)
    try:
        result = _run_all(out, weights, started)
    except (ArchiveError, ServerError) as error:
        _say(f"ringmoe demo: {error}")
        return 1
    except RunFailedError as error:
        write_atomically(out / "run.json", error.report.to_json(indent=2) + "\n")
        _say(f"ringmoe demo failed: {error}")
        return error.report.exit_code
    write_atomically(out / "run.json", json.dumps(to_dict(result), indent=2, allow_nan=False) + "\n")
    write_atomically(out / "report.html", render(demo_page(result, out)))
    sys.stdout.write(closing_text(result, out))
    return 0


def _run_all(out: Path, weights: str, started: float) -> DemoResult:
    from pipelines.simulate import RegionSpec, simulate_region, write_catalog

    _say("real pairs: reading the archives of bigearthnet-common")
    catalog, places = write_real_catalog(out / "catalogs" / "real")
    real = []
    for place in places:
        report = run_region(real_config(place, catalog, out / "real", weights=weights))
        _say(f"{place.name}: {report.status} in {report.timings['total']:.1f} s")
        real.append((place, report))
    _say(f"simulated region: seed {SEED}, {NUM_DATES} dates, {SIZE_PX} px")
    truth = simulate_region(RegionSpec(seed=SEED, size=SIZE_PX, num_dates=NUM_DATES))
    scenes = write_catalog(truth, out / "catalogs" / "simulated")
    config = simulated_config(truth, scenes, out / "simulated", weights=weights)
    report, observed = _run_on_server(config, out / ".prefect")
    _say(f"{report.region}: {report.status} in {report.timings['total']:.1f} s; accuracy against the truth next")
    return DemoResult(
        truth=truth,
        simulated=report,
        real=tuple(real),
        observed=observed,
        model=model_accuracy(report, truth),
        forest=_forest_accuracy(report, truth),
        seconds=time.perf_counter() - started,
    )


def _run_on_server(config: RegionConfig, home: Path) -> tuple[RunReport, ObservedRun | None]:
    _say("starting a Prefect server")
    with server_for(home):
        from flows.observed import latest_run
        from flows.orchestrate import run_monitored

        return run_monitored(config), latest_run(config.name)


def _forest_accuracy(report: RunReport, truth: SimulatedRegion) -> Accuracy:
    from pipelines.cube import open_cube

    assert report.cube is not None, "a run that did not fail has a cube"
    forest, threshold = fit_baseline()
    cube = {group: open_cube(report.cube.uri, group, snapshot=report.cube.snapshot).load() for group in ("s1", "s2")}
    return forest_accuracy(forest, threshold, cube, truth)


def _clear(out: Path) -> None:
    """Removes what a former demonstration left, and nothing else."""
    for name in ("catalogs", "real", "simulated", ".prefect"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("run.json", "report.html"):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
