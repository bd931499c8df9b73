"""Scenes as they are to be written: files, item, server rules, outcome; each a value that an entry changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.schema import Reason
from pipelines.simulate.torture.fault import FaultKind, FaultRule
from pipelines.simulate.torture.land import OFFSET, SCALE, class_reasons, on_ten_metres
from pipelines.simulate.torture.outcome import USED, Outcome
from pipelines.simulate.torture.place import MAIN, Place

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray

TOLERANCE = 0.5e-4
"""Half a step of reflectance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSpan:
    """Where the data of one inner tile lie in a file."""

    start: int
    stop: int


Damage = Callable[[bytes, TileSpan], bytes]
"""Takes the bytes of a sound file and the place of its last tile, and returns those to write."""


Edit = Callable[[dict[str, Any], Mapping[str, bytes]], None]
"""Changes an item's document in place; gets the bytes of its files by band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterDraft:
    """A GeoTIFF to write."""

    pixels: NDArray[Any]
    """(y, x), or (band, y, x) where it has several."""

    transform: Affine
    crs: str | None = f"EPSG:{MAIN.grid.epsg}"
    nodata: float | None = 0
    block: int = 64
    """Side of an inner tile in pixels."""

    gcps: tuple[tuple[float, float, float, float], ...] = ()
    """Ground control points (row, column, longitude, latitude); then neither CRS nor transform are written."""

    damage: Damage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a cube must hold of a scene."""

    values: NDArray[np.float32]
    """(band, y, x), NaN where missing."""

    reason: NDArray[np.uint16]
    """(y, x)."""

    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneDraft:
    """A scene to write."""

    id: str
    wrong: str
    right: str
    group: str
    time: datetime
    rasters: Mapping[str, RasterDraft]
    """By band; one without pixels here has an asset and no file."""

    truth: Truth | None
    place: Place = MAIN
    placed: bool = True
    """False where the item does not say where it lies."""

    disk: Outcome | None = USED
    http: Outcome | None = USED
    http_signed: Outcome | None = None
    """None: as over http."""

    baseline: str = "05.09"
    flag: bool | None = True
    """`earthsearch:boa_offset_applied`."""

    declared_offset: float | None = 0.0
    """`raster:offset` of every band."""

    ring: tuple[tuple[float, float], ...] = ()
    """Footprint; empty: that of the place."""

    edit: Edit | None = None
    """Changes the item's document before it is written."""

    text: Callable[[str], str] | None = None
    """Changes the item's text."""

    rules: tuple[FaultRule, ...] = ()
    """Faults of the server, paths relative to the item's folder; '' is the folder."""

    folder: str = ""
    """Name of its folder where another item has the same id, '' for the id."""

    tile: str = ""
    """MGRS tile, '' for none."""

    bands: tuple[str, ...] = field(default=())
    """Of the truth."""

    def with_raster(self, band: str, **changes: Any) -> SceneDraft:
        """Returns the draft with one of its files changed."""
        return replace(self, rasters={**self.rasters, band: replace(self.rasters[band], **changes)})

    def with_rasters(self, **changes: Any) -> SceneDraft:
        """Returns the draft with all of its files changed alike."""
        return replace(self, rasters={band: replace(raster, **changes) for band, raster in self.rasters.items()})

    def ends(self, outcome: Outcome) -> SceneDraft:
        """Returns the draft with the same outcome however it is read; nothing enters a cube but of a used one."""
        return replace(self, disk=outcome, http=outcome, truth=self.truth if outcome.outcome == "used" else None)

    def served(self, kind: FaultKind, outcome: Outcome, *, path: str = "", **rule: Any) -> SceneDraft:
        """Returns the draft with a fault of the server; on disk it is sound."""
        return replace(self, http=outcome, rules=(*self.rules, FaultRule(path=path, kind=kind, **rule)))


def optical_truth(
    counts: Mapping[str, NDArray[Any]],
    classes: NDArray[np.integer] | None,
    *,
    bands: tuple[str, ...],
    missing: Mapping[str, NDArray[np.bool_]] | None = None,
    tolerance: float = TOLERANCE,
) -> Truth:
    """Returns the truth of counts without offset that lie on the grid.

    Args:
        counts: By band at its own resolution; a band that is absent is missing everywhere, and that is no border.
        classes: Scene classification at 20 m, None where the scene has none.
        bands: Of the cube.
        missing: Pixels without a value by band, at the band's own resolution; None: where counts are 0.
        tolerance: Largest difference.
    """
    values: list[NDArray[np.float64] | None] = []
    gone: list[NDArray[np.bool_]] = []
    for band in bands:
        if band not in counts:
            values.append(None)
            continue
        plane = np.asarray(on_ten_metres(counts[band], band), dtype="float64") * SCALE
        lost = counts[band] == 0 if missing is None else missing[band]
        mask = np.asarray(on_ten_metres(lost, band), dtype=bool)
        plane[mask] = np.nan
        values.append(plane)
        gone.append(mask)
    shape = next(plane.shape for plane in values if plane is not None)
    stacked = np.stack([np.full(shape, np.nan) if plane is None else plane for plane in values])
    reason = class_reasons(classes, (shape[0], shape[1])) | missing_bits(gone)
    return Truth(values=stacked.astype("float32"), reason=reason, tolerance=tolerance)


def missing_bits(missing: list[NDArray[np.bool_]]) -> NDArray[np.uint16]:
    """Returns `nodata` where all bands are missing and `border` where some are."""
    all_gone, some_gone = np.all(missing, axis=0), np.any(missing, axis=0)
    bits = np.where(all_gone, int(Reason.NODATA), np.where(some_gone, int(Reason.BORDER), 0))
    return np.asarray(bits, dtype="uint16")


def with_offset(counts: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Returns counts with the product's offset left in."""
    return np.asarray(np.where(counts == 0, 0, counts.astype("int32") + OFFSET), dtype="uint16")
