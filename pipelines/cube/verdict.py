"""The offset of a Sentinel-2 scene held against its pixels, once a scene and before any of them enters a cube.

A few windows are read at full resolution and at the same places in every band: overviews are averages, which lift the
floor that is looked for. The windows lie at fixed fractions of the wanted area and inside one block of the file each,
so that neither chunks nor workers enter, and a tile of 110 km costs about one in a hundred of its pixels.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from catalogs.sensors import load_sensor
from pipelines.cube.raster_file import RasterUnreadable, open_raster
from pipelines.physics.errors import Uncalibrated
from pipelines.physics.pixels import (
    CIRRUS_BAND,
    CLASS_BAND,
    LEAST_PIXELS,
    SHORTWAVE_BANDS,
    VISIBLE_BANDS,
    Finding,
    PixelSample,
    PixelVerdict,
    find_offset,
    offset_of,
    verdict_of,
)
from pipelines.physics.radiometry import RadiometricRule, by_pixels, require_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import rasterio
    from numpy.typing import NDArray

    from catalogs.scenes import Asset, Scene
    from pipelines.grid import TargetGrid

OnContradiction = Literal["quarantine", "pixels", "metadata"]
"""What becomes of a scene whose pixels contradict the rule of its metadata: left out and recorded; read by the pixels'
convention; or read by the metadata's. The verdict is stored in every case."""

SIDE_PLACES: Final = 128
"""Places along either side of a window."""

CENTRES: Final = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
SPARE_CENTRES: Final = ((0.5, 0.08), (0.5, 0.92), (0.08, 0.5), (0.92, 0.5))
"""Fractions of the area along x and y; the spare ones are read where the others hold too few valid pixels."""

LEAST_WINDOWS: Final = 3
"""Windows with pixels that an offset left in must show in, where the area has so many."""


class Contradicted(Exception):  # noqa: N818 an outcome on its way up
    """The pixels contradict the rule, and the configuration says to leave the scene out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCheck:
    """What the pixels say of one scene's rule, and where they were looked at."""

    verdict: PixelVerdict
    finding: Finding
    num_windows: int = 0
    spacing_m: float = 0.0
    """Between two places of a window, in the raster's own unit."""

    within: Literal["scene", "grid"] = "scene"
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why a band could not be read, by band."""

    def to_dict(self) -> dict[str, object]:
        """Returns the check for a JSON record."""
        return {
            "verdict": self.verdict,
            **self.finding.to_dict(),
            "source": {
                "windows": self.num_windows,
                "places_a_side": SIDE_PLACES,
                "spacing_m": self.spacing_m,
                "resolution": "full",
                "within": self.within,
            },
            **({"unreadable": dict(self.failures)} if self.failures else {}),
        }


def check_offset(scene: Scene, rule: RadiometricRule, *, grid: TargetGrid | None = None) -> OffsetCheck:
    """Returns what the pixels of a Sentinel-2 scene say of its rule. Nothing is raised for what cannot be read.

    Args:
        scene: Its assets are opened: up to two visible and two shortwave bands, B10 and the scene classification.
        rule: From `decide_rule`.
        grid: Looked at within it only; None: over the whole scene.
    """
    within: Literal["scene", "grid"] = "scene" if grid is None else "grid"
    failures: dict[str, str] = {}
    try:
        with contextlib.ExitStack() as stack:
            rasters = _open(stack, scene, failures)
            sampler = _Sampler.of(rasters, grid) if rasters else None
            if sampler is None:
                told = "; ".join(f"{band}: {cause}" for band, cause in failures.items())
                because = told or ("no band to look at" if not rasters else "the scene and the area do not meet")
                return _unseen(because, within, failures)
            finding, num_windows = _look(sampler, failures)
    except RasterUnreadable as error:  # some of what was read was not what the file holds
        cause = f"{error.fault}: {error.cause}"
        failures.setdefault(_band_of(scene, error.href), cause)
        return _unseen(cause, within, failures)
    return OffsetCheck(
        verdict=verdict_of(finding.convention, rule.offset_dn),
        finding=finding,
        num_windows=num_windows,
        spacing_m=sampler.spacing,
        within=within,
        failures=failures,
    )


def _unseen(because: str, within: Literal["scene", "grid"], failures: Mapping[str, str]) -> OffsetCheck:
    finding = Finding(convention="no_pixels", because=because)
    return OffsetCheck(verdict="no_pixels", finding=finding, failures=failures, within=within)


def _band_of(scene: Scene, href: str) -> str:
    return next((asset.band for asset in scene.assets if asset.href == href), href)


def settle(scene_id: str, rule: RadiometricRule, check: OffsetCheck, policy: OnContradiction) -> RadiometricRule:
    """Returns the rule that a scene is read by.

    Contradictions within the metadata are settled by the order of the rules alone and pass here; this is about the
    pixels.

    Args:
        scene_id: For the message.
        rule: From `decide_rule`.
        check: From `check_offset`.
        policy: What to do on a contradiction.

    Raises:
        Contradicted: The pixels contradict the rule and the policy is `quarantine`.
    """
    if check.verdict != "contradicts" or policy == "metadata":
        return rule
    if policy == "quarantine":
        raise Contradicted(
            f"metadata and pixels of a scene must agree on its offset, {scene_id} is {rule.offset_dn} by rule "
            f"{rule.name} and {check.finding.convention} by its pixels: {check.finding.because}; correct the item, or "
            "set radiometry.on_contradiction"
        )
    offset_dn = offset_of(check.finding.convention)
    assert offset_dn is not None, "a contradiction is between two conventions"
    return by_pixels(rule, offset_dn)


def _look(sampler: _Sampler, failures: dict[str, str]) -> tuple[Finding, int]:
    """Reads window after window until the pixels decide."""
    parts: list[PixelSample] = []
    finding = Finding(convention="no_pixels", because="no window lies in the scene")
    filled = 0
    windows = tuple(sampler.windows())
    for index, window in enumerate(windows):
        if index >= len(CENTRES) and _num_valid(parts) >= LEAST_PIXELS:
            break
        part = sampler.read(window, failures)
        parts.append(part)
        filled += any(valid.any() for valid in part.valid.values())
        if index == 1 and finding.convention == "left_in" and len(windows) > LEAST_WINDOWS:
            continue  # a third is asked for in any case
        finding = find_offset(_joined(parts))
        if finding.convention == "taken_out" or (finding.convention == "left_in" and filled >= LEAST_WINDOWS):
            break
    return finding, len(parts)


def _num_valid(parts: list[PixelSample]) -> int:
    return max((sum(int(part.valid[band].sum()) for part in parts) for band in parts[0].valid), default=0)


def _joined(parts: list[PixelSample]) -> PixelSample:
    classes = [part.classes for part in parts if part.classes is not None]
    bands = [band for band in parts[0].dn if all(band in part.dn for part in parts)]
    return PixelSample(
        dn={band: np.concatenate([part.dn[band] for part in parts]) for band in bands},
        valid={band: np.concatenate([part.valid[band] for part in parts]) for band in bands},
        classes=np.concatenate(classes) if len(classes) == len(parts) else None,
    )


def _open(
    stack: contextlib.ExitStack, scene: Scene, failures: dict[str, str]
) -> dict[str, tuple[Asset, rasterio.DatasetReader]]:
    """Opens what the test needs; returns the open rasters and names the others."""
    rasters: dict[str, tuple[Asset, rasterio.DatasetReader]] = {}
    held = {asset.band: asset for asset in scene.assets}
    visible = [band for band in VISIBLE_BANDS if band in held][:2]
    for band in (*visible, *SHORTWAVE_BANDS, CIRRUS_BAND, CLASS_BAND):
        if band not in held:
            continue
        try:
            raster = stack.enter_context(open_raster(held[band].href))
        except RasterUnreadable as error:
            failures[band] = f"{error.fault}: {error.cause}"
            if not rasters:
                break  # the rest lies at the same place: one failure tells enough
            continue
        turned = raster.transform.b or raster.transform.d or raster.transform.a <= 0 or raster.transform.e >= 0
        if raster.count != 1 or raster.crs is None or turned:
            failures[band] = "not a north-up raster of one band with a CRS"
            continue
        if np.dtype(raster.dtypes[0]).kind not in "iuf":
            failures[band] = f"not real numbers but {raster.dtypes[0]}"
            continue
        try:
            require_steps(scene, held[band], raster.dtypes[0] if band != CLASS_BAND else "")
        except Uncalibrated as error:
            failures[band] = str(error)
            continue
        rasters[band] = held[band], raster
    if set(rasters) <= {CLASS_BAND}:
        rasters.clear()
    return rasters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sampler:
    rasters: Mapping[str, tuple[Asset, rasterio.DatasetReader]]
    area: tuple[float, float, float, float]
    """West, south, east and north in the rasters' CRS."""

    spacing: float

    @classmethod
    def of(
        cls, rasters: Mapping[str, tuple[Asset, rasterio.DatasetReader]], grid: TargetGrid | None
    ) -> _Sampler | None:
        _, first = next(iter(rasters.values()))
        alike = {band: pair for band, pair in rasters.items() if pair[1].crs == first.crs}
        west, south, east, north = first.bounds
        if grid is not None:
            from rasterio.warp import transform_bounds

            wanted = transform_bounds(f"EPSG:{grid.epsg}", first.crs, *grid.bounds)
            west, south = max(west, wanted[0]), max(south, wanted[1])
            east, north = min(east, wanted[2]), min(north, wanted[3])
        if west >= east or south >= north:
            return None
        spacing = max(abs(raster.transform.a) for _, raster in alike.values())
        return cls(rasters=alike, area=(west, south, east, north), spacing=spacing)

    def windows(self) -> Iterator[tuple[float, float, int, int]]:
        """Yields (west, north, columns, rows) of each window, each once."""
        west, south, east, north = self.area
        cols, rows = (min(SIDE_PLACES, max(1, math.ceil(side / self.spacing))) for side in (east - west, north - south))
        seen = set()
        for along, down in (*CENTRES, *SPARE_CENTRES):
            left = self._corner(west, east, along, cols, axis=1)
            top = self._corner(north, south, down, rows, axis=0)
            if (left, top) not in seen:
                seen.add((left, top))
                yield left, top, cols, rows

    def _corner(self, start: float, stop: float, fraction: float, places: int, *, axis: int) -> float:
        """Where a window begins along x or y: around a fraction of the area, and inside one block of the first file."""
        _, raster = next(iter(self.rasters.values()))
        step, origin = (raster.transform.a, raster.transform.c) if axis else (raster.transform.e, raster.transform.f)
        block = raster.block_shapes[0][axis]
        size = max(1, round(places * self.spacing / abs(step)))
        first, last = (start - origin) / step, (stop - origin) / step
        begin = math.floor(first + fraction * (last - first) - size / 2)
        if size <= block:
            cut = (begin // block + 1) * block
            if begin < cut < begin + size:
                begin = cut - size if cut - begin >= size / 2 else cut
        begin = max(math.floor(first), min(begin, math.ceil(last) - size))
        return float(origin + begin * step)

    def read(self, window: tuple[float, float, int, int], failures: dict[str, str]) -> PixelSample:
        """Returns the sample of one window; a band that fails is left out and named."""
        left, top, num_cols, num_rows = window
        x = left + (np.arange(num_cols) + 0.5) * self.spacing
        y = top - (np.arange(num_rows) + 0.5) * self.spacing
        dn, valid, classes = {}, {}, None
        saturated = load_sensor("sentinel-2-msi").saturated
        for band, (asset, raster) in self.rasters.items():
            if band in failures:
                continue
            try:
                values, inside = _pick(raster, x, y)
            except Exception as error:  # noqa: BLE001 GDAL raises what it likes; recorded, the verdict says so
                failures[band] = str(error)
                continue
            if band == CLASS_BAND:
                classes = np.where(inside, values, 0)
                continue
            nodata = next((fill for fill in (asset.nodata, raster.nodata) if fill is not None), 0)
            bad = ~inside | (values == nodata) | (values == saturated)
            dn[band], valid[band] = values, ~(bad | np.isnan(values) if values.dtype.kind == "f" else bad)
        return PixelSample(dn=dn, valid=valid, classes=classes)


def _pick(
    raster: rasterio.DatasetReader, x: NDArray[np.floating], y: NDArray[np.floating]
) -> tuple[NDArray[np.integer] | NDArray[np.floating], NDArray[np.bool_]]:
    """Returns the pixels under the lattice of x and y, flat, and which of them lie in the raster."""
    from rasterio.windows import Window

    cols = np.floor((x - raster.transform.c) / raster.transform.a).astype(np.int64)
    rows = np.floor((y - raster.transform.f) / raster.transform.e).astype(np.int64)
    inside = ((rows >= 0) & (rows < raster.height))[:, None] & ((cols >= 0) & (cols < raster.width))[None, :]
    cols, rows = np.clip(cols, 0, raster.width - 1), np.clip(rows, 0, raster.height - 1)
    window = Window(cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1)
    pixels = raster.read(1, window=window)[rows - rows[0]][:, cols - cols[0]]
    return pixels.ravel(), inside.ravel()
