"""Small catalogues: on disk, and behind a server on this machine that answers as Earth Search does."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from catalogs.client import Patience
from catalogs.item import FoundItem
from catalogs.providers import EARTH_SEARCH, Provider
from catalogs.query import SceneQuery

RING = [[5.0, 50.0], [6.0, 50.0], [6.0, 51.0], [5.0, 51.0], [5.0, 50.0]]
COGS = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/x"


def sentinel2(item_id: str = "S2A_31UFS_20210601_0_L2A", **changes: Any) -> dict[str, Any]:
    """One item of the form that Earth Search gives (STAC 1.0), cut down to two bands and the classification."""
    properties = {
        "datetime": "2021-06-01T10:50:31.123000Z",
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 12.5,
        "proj:epsg": 32631,
        "grid:code": "MGRS-31UFS",
        "view:sun_azimuth": 155.0,
        "view:sun_elevation": 58.5,
        "s2:processing_baseline": "05.00",
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": "S2A_MSIL2A_20210601T105031_N0500_R051_T31UFS_20230201T000000.SAFE",
        "s2:generation_time": "2023-02-01T00:00:00.000000Z",
        "earthsearch:boa_offset_applied": True,
    }
    raster = {"nodata": 0, "data_type": "uint16", "spatial_resolution": 10, "scale": 0.0001, "offset": -0.1}
    assets = {
        "red": {"href": f"{COGS}/B04.tif", "eo:bands": [{"name": "red"}], "raster:bands": [raster], "roles": ["data"]},
        "nir": {"href": f"{COGS}/B08.tif", "eo:bands": [{"name": "nir"}], "raster:bands": [raster], "roles": ["data"]},
        "scl": {"href": f"{COGS}/SCL.tif", "raster:bands": [{"nodata": 0, "data_type": "uint8"}], "roles": ["data"]},
    }
    ring = copy.deepcopy(changes.pop("ring", RING))
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": item_id,
        "collection": changes.pop("collection", "sentinel-2-l2a"),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [min(x for x, _ in ring), min(y for _, y in ring), max(x for x, _ in ring), max(y for _, y in ring)],
        "links": [],
        "assets": changes.pop("assets", copy.deepcopy(assets)),
        "properties": properties | changes.pop("properties", {}),
    }
    return document | changes


@pytest.fixture
def item() -> Callable[..., dict[str, Any]]:
    return sentinel2


@pytest.fixture
def found() -> Callable[[dict[str, Any]], FoundItem]:
    def make(document: dict[str, Any], href: str = "https://earth-search.aws.element84.com/v1/item") -> FoundItem:
        return FoundItem(id=document["id"], collection=document["collection"], href=href, document=document)

    return make


@pytest.fixture
def query() -> SceneQuery:
    return SceneQuery(
        bbox=(5.2, 50.2, 5.4, 50.4),
        footprint=((5.2, 50.2), (5.4, 50.2), (5.4, 50.4), (5.2, 50.4)),
        start=datetime(2021, 6, 1, tzinfo=UTC),
        end=datetime(2021, 7, 1, tzinfo=UTC),
        collections=("sentinel-2-l2a",),
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Callable[..., Path]:
    """Writes a static catalogue of one collection with relative hrefs; returns the path of its catalog.json."""

    def write(*documents: dict[str, Any], links: tuple[dict[str, str], ...] = ()) -> Path:
        root = tmp_path / "catalogue"
        folder = root / "sentinel-2-l2a"
        folder.mkdir(parents=True)
        rows = []
        for number, document in enumerate(documents):
            for key, asset in document["assets"].items():
                asset["href"] = f"./{key}.tif" if asset["href"].startswith("https:") else asset["href"]
            (folder / f"{number}.json").write_text(json.dumps(document))
            rows.append({"rel": "item", "href": f"./{number}.json"})
        collection = {"type": "Collection", "stac_version": "1.1.0", "id": "sentinel-2-l2a", "license": "other"}
        (folder / "collection.json").write_text(json.dumps({**collection, "links": [*rows, *links]}))
        child = {"rel": "child", "href": "./sentinel-2-l2a/collection.json"}
        top = {"type": "Catalog", "stac_version": "1.1.0", "id": "top", "links": [child]}
        (root / "catalog.json").write_text(json.dumps(top))
        return root / "catalog.json"

    return write


@dataclass
class Api:
    """A STAC API of canned pages."""

    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers that the next searches are answered with, before any page."""

    next_href: str | None = None
    """Where the first page says that the second is, instead of the truth."""

    endless: bool = False
    paging: str = "body"
    """How the next page is asked for: `body` gives the whole question again, `merge` what changes in it (Planetary
    Computer), `get` an address (Earth Search where it is asked by GET)."""

    methods: tuple[str, ...] = ("POST", "GET")
    asked: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    address: str = ""

    @property
    def provider(self) -> Provider:
        return self.like(EARTH_SEARCH)

    def like(self, provider: Provider) -> Provider:
        """The rules of a provider, its endpoint here."""
        hosts = (*provider.hosts, "127.0.0.1")
        return replace(
            provider, endpoint=self.address, hosts=hosts, schemes=("http", "https"), requests_per_second=1000.0
        )

    def landing(self) -> dict[str, Any]:
        links = [
            {"rel": "search", "href": f"{self.address}/search", "type": "application/geo+json", "method": method}
            for method in self.methods
        ]
        core = "https://api.stacspec.org/v1.0.0/"
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "recorded",
            "description": "canned",
            "conformsTo": [f"{core}core", f"{core}item-search"],
            "links": [{"rel": "self", "href": self.address}, {"rel": "root", "href": self.address}, *links],
        }

    def page(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        number = int(asked.get("next", 0))
        reply: dict[str, Any] = {"type": "FeatureCollection", "features": self.pages[number], "links": []}
        if self.endless or number + 1 < len(self.pages):
            reply["links"].append(self._next(asked, 0 if self.endless else number + 1))
        return reply

    def _next(self, asked: dict[str, Any], number: int) -> dict[str, Any]:
        href = self.next_href or f"{self.address}/search"
        if self.paging == "get":
            return {"rel": "next", "href": f"{href}?next={number}", "method": "GET"}
        if self.paging == "merge":
            return {"rel": "next", "href": href, "method": "POST", "merge": True, "body": {"next": number}}
        return {"rel": "next", "href": href, "method": "POST", "merge": False, "body": {**asked, "next": number}}


PATIENCE = Patience(connect_s=2.0, read_s=2.0, backoff_s=0.01)


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/search"):
                fields = dict(parse_qsl(urlsplit(self.path).query))
                self._search({"query": self.path} | ({"next": fields["next"]} if "next" in fields else {}))
            else:
                self._reply(200, served.landing())

        def do_POST(self) -> None:
            self._search(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _search(self, asked: dict[str, Any]) -> None:
            if served.faults:
                status, headers = served.faults.pop(0)
                self._reply(status, {"code": status, "description": "not now"}, headers)
            else:
                self._reply(200, served.page(asked))

        def _reply(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def patience() -> Patience:
    return PATIENCE
