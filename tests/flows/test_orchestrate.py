import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from flows.errors import RunFailedError, ServerError
from flows.launch import launch
from flows.region_file import parse_region
from flows.server import client_settings, is_healthy, prefect_server

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real Prefect server with its home in a temporary folder."""
    home = tmp_path_factory.mktemp("prefect")
    with prefect_server(home) as started, client_settings(started, home):
        yield started, home


@pytest.fixture
def region(document, catalog, tmp_path):
    def make(output="out", **changes):
        return parse_region(json.dumps(document(catalog, tmp_path / output, **changes)), folder=tmp_path)

    return make


def test_server_asks_for_its_password_and_keeps_it_out_of_its_log(server):
    started, home = server
    assert is_healthy(started)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{started.api_url}/flows/count", data=b"{}", timeout=10)
    assert refused.value.code == 401
    password = home / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    secret = password.read_text().strip().split(":")[1]
    assert secret not in (home / "server.log").read_text()
    assert secret not in repr(started)
    assert (home / "prefect.db").is_file()


def test_flow_is_seen_completed_over_the_api_with_its_artifacts(server, region):
    from flows.observed import latest_run

    config = region(name="Seen_by-server")
    report = launch(config, server=True)
    assert report.status == "Completed"
    observed = latest_run("Seen_by-server")
    assert observed is not None
    assert (observed.state, observed.state_type) == ("Completed", "COMPLETED")
    assert observed.name.startswith("Seen_by-server-land-cover+change-20")
    assert {"region:Seen_by-server", "product:land-cover", "product:change"} <= set(observed.tags)
    assert {"sensor:sentinel-2-msi", "sensor:sentinel-1-csar"} <= set(observed.tags)
    assert observed.artifacts == ("seen-by-server-progress", "seen-by-server-results", "seen-by-server-scenes")

    again = launch(config, server=True)
    observed = latest_run("Seen_by-server")
    assert again.status == "NoNewData"
    assert again.cube == report.cube
    assert (observed.state, observed.state_type) == ("NoNewData", "COMPLETED")


def test_artifacts_hold_the_scenes_and_the_results(server, region):
    from prefect import get_client

    launch(region(name="artifacts", products=["land-cover"]), server=True)
    with get_client(sync_client=True) as client:
        held = {artifact.key: artifact for artifact in client.read_artifacts(limit=200)}
        subflows = {run.name for run in client.read_flow_runs(limit=200)}
    scenes = json.loads(held["artifacts-scenes"].data)
    assert len(scenes) == 8
    assert {row["outcome"] for row in scenes} == {"used"}
    assert "| land-cover | written" in held["artifacts-results"].data
    assert held["artifacts-progress"].data == 100.0
    stages = {f"{stage}-artifacts" for stage in ("search", "build-cube", "infer", "make-products", "publish")}
    assert stages <= subflows


def test_a_failed_run_is_failed_there_too_and_leaves_its_artifacts(server, region, tmp_path):
    from flows.observed import latest_run

    sources = [{"catalog": str(tmp_path / "absent.json"), "collections": ["sentinel-2-l2a"]}]
    with pytest.raises(RunFailedError) as caught:
        launch(region(name="failing", sources=sources), server=True)
    assert "absent.json" in caught.value.report.error
    observed = latest_run("failing")
    assert (observed.state, observed.state_type) == ("Failed", "FAILED")
    assert {"failing-results", "failing-scenes"} <= set(observed.artifacts)


def test_a_named_server_that_does_not_answer_is_a_failed_run(region, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(RunFailedError, match="PREFECT_API_URL"):
        launch(region(name="unserved"), server=True)


def test_a_server_that_cannot_start_tells_the_end_of_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.server.sys.executable", "/bin/false")
    with pytest.raises(ServerError, match="ended with code 1"), contextlib.ExitStack() as stack:
        stack.enter_context(prefect_server(tmp_path))


def test_a_server_ends_with_the_process_that_started_it(tmp_path):
    code = (
        "import os, signal, sys, time\nfrom pathlib import Path\n"
        "from flows.server import _free_port, _start, PrefectServer\n"
        "home = Path(sys.argv[1])\nserver = PrefectServer(api_url=f'http://127.0.0.1:{_free_port()}/api', auth='a:b')\n"
        "with (home / 'log').open('wb') as log:\n    process = _start(server, home, log.fileno())\n"
        "print(process.pid, flush=True)\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    group = int(done.stdout)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _alive(group):
        time.sleep(0.1)
    assert not _alive(group)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
