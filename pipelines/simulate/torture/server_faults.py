"""Entries whose files are sound and whose server is not. On disk they are used whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from affine import Affine

from pipelines.simulate.torture.fault import FROM_LAST_TILE, FaultRule
from pipelines.simulate.torture.outcome import USED, Outcome, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.simulate.torture.draft import SceneDraft
    from pipelines.simulate.torture.studio import Studio

LAST_TILE = (64, 64, 64, 64)
TILE_PX = 512
"""Side of the tiles of files of which one tile fails, that of most public files: a header that is fetched in a generous
piece does not reach the last of them."""


def server_faults(studio: Studio) -> list[SceneDraft]:
    """Returns the entries that only a server can show."""
    return [*_for_good(studio), *_passing(studio), *_in_one_tile(studio), *_signatures(studio), *_redirects(studio)]


def _for_good(studio: Studio) -> list[SceneDraft]:
    def red(name: str, wrong: str, right: str) -> SceneDraft:
        return studio.optical(name, wrong, right)

    denied = "the server denies access: nothing to wait for, somebody has to get it"
    later = "waited for within reason; a later run may find it"
    return [
        red("denied-401", "B04 is answered with 401", denied).served(
            "status", skipped("refused", "401"), path="B04.tif", status=401
        ),
        red("denied-403", "B04 is answered with 403", denied).served(
            "status", skipped("refused", "403"), path="B04.tif", status=403
        ),
        red("not-found-404", "B04 is answered with 404", "a wanted band is lost").served(
            "status", skipped("unreadable", "404"), path="B04.tif", status=404
        ),
        red("busy-429", "B04 is always answered with 429", later).served(
            "status", skipped("unreadable", "429"), path="B04.tif", status=429
        ),
        red("broken-500", "B04 is always answered with 500", later).served(
            "status", skipped("unreadable", "500"), path="B04.tif", status=500
        ),
        red("stalled", "the answer for B04 stops after 64 bytes and stays open", later).served(
            "stall", skipped("unreadable", "stalled"), path="B04.tif", after_bytes=64
        ),
        red("trickling", "the answer for B04 comes a byte at a time", later).served(
            "trickle", skipped("unreadable", "stalled"), path="B04.tif", after_bytes=64
        ),
        red("cut-off", "the answer for B04 always ends after 64 bytes", "what came is not the file").served(
            "cut", skipped("damaged", "cut off"), path="B04.tif", after_bytes=64
        ),
        red("no-answer", "the connection for B04 is closed without an answer", later).served(
            "drop", skipped("unreadable", "without an answer"), path="B04.tif"
        ),
        red("other-bytes", "the answer for B04 holds other bytes than were asked for", "they must not pass").served(
            "wrong_range", skipped("unreadable", "asked for"), path="B04.tif"
        ),
    ]


def _passing(studio: Studio) -> list[SceneDraft]:
    right = "a fault that passes costs time and no pixel"
    return [
        studio.optical("busy-twice", "each file is answered with 429 and Retry-After twice", right).served(
            "status", USED, status=429, times=2, retry_after_s=0.05
        ),
        studio.optical("broken-twice", "each file is answered with 503 twice", right).served(
            "status", USED, status=503, times=2
        ),
        studio.optical("stalled-once", "the first answer for each file stops after 64 bytes", right).served(
            "stall", USED, times=1, after_bytes=64
        ),
        studio.radar("cut-off-twice", "the first two answers for each file end after 64 bytes", right).served(
            "cut", USED, times=2, after_bytes=64
        ),
        studio.radar("no-answer-once", "the first request for each file gets no answer", right).served(
            "drop", USED, times=1
        ),
    ]


def _in_one_tile(studio: Studio) -> list[SceneDraft]:
    right = "the rest of the scene is good: only what cannot be read is missing, and says so"

    def gap(word: str) -> Outcome:
        return Outcome(outcome="used", words=("B04", word), lost_px=LAST_TILE)

    def wide(name: str, wrong: str) -> SceneDraft:
        return _with_margin(studio, studio.optical(name, wrong, right))

    where: dict[str, Any] = {"path": "B04.tif", "from_byte": FROM_LAST_TILE}
    return [
        wide("tile-500", "requests for the last tile of B04 are answered with 500").served(
            "status", gap("500"), status=500, **where
        ),
        wide("tile-stalled", "answers with the last tile of B04 stall").served("stall", gap("stalled"), **where),
        wide("tile-cut-off", "answers with the last tile of B04 are cut off").served(
            "cut", gap("cut off"), after_bytes=64, **where
        ),
    ]


def _with_margin(studio: Studio, draft: SceneDraft) -> SceneDraft:
    """Returns a draft whose B04 reaches beyond the region in four large tiles, a corner of each within the region."""
    raster = draft.rasters["B04"]
    side = raster.pixels.shape[0]
    pixels = studio.rng.integers(1, 5, (2 * TILE_PX, 2 * TILE_PX)).astype("uint16")
    first = TILE_PX - side // 2
    pixels[first : first + side, first : first + side] = raster.pixels
    transform = raster.transform @ Affine.translation(-first, -first)
    return draft.with_raster("B04", pixels=pixels, transform=transform, block=TILE_PX)


def _signatures(studio: Studio) -> list[SceneDraft]:
    expired = studio.optical(
        "signature-expired", "the hrefs carry a signature that has ended", "nobody can renew it: access is denied"
    ).served("token", skipped("refused", "403"))
    needed = studio.optical(
        "signature-needed",
        "the files take a signature of the server's `/token` that lasts four seconds",
        "a reader that cannot ask for it is refused; one that can uses the scene, however long it reads",
    ).served("token", skipped("refused", "403"))
    return [
        replace(
            expired,
            edit=_sign_all,
            disk=skipped("unreadable"),  # there, what stands behind the question mark is part of the name
            http_signed=skipped("refused", "403"),
            rules=_never(expired.rules),
        ),
        replace(needed, http_signed=USED),
    ]


def _never(rules: tuple[FaultRule, ...]) -> tuple[FaultRule, ...]:
    """Returns token rules as ones that take no token."""
    return tuple(replace(rule, kind="status", status=403) for rule in rules)


def _sign_all(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
    for asset in item["assets"].values():
        asset["href"] += "?token=t0&sig=ended"


def _redirects(studio: Studio) -> list[SceneDraft]:
    away = studio.optical(
        "redirected-away", "B04 is redirected to another host", "who may be asked was decided before"
    ).served("redirect", skipped("refused", "redirects"), path="B04.tif", location="http://169.254.169.254/B04.tif")
    round_and_round = studio.optical(
        "redirected-for-ever", "B04 is redirected to itself", "there is no file at the end"
    ).served("redirect", skipped("refused", "redirects"), path="B04.tif", location="B04.tif")
    within = studio.optical("redirected-within", "B04 is redirected on the same host", "the same provider has it there")
    return [
        away,
        round_and_round,
        within.served("redirect", USED, path="B04.tif", location="B04.tif?moved=1"),
    ]
