import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from flows.monitor import run_region
from flows.region_file import load_region
from pipelines import open_cube

KILLED = """
import os, signal, sys
from flows.monitor import run_region
from flows.region_file import load_region

region, stage, after = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die(at, done, total):
    if at == stage and done >= after and total > 1:
        os.kill(os.getpid(), signal.SIGKILL)

run_region(load_region(region), on_progress=die)
"""


@pytest.mark.slow
def test_killed_in_the_cube_and_in_the_inference_then_rerun_equals_undisturbed(
    catalog, document, write_region, weights, tmp_path
):
    small = {"weights": str(weights), "window": 32, "stride": 16, "chunk": 16, "group": 2}
    regions = {
        name: write_region(document(catalog, tmp_path / name, inference=small), f"{name}.yaml")
        for name in ("undisturbed", "killed")
    }
    undisturbed = run_region(load_region(regions["undisturbed"]))
    for stage, after in (("build_cube", 3), ("infer", 6)):
        command = [sys.executable, "-c", KILLED, str(regions["killed"]), stage, str(after)]
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "killed" / "run.json").exists()
    rerun = run_region(load_region(regions["killed"]))

    assert rerun.status == undisturbed.status == "Completed"
    assert rerun.scenes == undisturbed.scenes
    for group in ("s1", "s2"):
        mended, whole = (open_cube(report.cube.uri, group).load() for report in (rerun, undisturbed))
        xr.testing.assert_equal(mended, whole)
    for mended, whole in zip(rerun.products, undisturbed.products, strict=True):
        left, right = (
            xr.open_zarr(row.zarr, consolidated=False, mask_and_scale=False).load() for row in (mended, whole)
        )
        xr.testing.assert_equal(left, right)
        assert _item(mended.path, rerun) == _item(whole.path, undisturbed)


def _item(path, report):
    """An item without ids of runs and versions, times of writing, and what follows from them in the files."""
    text = Path(path).read_text().replace(report.cube.snapshot, "SNAPSHOT").replace(report.run_id, "RUN")
    return _without(json.loads(text), {"created", "updated", "file:checksum", "file:size"})


def _without(value, names):
    if isinstance(value, dict):
        return {key: _without(entry, names) for key, entry in value.items() if key not in names}
    return [_without(entry, names) for entry in value] if isinstance(value, list) else value
