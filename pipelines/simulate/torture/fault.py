"""What a server does wrong, by path: rules that travel as JSON beside the files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal

FaultKind = Literal["status", "stall", "trickle", "cut", "drop", "token", "redirect", "wrong_range"]
"""What happens to a request that a rule meets: a status and no file; the answer stops after `after_bytes` and the
connection stays open; the rest comes a byte at a time; the connection closes after `after_bytes`; it closes without an
answer; 403 without a valid token; a redirect to `location` unless the query says `moved`; a 206 for other bytes than
those asked for."""

FROM_LAST_TILE: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """A fault of the server for the files under one path."""

    path: str
    """Path within the folder, of a file or of a folder and all that is in it."""

    kind: FaultKind
    status: int = 0
    """HTTP status of `status`."""

    times: int | None = None
    """How many requests it meets, for each file; None all."""

    from_byte: int = 0
    """Only requests that reach beyond this byte: headers may be whole where tiles fail. `FROM_LAST_TILE` becomes the
    first byte of the last inner tile once the file is written."""

    after_bytes: int = 0
    """Bytes of an answer that come through."""

    retry_after_s: float | None = None
    """Retry-After of the answer."""

    location: str = ""
    """Target of a redirect; one that starts with a slash is a path of this server."""

    def meets(self, path: str, stop: int) -> bool:
        """Returns whether a request for bytes up to `stop` of a path falls under the rule."""
        return (path == self.path or path.startswith(f"{self.path}/")) and stop > self.from_byte

    def placed(self, home: str, last_tile: int) -> FaultRule:
        """Returns the rule with its path below a folder, and the place of the last tile filled in."""
        path = f"{home}/{self.path}" if self.path else home
        return replace(self, path=path, from_byte=last_tile if self.from_byte == FROM_LAST_TILE else self.from_byte)


def write_rules(path: Path, rules: tuple[FaultRule, ...]) -> None:
    """Writes rules as JSON."""
    path.write_text(json.dumps([asdict(rule) for rule in rules], indent=1) + "\n", encoding="utf-8")


def read_rules(path: Path) -> tuple[FaultRule, ...]:
    """Returns the rules of a file, none where there is no such file.

    Raises:
        ValueError: A rule has a field that none has.
    """
    if not path.exists():
        return ()
    known = {field.name for field in fields(FaultRule)}
    rules = []
    for document in json.loads(path.read_text(encoding="utf-8")):
        if not set(document) <= known:
            raise ValueError(f"a rule has the fields {sorted(known)}, got {sorted(document)}; write the catalogue anew")
        rules.append(FaultRule(**document))
    return tuple(rules)
