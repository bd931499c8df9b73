"""A STAC API and a file server on loopback that does wrong what its rules say, and counts what it was asked."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pipelines.simulate.torture.api import StacApi
from pipelines.simulate.torture.fault import FaultRule, read_rules

if TYPE_CHECKING:
    from types import TracebackType

RULES_FILE: Final = "faults.json"
TOKEN_S: Final = 4.0
"""How long a token is good for: a build outlives several."""

_TRICKLE_S: Final = 0.1
_LONGEST_STALL_S: Final = 600.0


class TortureServer:
    """Serves a torture catalogue while its `with` block lasts.

    Files lie under their path in the folder, the STAC API at `/`. `/token` and all below it give a token for files that
    need one, good for `TOKEN_S`, in the form of the Planetary Computer's Data Authentication API:
    `{"token": "token=...", "msft:expiry": "..."}`.
    """

    def __init__(self, folder: Path, *, port: int = 0, rules: tuple[FaultRule, ...] | None = None) -> None:
        self.folder = folder.resolve()
        self.rules = read_rules(folder / RULES_FILE) if rules is None else rules
        self.asked: Counter[str] = Counter()
        """Requests by path."""

        self.errors: list[BaseException] = []
        """What went wrong here against the rules: nothing, or the server is at fault."""

        self._met: Counter[tuple[int, str]] = Counter()
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._api: StacApi | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def api(self) -> StacApi:
        """The items of the folder, read when the first question comes."""
        with self._lock:
            if self._api is None:
                self._api = StacApi(self.folder, self.url)
            return self._api

    def forget(self) -> None:
        """Starts anew: no request was counted, no rule used up."""
        with self._lock:
            self.asked.clear()
            self._met.clear()
            self._tokens.clear()

    def rule_for(self, path: str, stop: int) -> FaultRule | None:
        """Returns the rule that a request meets, None where it is answered as it should be."""
        with self._lock:
            self.asked[path] += 1
            for index, rule in enumerate(self.rules):
                if not rule.meets(path, stop):
                    continue
                self._met[index, path] += 1
                if rule.times is None or self._met[index, path] <= rule.times:
                    return rule
        return None

    def new_token(self) -> str:
        """Returns a token that is good from now."""
        with self._lock:
            token = f"t{len(self._tokens) + 1}"
            self._tokens[token] = time.monotonic() + TOKEN_S
        return token

    def takes(self, token: str) -> bool:
        """Returns whether a token is good now."""
        with self._lock:
            return time.monotonic() < self._tokens.get(token, 0.0)

    def end_tokens(self) -> None:
        """Makes every token that was given out worthless."""
        with self._lock:
            self._tokens.clear()

    def stall(self) -> None:
        """Waits until the server closes."""
        self._closing.wait(_LONGEST_STALL_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: TortureServer

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 named by the base class
        """Keeps what went wrong here; clients that go away do so by design."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            self.owner.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answers a question or gives a file."""
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        owner = self.server.owner
        if path.startswith("/token"):
            ends = datetime.now(UTC) + timedelta(seconds=TOKEN_S)
            self._json({"token": f"token={owner.new_token()}", "msft:expiry": ends.isoformat()})
            return
        answer = owner.api.answer(path, {name: values[0] for name, values in query.items()})
        if answer is not None:
            self._json(answer)
            return
        self._file(path.lstrip("/"), query)

    def do_HEAD(self) -> None:
        """Gives the size of a file."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answers a search."""
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        answer = self.server.owner.api.answer(urlsplit(self.path).path, body)
        if answer is None:
            self._nothing(404)
        else:
            self._json(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is the base class's
        """Says nothing."""

    def _json(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/geo+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, name: str, query: dict[str, list[str]]) -> None:
        owner = self.server.owner
        target = (owner.folder / name.replace("\0", "")).resolve()
        known = "\0" not in name and target.is_relative_to(owner.folder) and target.is_file()
        size = target.stat().st_size if known else 0
        span = _span(self.headers.get("Range", ""), size)
        rule = owner.rule_for(name, span[1])
        if rule is not None and self._before(rule, query):
            return
        if not known:
            self._nothing(404)
            return
        start, stop = span
        if start >= stop:
            self._nothing(416)
            return
        if rule is not None and rule.kind == "wrong_range":
            start += 1
        with target.open("rb") as stream:
            stream.seek(start)
            content = stream.read(stop - start)
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Type", "image/tiff")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{target.stat().st_mtime_ns:x}-{size:x}"')
        if self.headers.get("Range"):
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self._send(content, rule)

    def _before(self, rule: FaultRule, query: dict[str, list[str]]) -> bool:
        """Returns whether a rule has answered in the file's place."""
        if rule.kind == "drop":
            self.close_connection = True
        elif rule.kind == "token" and not self.server.owner.takes(query.get("token", [""])[0]):
            self._nothing(403)
        elif rule.kind == "redirect" and "moved" not in query:
            self._nothing(302, {"Location": rule.location})
        elif rule.kind == "status":
            wait = rule.retry_after_s
            self._nothing(rule.status, {} if wait is None else {"Retry-After": f"{wait:g}"})
        else:
            return False
        return True

    def _send(self, content: bytes, rule: FaultRule | None) -> None:
        with contextlib.suppress(ConnectionError):
            if rule is None or rule.kind not in ("stall", "trickle", "cut"):
                self.wfile.write(content)
                return
            self.close_connection = True
            self.wfile.write(content[: rule.after_bytes])
            if rule.kind == "stall":
                self.server.owner.stall()
            elif rule.kind == "trickle":
                for byte in content[rule.after_bytes :]:
                    self.wfile.write(bytes([byte]))
                    time.sleep(_TRICKLE_S)

    def _nothing(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _span(header: str, size: int) -> tuple[int, int]:
    """Returns first byte and first byte no longer wanted of a Range header; the whole file where it has none."""
    if not header.startswith("bytes=") or "," in header:
        return 0, size
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
