"""What bringing scenes into a cube costs, from what their items say: pixels, bytes, requests, core-seconds.

Arithmetic alone: no file is opened. Rates are those of one core of an ordinary server and are wrong by a factor on any
other machine; who keeps records of past runs corrects them by what those took.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from catalogs import load_sensor
from pipelines.schema import GROUP_SPECS

if TYPE_CHECKING:
    from catalogs.scenes import Asset, Scene
    from catalogs.sensors import Sensor
    from pipelines.cube.acquisition import Acquisition
    from pipelines.grid import TargetGrid
    from pipelines.schema import Group

TILE_PX: Final = 512
"""Side of a raster's inner tile where nothing says otherwise: rio-cogeo's default, and that of Earth Search."""

COMPRESSED: Final[Mapping[int, float]] = {1: 0.77, 2: 0.91, 4: 0.79, 8: 0.79}
"""Compressed over plain size of a raster whose file size is not stated, by bytes a value: medians of the
real cloud-optimised rasters that the tests read."""

COMPLEX_BYTES: Final[Mapping[str, int]] = {"cint16": 4, "cint32": 8, "cfloat32": 8, "cfloat64": 16}
"""Bytes of a value of the types that an item may name and numpy does not know (raster extension of STAC)."""

STORED_FLOATS: Final = 0.84
"""Stored over plain size of a group's float32 values: real Sentinel-1 backscatter, 0.77 to 0.85."""

STORED_INTEGERS: Final = 0.64
"""The same of packed integers: 1.28 of 2 bytes on a whole Sentinel-2 scene; 0.36 to 0.51 on small crops."""

STORED_PLANES_BYTES: Final = 0.1
"""Of `valid` and `reason` a pixel: long runs of the same value, 0.01 to 0.25 measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Seconds of one core: an idle one of an ordinary server, by `benchmarks/cube.py` (docs/benchmarks.md)."""

    decode_s_mpx: Mapping[int, float] = field(default_factory=lambda: {1: 0.003, 2: 0.006, 4: 0.012, 8: 0.024})
    """A million pixels decoded, by bytes a value (deflate with predictor)."""

    warp_s_mpx: float = 0.02
    """A million pixels of the grid interpolated from another lattice."""

    write_s_mpx: Mapping[int, float] = field(default_factory=lambda: {1: 0.0054, 2: 0.0074, 4: 0.0114})
    """A million pixels converted, encoded and written, by bytes a stored value."""

    planes_s_mpx: float = 0.006
    """A million pixels of `valid` and `reason`, merged and written."""

    open_s: float = 0.01
    """A raster opened and its rule decided."""

    date_s: float = 0.12
    """A date committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a set of dates costs."""

    dates: int = 0
    scenes: int = 0
    rasters: int = 0
    requests: int = 0
    """To servers; 0 where all files are local."""

    bytes_read: int = 0
    bytes_remote: int = 0
    """Of those, over the network."""

    pixels_copied: int = 0
    pixels_warped: int = 0
    """Of the grid, summed over bands."""

    core_seconds: float = 0.0
    bytes_stored: int = 0
    """Compressed."""

    def __add__(self, other: Effort) -> Effort:
        """Returns both together."""
        names = self.__slots__
        return Effort(**{name: getattr(self, name) + getattr(other, name) for name in names})


def effort_of_date(date: Acquisition, bands: tuple[str, ...], grid: TargetGrid, rates: Rates) -> Effort:
    """Returns what one date costs.

    Args:
        date: The scenes of the date.
        bands: Bands of its group.
        grid: The cube's.
        rates: Speed of a core.
    """
    spec = GROUP_SPECS[cast("Group", date.group)]
    rasters = [effort_of_raster(scene, asset, grid, rates) for scene in date.scenes for asset in _read(scene, bands)]
    total = sum(rasters, Effort())
    mpx, itemsize = grid.width * grid.height / 1e6, spec.dtype.itemsize
    carried = len({asset.band for scene in date.scenes for asset in _read(scene, bands)} & set(bands))
    values = (STORED_INTEGERS if spec.packed else STORED_FLOATS) * itemsize * carried
    seconds = mpx * (carried * rates.write_s_mpx.get(itemsize, 0.0114) + rates.planes_s_mpx) + rates.date_s
    return total + Effort(
        dates=1,
        scenes=len(date.scenes),
        core_seconds=seconds,
        bytes_stored=round(mpx * 1e6 * (values + STORED_PLANES_BYTES)),
    )


def effort_of_raster(scene: Scene, asset: Asset, grid: TargetGrid, rates: Rates) -> Effort:
    """Returns what reading one raster onto the grid costs; what an item does not say is taken from the sensor's facts.

    Args:
        scene: Whose it is.
        asset: The raster.
        grid: The cube's.
        rates: Speed of a core.
    """
    sensor = load_sensor(scene.sensor)
    itemsize = _itemsize(asset, sensor)
    pixels, total = _raster_pixels(asset, sensor, grid)
    if pixels == 0:
        return Effort(rasters=1, core_seconds=rates.open_s)
    read = _whole_tiles(pixels, total)
    share = min(1.0, read / total) if total else 1.0
    size = asset.size_bytes * share if asset.size_bytes and total else read * itemsize * COMPRESSED.get(itemsize, 0.79)
    remote = "://" in asset.href
    on_grid = grid.width * grid.height
    warped = not _is_aligned(asset, grid)
    seconds = read / 1e6 * rates.decode_s_mpx.get(itemsize, 0.024) + rates.open_s
    if warped:
        seconds += on_grid / 1e6 * rates.warp_s_mpx
    return Effort(
        rasters=1,
        requests=(2 + math.ceil(math.sqrt(read) / TILE_PX)) * remote,
        bytes_read=round(size),
        bytes_remote=round(size) * remote,
        pixels_copied=0 if warped else on_grid,
        pixels_warped=on_grid if warped else 0,
        core_seconds=seconds,
    )


def _read(scene: Scene, bands: tuple[str, ...]) -> list[Asset]:
    """Returns the rasters of a scene that a build opens: the wanted bands and its masks."""
    masks = {band.id for band in load_sensor(scene.sensor).bands if band.kind == "mask"}
    return [asset for asset in scene.assets if asset.band in bands or asset.band in masks]


def _itemsize(asset: Asset, sensor: Sensor) -> int:
    """Returns the bytes of a stored value; those usual of the sensor where the item names no type that is known."""
    stated = asset.data_type or ""
    if stated in COMPLEX_BYTES:
        return COMPLEX_BYTES[stated]
    if stated in np.sctypeDict:
        return np.dtype(stated).itemsize
    return 4 if sensor.polarisations else 2


def _raster_pixels(asset: Asset, sensor: Sensor, grid: TargetGrid) -> tuple[float, float]:
    """Returns how many of a raster's pixels lie on the grid, and how many it has (0 where that is not stated)."""
    side = _pixel_side(asset, sensor, grid)
    whole = float(asset.shape[0] * asset.shape[1]) if asset.shape else 0.0
    width, height = grid.width * grid.resolution, grid.height * grid.resolution
    if asset.transform and asset.shape and asset.epsg == grid.epsg:
        a, _, c, _, e, f = asset.transform
        left, top, right, bottom = c, f, c + a * asset.shape[1], f + e * asset.shape[0]
        x_min, y_min, x_max, y_max = grid.bounds
        width = max(0.0, min(x_max, max(left, right)) - max(x_min, min(left, right)))
        height = max(0.0, min(y_max, max(top, bottom)) - max(y_min, min(top, bottom)))
    pixels = width * height / side**2
    return (min(pixels, whole) if whole else pixels), whole


def _pixel_side(asset: Asset, sensor: Sensor, grid: TargetGrid) -> float:
    if asset.transform and asset.epsg == grid.epsg:
        return math.sqrt(abs(asset.transform[0] * asset.transform[4])) or grid.resolution
    return next((band.gsd_m for band in sensor.bands if band.id == asset.band), grid.resolution)


def _whole_tiles(pixels: float, total: float) -> float:
    """Returns the pixels of the tiles that a square of so many pixels touches."""
    side = math.sqrt(pixels)
    tiles = math.ceil(side / TILE_PX) + (1 if total > pixels else 0)
    touched = float((tiles * TILE_PX) ** 2)
    return min(touched, total) if total else touched


def _is_aligned(asset: Asset, grid: TargetGrid) -> bool:
    """Returns whether a raster is copied, repeated or averaged rather than warped, as far as the item tells."""
    if asset.epsg != grid.epsg:
        return False
    if asset.transform is None:
        return True
    a, b, c, d, e, f = asset.transform
    finer = min(abs(a), grid.resolution)
    sides = max(abs(a), grid.resolution) / finer if finer else math.nan
    steps = ((c - grid.x_min) / finer, (f - grid.y_max) / finer, sides) if finer else (math.nan,)
    return b == d == 0 and e == -a and all(abs(step - round(step)) < 1e-6 for step in steps)  # noqa: PLR2004
