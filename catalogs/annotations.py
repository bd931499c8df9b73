"""The files beside the rasters of a scene: calibration and noise tables, product and granule metadata."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalogs.errors import ItemError
from catalogs.fields import Document, mapping, text
from catalogs.scenes import Annotation, AnnotationKind

if TYPE_CHECKING:
    from catalogs.providers import Provider

RADAR_KEY = re.compile(
    r"(?:schema-)?(?P<kind>product|calibration|noise)-(?:(?P<swath>(?:iw|ew)[1-5]?|s[1-6]|wv[12])-)?"
    r"(?P<band>hh|hv|vh|vv)(?:-.*)?",
    re.IGNORECASE,
)
"""Keys of Sentinel-1 annotations as stactools names them: `schema-noise-vh`, `schema-calibration-iw1-vv`."""

WHOLE_KEYS: dict[str, AnnotationKind] = {
    "ang": "angles",
    "granule-metadata": "granule",
    "mtl-xml": "product",
    "product-metadata": "product",
    "safe-manifest": "manifest",
}
"""Keys of files for the whole scene, with hyphens for the underscores and dots that some catalogues write."""

SWATH = re.compile(r"(?:IW|EW)[1-5]|S[1-6]|WV[12]")

SAFE_PATH = re.compile(
    r"/annotation/(?:(?:calibration|rfi)/)?(?:(?:calibration|noise|rfi)-)?s1[a-d]-(?P<swath>(?:iw|ew)[1-5]?|s[1-6]|wv[12])"
    r"-(?:grd|slc)\w?-(?P<band>hh|hv|vh|vv)-[^/]*\.xml$",
    re.IGNORECASE,
)
"""Path of an annotation as it is named in a SAFE product, for catalogues that give it another key."""

FOLDERS: tuple[tuple[re.Pattern[str], AnnotationKind], ...] = (
    (re.compile(r"/annotation/rfi/[^/]*$"), "rfi"),
    (re.compile(r"/annotation/calibration/calibration-[^/]*$"), "calibration"),
    (re.compile(r"/annotation/calibration/noise-[^/]*$"), "noise"),
)
"""Places within a SAFE product (S1-RS-MDA-52-7441), which are believed before the key: Earth Search gives interference
reports under the key of the product annotation (items of July 2025)."""


def annotations_of(document: Document, provider: Provider, base: str) -> tuple[Annotation, ...]:
    """Returns the annotations of an item, sorted by kind, band and swath, each kind once for a band and swath.

    Args:
        document: The item.
        provider: Whose addresses are allowed; an annotation at another one is left out.
        base: Path or address of the item.

    Raises:
        ItemError: The assets have another form than STAC's.
    """
    found: dict[tuple[str, str, str], Annotation] = {}
    assets = mapping(document, "assets")
    for key in sorted(assets):
        kind, band, swath = _recognise(key, text(mapping(assets, key), "href"))
        if not kind:
            continue
        try:
            href = provider.find(mapping(assets, key), base)
        except ItemError:
            continue  # optional: whoever needs the file says that it is not there
        placed = next((folder for pattern, folder in FOLDERS if band and pattern.search(href)), kind)
        if href:
            found.setdefault((placed, band, swath), Annotation(kind=placed, href=href, band=band, swath=swath))
    return tuple(found[key] for key in sorted(found))


def _recognise(key: str, href: str) -> tuple[AnnotationKind | None, str, str]:
    radar = RADAR_KEY.fullmatch(key)
    told = radar or SAFE_PATH.search(href)
    if told:
        swath = (told["swath"] or "").upper()
        kind: AnnotationKind = radar["kind"].lower() if radar else "product"  # type: ignore[assignment]  # one of three
        return kind, told["band"].upper(), swath if SWATH.fullmatch(swath) else ""
    return WHOLE_KEYS.get(key.lower().replace("_", "-").replace(".", "-")), "", ""
