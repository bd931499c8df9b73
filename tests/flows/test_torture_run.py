"""A whole run over the torture catalogue: its report names every item, and every one as it must end."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import defaultdict

import pytest

from flows.monitor import run_region
from flows.region_file import load_region
from pipelines.simulate.torture import write_torture


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torture") / "catalogue"
    return folder, write_torture(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_report_of_a_run_names_every_item_as_it_must_end(catalogue, document, write_region, tmp_path):
    folder, manifest = catalogue
    place = manifest.regions[0]
    x_min, y_min, x_max, y_max = place.grid.bounds
    region = document(
        folder / "catalog.json",
        tmp_path / "out",
        area={"crs": f"EPSG:{place.grid.epsg}", "bounds": [x_min, y_min, x_max, y_max]},
        time={"start": "2023-01-01", "end": "2024-01-01"},
        cube={"chunk": 64},
        products=["land-cover"],
        bands={"s2": ["B02", "B04", "B11"]},
    )
    report = run_region(load_region(write_region(region)))

    assert report.status == "CompletedWithGaps"
    rows = defaultdict(list)
    for row in report.scenes:
        rows[row.id].append((row.outcome, row.reason or ""))
    right = defaultdict(list)
    for entry in manifest.of("main", "disk"):
        right[entry.id].append((entry.disk.outcome, entry.disk.reason))
    matched = {name: sorted(ends) for name, ends in right.items() if ("unmatched", "") not in ends}
    assert {name: sorted(ends) for name, ends in rows.items()} == matched
    beyond = [entry for entry in manifest.entries if entry.region not in ("main", "any")]
    assert report.unmatched == len(right) - len(matched) + len(beyond)
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert len(written["scenes"]) == len(report.scenes)
    assert "cut-in-last-tile" in str(written["notes"]) or "cut-in-last-tile" in str(written["scenes"])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_inspect_judges_every_item_and_never_gives_up(catalogue):
    folder, manifest = catalogue
    command = [sys.executable, "-c", "from flows.cli import main; main()", "inspect", str(folder / "catalog.json")]
    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    assert done.returncode in {0, 3}, done.stderr[-2000:]
    judged = {json.loads(line)["item"]: json.loads(line)["verdict"] for line in done.stdout.splitlines()}
    assert set(judged) == {entry.id.split("#")[0] for entry in manifest.entries}
    assert judged["complex-numbers"] == "agrees"  # by its other bands


@pytest.mark.slow
def test_the_command_writes_and_serves_until_it_is_interrupted(tmp_path):
    code = "import sys; from flows.cli import main; sys.argv[0] = 'ringmoe'; main()"
    command = [sys.executable, "-c", code, "torture", "--out", str(tmp_path / "there"), "--serve"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as run:
        assert "131 items" in run.stdout.readline()
        url = run.stdout.readline().split()[5]
        with urllib.request.urlopen(f"{url}/collections", timeout=5) as answer:
            assert len(json.loads(answer.read())["collections"]) == 2
        with urllib.request.urlopen(f"{url}/sentinel-2-l2a/sound-optical/B04.tif", timeout=5) as answer:
            assert answer.read()[:2] == b"II"
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline() == "1 requests for files were answered\n"
        assert run.wait() == 0
    again = subprocess.run(command[:-1], check=False, capture_output=True, text=True)
    assert again.returncode == 2
    assert "empty folder" in again.stderr
