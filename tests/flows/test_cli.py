import json
import os
import subprocess
import sys

import pytest
from typer.main import get_command

from flows.cli import app

FROZEN = {
    "ringmoe": ["--help", "--version"],
    "calibrate": ["--help", "--out", "--regions", "--seed", "--statistics", "--unseen", "--workers", "WEIGHTS"],
    "catalog": [
        "--bands",
        "--checksums",
        "--collection",
        "--help",
        "--json",
        "--nodata",
        "--offset",
        "--out",
        "--scale",
        "--sensor",
        "--split",
        "--time",
        "--unit",
        "FOLDER",
    ],
    "demo": ["--help", "--out"],
    "distil": ["--help", "--method", "--out", "--regions", "--seed", "--steps", "--width", "--workers", "WEIGHTS"],
    "evaluate": [
        "--adapt",
        "--batch",
        "--benchmark",
        "--data",
        "--head",
        "--heads",
        "--help",
        "--json",
        "--limit",
        "--list",
        "--option",
        "--overlap",
        "--predictions",
        "--protocol",
        "--replicates",
        "--seed",
        "--shots",
        "--split",
        "--steps",
        "--train-share",
        "--train-split",
        "--weights",
        "--window",
    ],
    "fit": [
        "--block-km",
        "--buffer-m",
        "--column",
        "--columns",
        "--features",
        "--folds",
        "--help",
        "--hidden",
        "--json",
        "--labels",
        "--layer",
        "--min-samples",
        "--out",
        "--random-sample",
        "--seed",
        "--table",
        "REGION",
    ],
    "inspect": ["--help", "--json", "--pixels", "CATALOG"],
    "init": ["--force", "--help", "PATH"],
    "models": ["--help", "--json"],
    "plan": ["--budget", "--help", "--json", "--scenes", "REGION"],
    "prune": [
        "--by",
        "--dense",
        "--gate",
        "--help",
        "--json",
        "--keep",
        "--modality",
        "--out",
        "--ratio",
        "--refit",
        "WEIGHTS",
    ],
    "routing": ["--help", "--json", "--out", "--weights"],
    "run": ["--budget", "--help", "--json", "--scenes", "--server", "REGION"],
    "schema": ["--help"],
    "store": ["--help"],
    "torture": ["--help", "--out", "--port", "--serve"],
    "train": [
        "--help",
        "--out",
        "--preset",
        "--regions",
        "--resume",
        "--seed",
        "--set",
        "--steps",
        "--workers",
        "CONFIG",
    ],
}
"""The command line that people script against; a change here is a change for them."""

HEAVY = ("torch", "xarray", "prefect", "dask", "numpy", "pystac", "rasterio", "zarr")


def ringmoe(*arguments, **environment):
    code = "import sys; from flows.cli import main; sys.argv[0] = 'ringmoe'; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"} | environment,
    )


def names(command):
    found = {option for parameter in command.params for option in (parameter.opts or [])}
    return sorted({name if name.startswith("-") else name.upper() for name in found} | {"--help"})


def test_commands_and_flags_are_frozen():
    root = get_command(app)
    found = {"ringmoe": names(root), **{name: names(command) for name, command in root.commands.items()}}
    assert found == FROZEN


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom flows.cli import main\n"
        f"sys.argv = ['ringmoe', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_wrong_commands_and_regions_exit_2(tmp_path, write_region):
    assert ringmoe("nonsense").returncode == 2
    assert ringmoe("run").returncode == 2
    absent = ringmoe("run", tmp_path / "none.yaml", "--json")
    assert absent.returncode == 2
    assert absent.stdout == ""
    unknown = ringmoe("run", write_region({"nam": "x"}), "--json")
    assert unknown.returncode == 2
    assert "did you mean `name`?" in unknown.stderr


def test_init_then_schema(tmp_path):
    path = tmp_path / "sub" / "region.yaml"
    assert ringmoe("init", path).returncode == 0
    again = ringmoe("init", path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert ringmoe("init", path, "--force").returncode == 0
    schema = json.loads(ringmoe("schema").stdout)
    assert {"name", "area", "time", "sources", "output"} == set(schema["required"])
    assert schema["additionalProperties"] is False


def test_plan_shows_the_work_and_writes_nothing(catalog, document, write_region, tmp_path):
    region = write_region(document(catalog, tmp_path / "out"))
    done = ringmoe("plan", region, "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout.splitlines()[-1])
    assert plan["dates"] == {"s1": 4, "s2": 4}
    assert (plan["width"], plan["height"], plan["epsg"]) == (64, 64, 32631)
    assert len(plan["scenes"]) == 8
    assert plan["estimate"]["rasters"] == 4 * (10 + 1) + 4 * 2  # ten bands and SCL a date, two polarisations
    assert plan["estimate"]["units"] == 8  # a date of so small a grid is one
    values = 64 * 64 * (4 * 10 * 2 + 4 * 2 * 4)
    assert 0.3 * values < plan["estimate"]["bytes_cube"] < values + 8 * 64 * 64 * 3
    assert not (tmp_path / "out").exists()
    text = ringmoe("plan", region)
    assert "8 scenes to use" in text.stdout


@pytest.mark.slow
def test_run_prints_json_last_and_exits_by_status(catalog, document, write_region, tmp_path):
    region = write_region(document(catalog, tmp_path / "out"))
    done = ringmoe("run", region, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == "Completed"
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == report
    failed = ringmoe("run", write_region(document(tmp_path / "absent.json", tmp_path / "other")), "--json")
    assert failed.returncode == 1
    answer = json.loads(failed.stdout.splitlines()[-1])
    assert answer["status"] == "Failed"
    assert "absent.json" in answer["error"]
    assert json.loads((tmp_path / "other" / "run.json").read_text()) == answer
