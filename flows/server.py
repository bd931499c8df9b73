"""A real Prefect server on this machine: started, waited for and stopped.

It listens on 127.0.0.1 alone, asks for a password made for it, sends nothing home and keeps its database in a folder of
the caller's. The password travels by environment only: it stands in no argument list and in no log.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flows.errors import ServerError

STARTUP_SECONDS: Final = 120.0
STOP_SECONDS: Final = 15.0
HTTP_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefectServer:
    """A server that answers."""

    api_url: str
    """Address of the API, ends in `/api`."""

    auth: str | None = field(default=None, repr=False)
    """`user:password`, None where the server asks for none."""

    @property
    def ui_url(self) -> str:
        """Address of the pages for people."""
        return self.api_url.removesuffix("/").removesuffix("/api")

    def environment(self, home: Path) -> dict[str, str]:
        """Returns the variables by which a client in this process finds the server."""
        return {"PREFECT_API_URL": self.api_url, **quiet_environment(home)} | (
            {"PREFECT_API_AUTH_STRING": self.auth} if self.auth else {}
        )


def quiet_environment(home: Path) -> dict[str, str]:
    """Returns the variables that keep Prefect within a folder and off the network."""
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_CLI_WARN": "false",
    }


@contextmanager
def prefect_server(home: Path) -> Iterator[PrefectServer]:
    """Starts a server, yields it once it answers, and stops it with all its processes.

    Args:
        home: Folder for the database, the profile and the server's log; made where absent.

    Raises:
        ServerError: It did not answer within 120 s, or ended; the message holds the end of its log.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    server = PrefectServer(api_url=f"http://127.0.0.1:{_free_port()}/api", auth=f"ringmoe:{secrets.token_urlsafe(24)}")
    _write_secret(home / "password", str(server.auth))
    log = home / "server.log"
    with log.open("wb") as stream:
        process = _start(server, home, stream.fileno())
    try:
        _wait_until_healthy(server, process, log)
        yield server
    finally:
        _stop(process)


@contextmanager
def client_settings(server: PrefectServer, home: Path) -> Iterator[None]:
    """Makes a server the one that flows in this process report to, and puts the settings back afterwards."""
    values = server.environment(home)
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        from prefect.settings import (
            PREFECT_API_AUTH_STRING,
            PREFECT_API_URL,
            PREFECT_HOME,
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
            temporary_settings,
        )

        updates = {PREFECT_API_URL: server.api_url, PREFECT_HOME: home, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
        if server.auth:
            updates[PREFECT_API_AUTH_STRING] = server.auth
        with temporary_settings(updates=updates):
            try:
                yield
            finally:
                _flush_logs()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _flush_logs() -> None:
    """Sends the log lines that still wait: a server that is stopped next would not take them."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


def configured_server() -> PrefectServer | None:
    """Returns the server that the environment names by PREFECT_API_URL, None where it names none."""
    url = os.environ.get("PREFECT_API_URL", "").strip()
    return PrefectServer(api_url=url, auth=os.environ.get("PREFECT_API_AUTH_STRING")) if url else None


def _write_secret(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read: the pages for people ask for the password too."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text + "\n")


def _start(server: PrefectServer, home: Path, log: int) -> subprocess.Popen[bytes]:
    port = server.api_url.split(":")[2].split("/")[0]
    environment = os.environ | quiet_environment(home)
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_PROFILE"):
        environment.pop(name, None)
    environment |= {
        "PREFECT_SERVER_API_AUTH_STRING": str(server.auth),
        "PREFECT_API_AUTH_STRING": str(server.auth),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_UI_API_URL": server.api_url,
    }
    command = [sys.executable, "-m", "flows.server_guard", "--host", "127.0.0.1", "--port", port]
    return subprocess.Popen(  # noqa: S603 our own interpreter, arguments of our own
        command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
    )


def _wait_until_healthy(server: PrefectServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"the Prefect server ended with code {process.returncode} while it started; {_tail(log)}")
        if is_healthy(server):
            return
        time.sleep(0.25)
    raise ServerError(f"a Prefect server answers within {STARTUP_SECONDS:.0f} s, this one did not; {_tail(log)}")


def is_healthy(server: PrefectServer) -> bool:
    """Returns True where the server's health check answers."""
    request = urllib.request.Request(f"{server.api_url}/health")  # noqa: S310 loopback or the operator's own address
    if server.auth:
        request.add_header("Authorization", "Basic " + base64.b64encode(server.auth.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310 as above
            return bool(reply.status == HTTP_OK)
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()  # its guard ends the group too, should the signals below not reach it
    for action in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, action)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return f"the end of {log}:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
