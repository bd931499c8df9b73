"""Scenes as typed records: what was found, what is used, what is skipped and why."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

SkipReason = Literal[
    "outside",
    "duplicate",
    "superseded",
    "missing_asset",
    "too_cloudy",
    "unreadable",
    "uncalibrated",
    "all_nodata",
    "quarantined",
    "misregistered",
    "damaged",
    "refused",
    "held_back",
]
"""`quarantined`: its metadata and its pixels contradict each other; `misregistered`: too far from the reference;
`damaged`: a file is truncated or its checksum is wrong; `refused`: the server denies access.
`held_back`: the date that it belongs to holds a scene that the search did not find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One raster of a scene, single band."""

    band: str
    """The sensor's own band id (`B02`, `VV`) or the name of a plane (`SCL`)."""

    href: str
    """Absolute path or address, already checked against the provider's table or the catalogue's root."""

    epsg: int | None = None
    """Code of the raster's CRS where the item says it."""

    nodata: float | None = None
    """Stored fill value, NaN allowed; None where the item does not say."""

    scale: float | None = None
    """`raster:scale` or `raster:bands[].scale` as the item says it; not yet believed."""

    offset: float | None = None
    """`raster:offset` likewise, in physical units (added after scaling)."""

    unit: str | None = None
    """`unit` as the item says it (`1`, `dB`, ...)."""

    data_type: str | None = None
    """`uint16`, `float32`, ... as the item says it."""

    checksum: str | None = None
    """`file:checksum` in lower case: a multihash in hexadecimal (function and length of the digest, then the digest),
    not yet decoded."""

    size_bytes: int | None = None
    """`file:size` as the item says it."""

    shape: tuple[int, int] | None = None
    """`proj:shape` as the item says it: rows, columns."""

    transform: tuple[float, float, float, float, float, float] | None = None
    """`proj:transform` as the item says it, the first six numbers: x = a col + b row + c, y = d col + e row + f."""


AnnotationKind = Literal["product", "calibration", "noise", "rfi", "manifest", "granule", "angles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A file beside the rasters of a scene that says how to read them."""

    kind: AnnotationKind
    """`product`: geometry and processing (a SAFE annotation, MTD_MSIL2A.xml, Landsat's MTL in XML); `calibration` and
    `noise`: the radiometric tables of a Sentinel-1 product; `rfi`: its interference report; `manifest`: the list of a
    SAFE product's files; `granule`: MTD_TL.xml of Sentinel-2; `angles`: Landsat's angle coefficients."""

    href: str
    """Absolute path or address, checked as an asset's is."""

    band: str = ""
    """Polarisation in upper case where the file is for one, otherwise ''."""

    swath: str = ""
    """`IW1`, `EW3` where the file is for one swath of several, otherwise ''."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a catalogue knows of one acquisition, whether its files can be used or not."""

    sensor: str
    platform: str
    time: datetime
    relative_orbit: int | None = None
    tile: str = ""
    acquisition_id: str = ""
    composite: bool = False
    """Whether it is made of several days: nothing can be said of when the next one is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One item of a catalogue that the cube can be built from."""

    id: str
    collection: str
    sensor: str
    """Name of the facts table (`sentinel-2-msi`, `sentinel-1-csar`)."""

    time: datetime
    """Acquisition in UTC; for composites the middle of start and end."""

    time_start: datetime
    time_end: datetime
    """Bounds, equal to `time` for a single acquisition."""

    footprint: tuple[tuple[float, float], ...]
    """Outer ring of the item's geometry, (longitude, latitude)."""

    assets: tuple[Asset, ...]
    """Sorted by band."""

    platform: str = ""
    orbit_direction: str = ""
    relative_orbit: int | None = None
    processing_baseline: str = ""
    offset_applied: bool | None = None
    """`earthsearch:boa_offset_applied` where present: True means no offset is left in the pixels."""

    tile: str = ""
    """MGRS tile or slice id, part of the identity of an acquisition."""

    cloud_cover: float | None = None
    """Percent."""

    sun_azimuth_deg: float | None = None
    sun_elevation_deg: float | None = None
    view_azimuth_deg: float | None = None
    view_incidence_deg: float | None = None
    item_href: str = ""
    """Where the item itself lives: the target of `derived_from`."""

    product_type: str = ""
    """`sar:product_type` (GRD, RTC, SLC) or `processing:level`, as the item says it."""

    acquisition_id: str = ""
    """What all versions of this acquisition have in common, in every catalogue: told from the product's name, '' where
    the item does not give it."""

    generated: datetime | None = None
    """When the product was made, UTC; None where the item does not say."""

    tier: str = ""
    """Landsat's collection category: `T1`, `T2` or `RT`."""

    annotations: tuple[Annotation, ...] = ()
    """Sorted by (kind, band, swath). Those whose address may not be followed are left out."""

    @property
    def sighting(self) -> Sighting:
        """What remains of the scene when its files are left aside."""
        return Sighting(
            sensor=self.sensor,
            platform=self.platform.lower(),
            time=self.time,
            relative_orbit=self.relative_orbit,
            tile=self.tile,
            acquisition_id=self.acquisition_id,
            composite=(self.time_end - self.time_start).days > 0,
        )

    def skipped(self, reason: SkipReason, detail: str) -> SceneOutcome:
        """Returns the record that the scene is not used.

        Args:
            reason: Why.
            detail: One sentence with the offending value.
        """
        return SceneOutcome(
            id=self.id,
            collection=self.collection,
            outcome="skipped",
            reason=reason,
            detail=detail,
            sighting=self.sighting,
        )

    def asset(self, band: str) -> Asset | None:
        """Returns the asset of a band, None where the scene has none."""
        return next((asset for asset in self.assets if asset.band == band), None)

    def annotation(self, kind: AnnotationKind, band: str = "", swath: str = "") -> Annotation | None:
        """Returns the file of a kind, for a band and swath where it is given for each; None where there is none."""
        wanted = kind, band, swath
        return next((file for file in self.annotations if (file.kind, file.band, file.swath) == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOutcome:
    """How one matched item ended: used, or skipped with its reason."""

    id: str
    collection: str
    outcome: Literal["used", "skipped"]
    reason: SkipReason | None = None
    detail: str = ""
    """One sentence with the offending value, '' where used."""

    sighting: Sighting | None = None
    """What was skipped, where the item tells; None for one that lies outside or cannot be read."""

    def __post_init__(self) -> None:
        if (self.outcome == "skipped") != (self.reason is not None):
            raise ValueError(f"a skipped scene has a reason and a used one none, got {self.outcome}, {self.reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSet:
    """The answer to a query: the scenes to use, those skipped with reasons, and a count of the rest."""

    scenes: tuple[Scene, ...]
    """Sorted by (time, collection, id)."""

    skipped: tuple[SceneOutcome, ...] = ()
    """Matched items that are not used, each with its reason, sorted by (collection, id)."""

    unmatched: int = 0
    """How many items of the catalogues lay outside the query's collections, area or time."""

    attribution: tuple[str, ...] = field(default=())
    """Licence and attribution lines of the collections used."""

    def input_hash(self) -> str:
        """Returns a SHA-256 over the ids, times, baselines and bands of the scenes: equal input, equal hash."""
        rows = [
            [s.collection, s.id, s.time.isoformat(), s.processing_baseline, [a.band for a in s.assets]]
            for s in self.scenes
        ]
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
