"""What tells an acquisition by the name of its product, whatever its version and catalogue.

The times that catalogues state do not: for one Sentinel-2 granule Earth Search gives the time of the granule, others
that of the whole data take, seconds earlier.
"""

from __future__ import annotations

import re

from catalogs.fields import Document, text

SENTINEL2 = re.compile(
    r"(?P<satellite>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<take>\d{8}T\d{6})_(?:N\d{4}_)?R(?P<orbit>\d{3})_T(?P<tile>\w{5})"
    r"(?:_\d{8}T\d{6})?(?:\.SAFE)?"
)
"""Product name (S2-PDGS-TAS-DI-PSD): baseline and the last time tell versions apart, the rest the acquisition."""

SENTINEL1 = re.compile(
    r"(?P<acquisition>S1[A-D]_\w{2}_\w{4}_\w{4}_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6})(?:_[0-9A-F]{4})?"
    r"(?:_COG)?(?:\.SAFE)?(?P<rest>(_.*)?)"
)
"""Product name (S1-RS-MDA-52-7441): only the last four characters tell two processings apart. `_COG` is the same
product in another format; anything else behind it (`_rtc`) is another product."""

LANDSAT = re.compile(
    r"L(?P<sensor>[COTEM])(?P<satellite>\d{2})_(?P<level>L\d)\w{2}_(?P<place>\d{6})_(?P<day>\d{8})(?:_\d{8})?"
    r"_(?P<collection>\d{2})_(?P<tier>T1|T2|RT)(?:_\w+)?"
)
"""Product name (LSDS-1619, section 3): satellite, level, path and row, day of acquisition [day of processing],
collection, tier. L2SP and L2SR are one level, with and without surface temperature."""

NAMES = ("s2:product_uri", "sentinel:product_id", "s1:product_identifier", "title")
"""Properties that may hold the name of the product, where the item's id is another."""


def acquisition_id(item_id: str, properties: Document) -> str:
    """Returns what all versions of an acquisition share, '' where no product name tells.

    Args:
        item_id: Id of the item, often the product's name itself.
        properties: Those of the item.

    Raises:
        ItemError: A name is not a string.
    """
    for name in (item_id, *(text(properties, field) for field in NAMES)):
        found = _told_by(name)
        if found:
            return found
    return ""


def landsat_tier(item_id: str, properties: Document) -> str:
    """Returns the category of a Landsat product, '' for other products.

    Raises:
        ItemError: The category is not a string.
    """
    name = LANDSAT.fullmatch(item_id)
    return text(properties, "landsat:collection_category") or (name["tier"] if name else "")


def _told_by(name: str) -> str:
    optical = SENTINEL2.fullmatch(name)
    if optical:
        return "_".join(optical.group("satellite", "level", "take", "orbit", "tile"))
    radar = SENTINEL1.fullmatch(name)
    if radar:
        return radar["acquisition"] + radar["rest"]
    landsat = LANDSAT.fullmatch(name)
    if landsat:
        return "_".join(("L" + landsat["satellite"], *landsat.group("level", "place", "day")))
    return ""
