"""One Sentinel-1 GRD scene on the grid: calibrated where it was measured, then brought over as power.

Digital numbers are amplitudes, and the mean of amplitudes is not that of power: every pixel is calibrated in the
image's own geometry first. A coarser grid gets the mean power of whole blocks of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rasterio.windows import Window

from pipelines.cube.errors import ReadFailed
from pipelines.cube.gather import RasterWindow, frame_of, gather_bilinear, gather_nearest
from pipelines.cube.raster_file import RasterUnreadable, open_raster
from pipelines.cube.scratch import Scratch
from pipelines.cube.warp_map import WarpMap, warp_map
from pipelines.physics.grd import BORDER_DEPTH_PX, BorderMargins, GrdPower, calibrate, junk_depth
from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipelines.cube.gather import Frame
    from pipelines.cube.grd_geometry import TiePointGeometry
    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import Block, TargetGrid
    from pipelines.physics.grd_tables import LineTable, NoiseTable

    Turn: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]

REASON_PLANE: Final = "reason"
"""Name under which a block's reasons come beside its bands."""

_BORDER_LINES: Final = 2048
"""Lines whose border is looked at together."""

_STRIP_LINES: Final = 32
"""Lines, or blocks of lines, that are calibrated at once."""

_OUTLINE: Final = 9
"""Places along either axis of an image by which its extent is told."""

_OUTSIDE: Final = np.uint16(int(Reason.OUTSIDE_SWATH))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GrdBand:
    """One polarisation with its tables."""

    href: str
    gain: LineTable
    noise: NoiseTable | None
    """None keeps the noise."""

    margins: BorderMargins | None
    """None where the border holds 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GrdScene:
    """The polarisations of one image on the grid; nothing but borders is read before `read`."""

    scene_id: str
    planes: Mapping[str, Plane]
    """By polarisation, for the record of how pixels came to the grid."""

    bands: Mapping[str, GrdBand]
    shape: tuple[int, int]
    """(lines, pixels) of the image."""

    geometry: TiePointGeometry
    grid: TargetGrid
    shrink: int = 1
    """Pixels along either side that are averaged before they come to a coarser grid."""

    @property
    def misses_grid(self) -> bool:
        """Whether no pixel of the grid lies on the image, by the extent of its places."""
        line, pixel = np.meshgrid(*(np.linspace(0.0, size, _OUTLINE) for size in self.shape))
        x = self.geometry.points.at(self.geometry.x, line, pixel)
        y = self.geometry.points.at(self.geometry.y, line, pixel)
        x_min, y_min, x_max, y_max = self.grid.bounds
        return bool(x.max() <= x_min or x.min() >= x_max or y.max() <= y_min or y.min() >= y_max)

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the power of a block by polarisation, and its reasons.

        A pixel has a value where the nearest pixel of the image has one.

        Raises:
            ReadFailed: A raster is missing, truncated or damaged.
        """
        shape = (block.height, block.width)
        found: dict[str, Any] = {band: np.full(shape, np.nan, dtype=np.float32) for band in self.bands}
        reason = np.full(shape, _OUTSIDE, dtype=REASON_DTYPE)
        block_map = self._warp.over(block)
        frame = frame_of(block_map, self._warped_shape)
        if frame is None:
            return {**found, REASON_PLANE: reason}
        reason[...] = 0
        scratch = Scratch()
        for name, band in self.bands.items():
            image = self._calibrated(band, frame)
            power = RasterWindow(pixels=image.power, fill=np.nan)
            why = RasterWindow(pixels=image.reason, fill=int(_OUTSIDE))
            (values,) = gather_bilinear(block_map, frame, [power], scratch)
            (nearest,) = gather_nearest(block_map, frame, [why], scratch)
            found[name] = np.where(nearest == 0, values, np.float32(np.nan))
            reason |= nearest
        return {**found, REASON_PLANE: reason}

    @property
    def _warp(self) -> WarpMap:
        return warp_map(self.geometry, self.grid, self.shrink)

    @property
    def _warped_shape(self) -> tuple[int, int]:
        return -(-self.shape[0] // self.shrink), -(-self.shape[1] // self.shrink)

    def _calibrated(self, band: GrdBand, frame: Frame) -> GrdPower:
        top, left = frame.row * self.shrink, frame.col * self.shrink
        bottom = min(top + frame.shape[0] * self.shrink, self.shape[0])
        right = min(left + frame.shape[1] * self.shrink, self.shape[1])
        dn = read_window(band.href, self.scene_id, rows=(top, bottom), cols=(left, right))
        pixels, step = np.arange(left, right), _STRIP_LINES * self.shrink
        strips = []
        for start in range(0, len(dn), step):  # tables are of 64 bits: a strip of them stays in the cache
            lines = np.arange(top + start, min(top + start + step, bottom))
            image = calibrate(
                dn[start : start + step],
                band.gain.at(lines, pixels),
                noise=None if band.noise is None else band.noise.at(lines, pixels),
                cut=None if band.margins is None else band.margins.cut(lines, pixels),
            )
            strips.append(_shrunk(image, self.shrink))
        return GrdPower(
            power=np.concatenate([strip.power for strip in strips]),
            reason=np.concatenate([strip.reason for strip in strips]),
        )


def read_window(href: str, scene_id: str, *, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.integer]:
    """Returns the digital numbers of rows and columns, ends excluded.

    Raises:
        ReadFailed: The file is missing, truncated or damaged.
    """
    try:
        with open_raster(href) as raster:
            dn: NDArray[np.integer] = raster.read(1, window=Window.from_slices(rows, cols))
    except RasterUnreadable as error:
        raise ReadFailed(scene_id=scene_id, href=error.href, cause=error.cause, fault=error.fault) from error
    return dn


def measure_border(href: str, scene_id: str, shape: tuple[int, int], noise: NoiseTable) -> BorderMargins:
    """Returns what to cut from an image whose border holds low numbers in place of 0.

    Reads 500 pixels along each side.

    Raises:
        ReadFailed: The file is missing, truncated or damaged.
    """
    height, width = shape
    depth = min(BORDER_DEPTH_PX, height, width)

    def depths(rows: tuple[int, int], cols: tuple[int, int], turn: Turn) -> NDArray[np.int64]:
        dn = read_window(href, scene_id, rows=rows, cols=cols)
        return junk_depth(turn(dn), turn(noise.at(np.arange(*rows), np.arange(*cols))))

    strips = [(top, min(top + _BORDER_LINES, height)) for top in range(0, height, _BORDER_LINES)]
    near, far = (0, depth), (width - depth, width)
    return BorderMargins(
        left=np.concatenate([depths(rows, near, lambda part: part) for rows in strips]),
        right=np.concatenate([depths(rows, far, lambda part: part[:, ::-1]) for rows in strips]),
        top=depths((0, depth), (0, width), lambda part: part.T),
        bottom=depths((height - depth, height), (0, width), lambda part: part[::-1].T),
    )


def _shrunk(image: GrdPower, factor: int) -> GrdPower:
    """Returns mean power of whole blocks; a block without any value keeps the reasons of its pixels."""
    if factor == 1:
        return image
    present = image.reason == 0
    rows, cols = np.arange(0, present.shape[0], factor), np.arange(0, present.shape[1], factor)

    def total(values: NDArray[Any]) -> NDArray[Any]:
        summed: NDArray[Any] = np.add.reduceat(np.add.reduceat(values, rows, axis=0), cols, axis=1)
        return summed

    count = total(present.astype(np.int64))
    with np.errstate(invalid="ignore"):  # 0 / 0 where a block holds no value
        mean = total(np.where(present, image.power, 0.0).astype(np.float64)) / count
    why = np.bitwise_or.reduceat(np.bitwise_or.reduceat(image.reason, rows, axis=0), cols, axis=1)
    return GrdPower(power=mean.astype(np.float32), reason=np.where(count == 0, why, 0).astype(REASON_DTYPE))
