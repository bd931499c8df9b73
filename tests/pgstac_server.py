"""A real STAC API for tests: stac-fastapi-pgstac over PostgreSQL with PostGIS, on free loopback ports."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from seaweed_server import free_ports

BINARIES = Path("/usr/lib/postgresql/15/bin")
POSTGIS = Path("/usr/share/postgresql/15/extension/postgis.control")
PACKAGES = ("pypgstac", "stac_fastapi.pgstac", "uvicorn")
UNPRIVILEGED = ("postgres", "nobody")
LONGEST_START_S = 60.0


def lacking():
    """Why the server cannot be started here, '' where it can."""
    if not (BINARIES / "initdb").is_file() or not POSTGIS.is_file():
        return "Debian's PostgreSQL 15 or its PostGIS is absent: apt-get install postgresql postgis"
    absent = [name for name in PACKAGES if importlib.util.find_spec(name.split(".")[0]) is None]
    return f"the Python packages {absent} are absent: pip install '.[dev]'" if absent else ""


class PgstacServer:
    """A running API; `endpoint` is its root address."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ringmoe-pgstac-"))
        self.user = self._user()
        self.api = self.database = None

    def start(self, collections, items):
        port, api_port = free_ports(2)
        self.environment = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "pgstac",
            "PGPASSWORD": "pgstac",
            "PGDATABASE": "postgres",
        }
        self.endpoint = f"http://127.0.0.1:{api_port}"
        self._start_database(port)
        self._load(collections, items)
        with (self.folder / "api.log").open("w") as log:
            self.api = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app", "--factory",
                 "--host", "127.0.0.1", "--port", str(api_port), "--log-level", "warning"],
                env=os.environ | self.environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait(lambda: urllib.request.urlopen(f"{self.endpoint}/_mgmt/ping", timeout=1).close(), "api.log")

    def stop(self):
        if self.api is not None:
            self.api.terminate()
            self.api.wait(20)
        if self.database is not None:
            subprocess.run([BINARIES / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop"],
                           check=False, capture_output=True, **self._as_user())  # fmt: skip
            self.database.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _user(self):
        if os.geteuid() != 0:
            return None  # PostgreSQL refuses to run as root alone
        known = {entry.pw_name for entry in pwd.getpwall()}
        return next(name for name in UNPRIVILEGED if name in known)

    def _as_user(self):
        where = {"cwd": self.folder}
        return where if self.user is None else {**where, "user": self.user, "extra_groups": []}

    def _start_database(self, port):
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self._run(BINARIES / "initdb", "-D", self.folder / "data", "-U", "pgstac", "-A", "trust", "--no-sync", "-E",
                  "UTF8", "--locale", "C", **self._as_user())  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "database.log").open("w") as log:
            self.database = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.folder / "data", *options],
                stdout=log, stderr=subprocess.STDOUT, **self._as_user(),
            )  # fmt: skip
        self._wait(lambda: self._run(BINARIES / "pg_isready", "-q", env=os.environ | self.environment), "database.log")

    def _load(self, collections, items):
        environment = os.environ | self.environment
        pypgstac = [sys.executable, "-m", "pypgstac.pypgstac"]
        self._run(*pypgstac, "migrate", env=environment)
        for table, documents in (("collections", collections), ("items", items)):
            path = self.folder / f"{table}.ndjson"
            path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
            self._run(*pypgstac, "load", table, path, "--method", "upsert", env=environment)

    def _run(self, *command, **options):
        done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, **options)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _wait(self, ask, log):
        deadline = time.monotonic() + LONGEST_START_S
        while True:
            try:
                ask()
            except (OSError, RuntimeError, urllib.error.URLError) as error:
                if time.monotonic() > deadline:
                    told = (self.folder / log).read_text()[-2000:]
                    raise RuntimeError(f"the server did not start within {LONGEST_START_S:g} s: {told}") from error
                time.sleep(0.1)
            else:
                return
