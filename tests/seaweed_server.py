"""SeaweedFS as an S3 server for tests: on free loopback ports, with credentials of its own, stopped at the end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

KEY, SECRET = "ringmoe-tests", "a-secret-of-the-tests"
BUCKET = "cubes"


def free_ports(number):
    """Ports that are free now, and whose port + 10000 need not be."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class SeaweedServer:
    """A running server; `environment` is what a client needs."""

    def __init__(self, folder):
        self.folder = Path(folder)
        weed = Path(sys.executable).with_name("weed")
        self.program = str(weed) if weed.exists() else shutil.which("weed")
        self.process = None

    def start(self):
        roles = ("master", "volume", "filer", "s3")
        ports = iter(free_ports(2 * len(roles)))
        options = [f"-{role}.port{kind}={next(ports)}" for role in roles for kind in ("", ".grpc")]
        port = next(option.partition("=")[2] for option in options if option.startswith("-s3.port="))
        self.endpoint = f"http://127.0.0.1:{port}"
        config = self.folder / "s3.json"
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
        config.write_text(json.dumps({"identities": [identity]}))
        (self.folder / "data").mkdir()
        fixed = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        sizes = ["-master.volumeSizeLimitMB=64", "-volume.max=200", "-master.telemetry=false"]
        paths = [f"-dir={self.folder / 'data'}", f"-s3.config={config}"]
        with (self.folder / "weed.log").open("w") as log:
            self.process = subprocess.Popen(
                [self.program, "server", *paths, *fixed, *sizes, *options], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait()
        self._make_bucket()

    @property
    def environment(self):
        return {
            "RINGMOE_S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def stop(self):
        if self.process is not None:
            self.process.kill()  # asked nicely it takes its time; its data go anyway
            self.process.wait()

    def _wait(self):
        for _ in range(240):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.endpoint, timeout=1).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.25)
            else:
                return
        raise RuntimeError(f"SeaweedFS did not start: {(self.folder / 'weed.log').read_text()[-2000:]}")

    def _make_bucket(self):
        """Puts one object: the server makes the bucket; until its first volume is ready it refuses."""
        import obstore
        from obstore.store import S3Store

        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )
        for attempt in range(40):
            try:
                obstore.put(store, "ready", b"1")
            except Exception:
                if attempt == 39:
                    raise
                time.sleep(0.5)
            else:
                return
