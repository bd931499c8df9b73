"""Signatures are made when a file is read, fetched once, renewed once, and held by no record."""

import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalogs.client import Patience
from catalogs.errors import CatalogError
from catalogs.object_store import Keys, ObjectStore
from catalogs.presign import presign
from catalogs.providers import PROVIDERS
from catalogs.signing import Signer, sign, signed_by, without_signature
from catalogs.token_service import TokenService

SECRET = "s3cr3tsignature"


@dataclass
class TokenServer:
    """Hands out numbered tokens that end, as the Data Authentication API does."""

    address: str = ""
    life_s: float = 3600.0
    delay_s: float = 0.0
    statuses: list[int] = field(default_factory=list)
    """Faults that the next requests meet."""

    body: bytes | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def service(self) -> TokenService:
        return TokenService(
            endpoint=f"{self.address}/token",
            hosts=("127.0.0.1", "account.blob.example"),
            key_variable="TEST_SUBSCRIPTION_KEY",
            requests_per_second=1000.0,
        )

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        with self.lock:
            self.asked.append((path, headers))
            number = len(self.asked)
            if self.statuses:
                return self.statuses.pop(0), b"{}"
        time.sleep(self.delay_s)
        ends = datetime.now(UTC) + timedelta(seconds=self.life_s)
        token = {"msft:expiry": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "token": f"se=x&sig={SECRET}{number}"}
        return 200, self.body or json.dumps(token).encode()


@pytest.fixture
def server():
    served = TokenServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = served.answer(self.path, dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served.address = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("catalogs.client.PATIENCE", Patience(connect_s=2, read_s=2, num_retries=2, backoff_s=0.01))


FILE = "https://account.blob.example/container/folder/B02.tif"


def test_a_file_is_read_with_the_token_of_its_container(server):
    signer = Signer((server.service,))

    assert signer.sign(FILE) == f"{FILE}?se=x&sig={SECRET}1"
    assert signer.sign(FILE.replace("B02", "B03")).endswith(f"B03.tif?se=x&sig={SECRET}1")
    assert signer.sign(FILE.replace("/container/", "/other/")).endswith(f"sig={SECRET}2")
    assert [path for path, _ in server.asked] == ["/token/account/container", "/token/account/other"]


@pytest.mark.parametrize("href", ["/data/B02.tif", "data/B02.tif", "https://elsewhere.example/c/B02.tif", "s3://b/k"])
def test_paths_and_other_hosts_are_left_alone(server, href):
    with signed_by(Signer((server.service,))):
        assert sign(href) == sign(href, renew=True) == href
    assert server.asked == []


def test_a_local_path_costs_no_import():
    code = (
        "import sys; from catalogs.signing import sign; sign('/a.tif'); "
        "assert not {'requests', 'pystac_client'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_many_threads_ask_once(server):
    server.delay_s = 0.1
    signer = Signer((server.service,))

    with ThreadPoolExecutor(16) as pool:
        signed = set(pool.map(signer.sign, [FILE] * 64))

    assert len(server.asked) == 1
    assert len(signed) == 1


def test_a_token_near_its_end_is_fetched_anew(server):
    server.life_s = 1.0
    signer = Signer((server.service,))

    first = signer.sign(FILE)
    time.sleep(2.0)  # the server's clock has whole seconds

    assert signer.sign(FILE) != first
    assert len(server.asked) == 2


def test_a_token_is_never_used_in_its_last_minute(server):
    server.life_s = 600.0
    signer = Signer((server.service,))
    signer.sign(FILE)
    (token,) = signer._tokens.values()

    assert 530 <= token.ends_s - time.monotonic() <= 541


def test_a_refusal_is_met_with_a_new_token_once_for_all_threads(server, monkeypatch):
    signer = Signer((server.service,))
    old = signer.sign(FILE)
    monkeypatch.setattr("catalogs.signing.JUST_RENEWED_S", 0.0)
    new = signer.sign(FILE, renew=True)
    monkeypatch.undo()

    with ThreadPoolExecutor(8) as pool:
        renewed = set(pool.map(lambda _: signer.sign(FILE, renew=True), range(16)))

    assert old != new
    assert renewed == {new}
    assert len(server.asked) == 2


def test_a_passing_fault_is_tried_again_and_a_lasting_one_is_transient(server):
    server.statuses = [503, 429]
    assert Signer((server.service,)).sign(FILE).endswith(f"{SECRET}3")

    server.statuses = [500] * 9
    with pytest.raises(CatalogError, match=r"answered 500.*run again") as caught:
        Signer((server.service,)).sign(FILE)
    assert caught.value.transient


def test_an_unknown_container_is_no_passing_fault(server):
    server.statuses = [404]

    with pytest.raises(CatalogError, match=r"answered 404; check that account/container") as caught:
        Signer((server.service,)).sign(FILE)

    assert not caught.value.transient
    assert len(server.asked) == 1


def test_nobody_at_the_address_is_transient():
    nobody = TokenService(endpoint="http://127.0.0.1:1/token", hosts=("account.blob.example",))

    with pytest.raises(CatalogError, match=r"did not \(ConnectionError\)") as caught:
        Signer((nobody,)).sign(FILE)

    assert caught.value.transient


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b'{"token": "sig=s3cr3tsignature"}',
        b'{"token": "sig=s3cr3tsignature", "msft:expiry": "soon"}',
        b'{"token": "#sig=s3cr3tsignature", "msft:expiry": "2030-01-01T00:00:00Z"}',
        b'{"token": 7, "msft:expiry": "2030-01-01T00:00:00Z"}',
    ],
)
def test_an_answer_of_another_form_is_refused_and_not_shown(server, body):
    server.body = body

    with pytest.raises(CatalogError, match="answers with `token`") as caught:
        Signer((server.service,)).sign(FILE)

    shown = "".join(map(str, (caught.value, caught.value.__cause__, caught.value.__suppress_context__)))
    assert SECRET not in shown


def test_key_and_token_show_in_no_log_and_no_text(server, monkeypatch, caplog):
    monkeypatch.setenv("TEST_SUBSCRIPTION_KEY", "my-subscription-key")
    caplog.set_level(logging.DEBUG)
    signer = Signer((server.service,))

    signer.sign(FILE)
    server.statuses = [403]
    with pytest.raises(CatalogError) as caught:
        signer.sign(FILE.replace("/container/", "/other/"))

    assert server.asked[0][1]["Ocp-Apim-Subscription-Key"] == "my-subscription-key"
    shown = f"{caplog.text}{caught.value}{caught.value!r}{signer._tokens}{server.asked[0][0]}"
    assert SECRET not in shown
    assert "my-subscription-key" not in shown


def test_the_key_does_not_follow_a_redirect(server, monkeypatch):
    monkeypatch.setenv("TEST_SUBSCRIPTION_KEY", "my-subscription-key")
    server.statuses = [302]

    with pytest.raises(CatalogError, match="answered 302"):
        Signer((server.service,)).sign(FILE)


def test_the_token_services_are_those_of_the_providers():
    service = PROVIDERS["planetary-computer"].tokens

    assert service.endpoint == "https://planetarycomputer.microsoft.com/api/sas/v1/token"
    assert set(service.hosts) <= set(PROVIDERS["planetary-computer"].hosts)


AWS = ObjectStore(
    bucket="", endpoint="https://examplebucket.s3.amazonaws.com", region="us-east-1", variables=("I", "S", "T")
)


def test_presigned_addresses_equal_the_published_example():
    # Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", example
    keys = Keys(key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

    address = presign(AWS, "test.txt", keys, now=datetime(2013, 5, 24, tzinfo=UTC), life_s=86400)

    assert address == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_bucket_is_read_with_keys_of_the_environment_alone(monkeypatch):
    store = replace(AWS, bucket="eodata", endpoint="https://eodata.example", requester_pays=True)
    signer = Signer((), (store,))

    with pytest.raises(CatalogError, match=r"set I and S to keys of https://eodata\.example, whose owner pays"):
        signer.sign("s3://eodata/a b/B02.jp2")
    monkeypatch.setenv("I", "id")
    monkeypatch.setenv("S", "hidden")
    monkeypatch.setenv("T", "session")
    address = signer.sign("s3://eodata/a b/B02.jp2")

    assert address.startswith("https://eodata.example/eodata/a%20b/B02.jp2?X-Amz-Algorithm=")
    assert "x-amz-request-payer=requester" in address
    assert "X-Amz-Security-Token=session" in address
    assert "hidden" not in address + repr(store.keys())


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ('"GET /c/B02.tif?se=x&sig=abc%2F HTTP/1.1" 206', '"GET /c/B02.tif?[signature] HTTP/1.1" 206'),
        ("https://b/k?X-Amz-Expires=9&X-Amz-Signature=ab12: refused", "https://b/k?[signature] refused"),
        ("/search?design=1&limit=5", "/search?design=1&limit=5"),
        ("what? sig=1", "what? sig=1"),
    ],
)
def test_signatures_are_cut_out_of_texts(message, left):
    assert without_signature(message) == left


def test_the_http_client_logs_no_signature(caplog):
    Signer(())
    caplog.set_level(logging.DEBUG)

    logging.getLogger("urllib3.connectionpool").debug('%s "GET %s" %s', "https://h", f"/c/a.tif?sig={SECRET}", 206)

    assert caplog.messages == ['https://h "GET /c/a.tif?[signature]" 206']
