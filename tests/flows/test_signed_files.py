"""A cube is built from files that take signatures which end; no record holds one."""

import json
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import obstore
import pytest
import rasterio
from affine import Affine
from obstore.store import S3Store

from catalogs import read_snapshot, write_snapshot
from catalogs.client import Patience
from catalogs.object_store import ObjectStore
from catalogs.signing import Signer, signed_by
from catalogs.token_service import TokenService
from flows.build_cube import build_cube
from flows.region_file import load_region
from flows.search import search
from pipelines.cube import open_cube
from pipelines.cube.raster_file import RasterUnreadable, open_raster

SECRET = "s3cr3tsignature"


@dataclass
class Store:
    """A STAC API, its token service and its files, which are given to whoever holds a token that has not ended."""

    folder: Path
    life_s: float = 3600.0
    refuses: bool = False
    address: str = ""
    num_tokens: int = 0
    num_refused: int = 0
    num_files: int = 0
    ends: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def signer(self):
        service = TokenService(endpoint=f"{self.address}/token", hosts=("127.0.0.1",), requests_per_second=1000.0)
        return Signer((service,))

    def token(self):
        with self.lock:
            self.num_tokens += 1
            name = f"{SECRET}{self.num_tokens}"
            self.ends[name] = time.monotonic() + self.life_s
        # the service promises more than its files keep: what a revoked token looks like
        expiry = datetime.now(UTC) + timedelta(hours=1)
        return {"msft:expiry": f"{expiry:%Y-%m-%dT%H:%M:%SZ}", "token": f"se=soon&sig={name}"}

    def allows(self, query):
        name = parse_qs(query).get("sig", [""])[0]
        with self.lock:
            allowed = not self.refuses and time.monotonic() < self.ends.get(name, 0.0)
            self.num_refused += not allowed
            self.num_files += allowed
        return allowed

    def landing(self):
        core = "https://api.stacspec.org/v1.0.0/"
        kind = {"type": "application/geo+json", "method": "POST"}
        search_link = {"rel": "search", "href": f"{self.address}/search", **kind}
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "signed",
            "description": "files that take a signature",
            "conformsTo": [f"{core}core", f"{core}item-search"],
            "links": [{"rel": "self", "href": self.address}, {"rel": "root", "href": self.address}, search_link],
        }

    def items(self, collections):
        found = []
        for name in collections:
            for path in sorted((self.folder / name).glob("*/*.json")):
                document = json.loads(path.read_text()) | {"links": []}
                for asset in document["assets"].values():
                    file = (path.parent / asset["href"]).resolve().relative_to(self.folder)
                    asset["href"] = f"{self.address}/files/{file.as_posix()}"
                found.append(document)
        return {"type": "FeatureCollection", "features": found, "links": []}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def store(self):
        return self.server.store

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path.startswith("/files/"):
            self._file(parts)
        elif parts.path.startswith("/token/"):
            self._reply(200, json.dumps(self.store.token()).encode())
        elif parts.path.startswith("/collections/"):
            self._reply(404, b"{}")
        else:
            self._reply(200, json.dumps(self.store.landing()).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._reply(200, json.dumps(self.store.items(asked["collections"])).encode())

    def _file(self, parts):
        if not self.store.allows(parts.query):
            self._reply(403, b"")
            return
        content = (self.store.folder / parts.path.removeprefix("/files/")).read_bytes()
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        piece = content[int(first) : int(last) + 1]
        end = int(first) + len(piece) - 1
        self._reply(206, piece, {"Content-Range": f"bytes {first}-{end}/{len(content)}"})

    def _reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def store(catalog):
    served = Store(folder=catalog.parent.resolve())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.store = True, served
        served.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("catalogs.client.PATIENCE", Patience(connect_s=5, read_s=5, num_retries=1, backoff_s=0.01))


@pytest.fixture
def config(store, document, write_region, tmp_path):
    values = document(Path("none.json"), tmp_path / "out")
    values["sources"][0]["catalog"] = store.address
    return load_region(write_region(values))


def test_a_cube_of_signed_files_keeps_no_signature(store, config, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("catalogs.signing.JUST_RENEWED_S", 0.0)
    store.life_s = 0.2

    with signed_by(store.signer):
        found = search(config)
        write_snapshot(found, tmp_path / "scenes.parquet")
        built = build_cube(config, found, run_id="signed")

    assert found.scenes
    assert [row.detail for row in built.outcomes if row.outcome == "skipped"] == []
    assert store.num_refused > 0, "no signature ended while the cube was built"
    assert store.num_tokens > 1
    records = [repr(found), repr(read_snapshot(tmp_path / "scenes.parquet")), repr(built), caplog.text]
    for group in ("s2", "s1"):
        cube = open_cube(built.ref.uri, group, snapshot=built.ref.snapshot)
        records += [repr(cube.attrs), *(repr(cube[name].values.tolist()) for name in cube.coords)]
    assert SECRET not in "".join(records)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_the_cube_is_that_of_the_files_on_disk(store, config, catalog, document, write_region):
    plain = load_region(write_region(document(catalog, config.output.with_name("plain")), "plain.yaml"))

    with signed_by(store.signer):
        signed = build_cube(config, search(config), run_id="signed")
    local = build_cube(plain, search(plain), run_id="plain")

    for group, name in (("s2", "reflectance"), ("s1", "power")):
        ours = open_cube(signed.ref.uri, group, snapshot=signed.ref.snapshot)
        theirs = open_cube(local.ref.uri, group, snapshot=local.ref.snapshot)
        assert ours[name].values.tobytes() == theirs[name].values.tobytes()
    assert store.num_tokens == 1


def test_files_that_are_refused_for_good_are_told_without_a_signature(store, config, caplog):
    store.refuses = True

    with signed_by(store.signer):
        built = build_cube(config, search(config), run_id="refused")

    assert {row.reason for row in built.outcomes} == {"refused"}
    assert SECRET not in repr(built) + caplog.text
    assert all(store.address in row.detail or "403" in row.detail for row in built.outcomes)


def rasters(folder):
    """The same numbers as a GeoTIFF and as a lossless JPEG 2000."""
    values = np.random.default_rng(0).integers(0, 4000, (600, 700)).astype("uint16")
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 600_000, 0, -10, 5_620_000)}
    profile = {"height": 600, "width": 700, "count": 1, "dtype": "uint16", **place}
    for name, options in (
        ("a.tif", {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}),
        ("b 1.jp2", {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}),
    ):
        with rasterio.open(folder / name, "w", **profile, **options) as raster:
            raster.write(values, 1)
    return values


@pytest.mark.s3
def test_a_bucket_is_read_with_the_users_own_keys(seaweed, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    values = rasters(tmp_path)
    key, secret = seaweed.environment["AWS_ACCESS_KEY_ID"], seaweed.environment["AWS_SECRET_ACCESS_KEY"]
    bucket = S3Store(
        "cubes", endpoint=seaweed.endpoint, access_key_id=key, secret_access_key=secret, region="us-east-1",
        client_options={"allow_http": True},
    )  # fmt: skip
    for name in ("a.tif", "b 1.jp2"):
        obstore.put(bucket, f"signed/{name}", (tmp_path / name).read_bytes())
    place = ObjectStore(
        bucket="cubes", endpoint=seaweed.endpoint, region="us-east-1", variables=("TEST_I", "TEST_S", "T")
    )
    monkeypatch.setenv("TEST_I", key)
    monkeypatch.setenv("TEST_S", secret)

    with signed_by(Signer((), (place,))):
        for name in ("a.tif", "b 1.jp2"):
            with open_raster(f"s3://cubes/signed/{name}") as raster:
                np.testing.assert_array_equal(raster.read(1), values)
                assert raster.crs.to_epsg() == 32631
        monkeypatch.setenv("TEST_S", "another-secret")
        with pytest.raises(RasterUnreadable) as refused, open_raster("s3://cubes/signed/c.tif"):
            pass
        monkeypatch.delenv("TEST_S")
        with pytest.raises(RasterUnreadable) as lacking, open_raster("s3://cubes/signed/d.tif"):
            pass

    assert "set TEST_I and TEST_S to keys of" in str(lacking.value)
    assert (refused.value.fault, lacking.value.fault) == ("refused", "refused")
    shown = f"{caplog.text}{refused.value}{lacking.value}"
    assert "X-Amz-Signature" not in shown
    assert secret not in shown


def test_a_jpeg_2000_file_on_disk_is_read(tmp_path):
    values = rasters(tmp_path)

    with open_raster(str(tmp_path / "b 1.jp2")) as raster:
        np.testing.assert_array_equal(raster.read(1), values)
