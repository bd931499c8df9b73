"""Sentinel-2 reflectance as the bands of Landsat 8 OLI would see it, by the fits of HLS.

rho_OLI = slope rho_MSI + offset, a line a band and satellite, fitted to 500 spectra of 160 Hyperion scenes (HLS Product
User Guide V2, section 4.5 and table 5; Claverie et al. 2018, doi:10.1016/j.rse.2018.09.002). The residual is below
0.005 (one standard deviation). The lines hold for surface reflectance of land; bands without a twin on OLI (red edge,
broad near infrared, water vapour) stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from pipelines.physics.nbar import TOP_OF_ATMOSPHERE, is_top_of_atmosphere

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.physics.step import StepContext, StepPixels
    from pipelines.schema import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """rho_OLI = slope rho_MSI + offset."""

    slope: float
    offset: float


_BANDS: Final = ("B01", "B02", "B03", "B04", "B8A", "B11", "B12")
"""Order of the rows of table 5: coastal, blue, green, red, NIR narrow, SWIR 1, SWIR 2."""

_ROWS: Final[Mapping[str, tuple[tuple[float, float], ...]]] = {
    "sentinel-2a": (
        (0.9959, -0.0002),
        (0.9778, -0.0040),
        (1.0053, -0.0009),
        (0.9765, 0.0009),
        (0.9983, -0.0001),
        (0.9987, -0.0011),
        (1.0030, -0.0012),
    ),
    "sentinel-2b": (
        (0.9959, -0.0002),
        (0.9778, -0.0040),
        (1.0075, -0.0008),
        (0.9761, 0.0010),
        (0.9966, 0.0),
        (1.0, -0.0003),
        (0.9867, 0.0004),
    ),
    "sentinel-2c": (
        (1.003, 0.0),
        (0.9851, -0.0027),
        (1.0038, -0.0009),
        (0.9718, 0.0011),
        (0.9995, -0.0003),
        (0.9994, -0.0007),
        (0.991, 0.0004),
    ),
}

LINES: Final[Mapping[str, Mapping[str, Line]]] = {
    satellite: {band: Line(slope=slope, offset=offset) for band, (slope, offset) in zip(_BANDS, rows, strict=True)}
    for satellite, rows in _ROWS.items()
}
"""By satellite and band: HLS Product User Guide V2, table 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPass:
    """Adjusts the bands that Landsat 8 OLI has too; a scene whose satellite has no lines stays as it is, on record."""

    target: Literal["landsat-8-oli"] = "landsat-8-oli"
    lines: Literal["HLS Product User Guide V2, table 5"] = "HLS Product User Guide V2, table 5"
    """Whose fits."""

    name: ClassVar[str] = "band_pass"
    groups: ClassVar[tuple[Group, ...]] = ("s2",)
    halo_px: ClassVar[int] = 0
    planes: ClassVar[tuple[str, ...]] = ()

    def obstacle(self, scene: Scene) -> str:
        """Returns why a scene cannot be adjusted, '' where it can."""
        if is_top_of_atmosphere(scene):
            return TOP_OF_ATMOSPHERE
        if satellite_of(scene) in LINES:
            return ""
        return f"no lines are published for platform {scene.platform!r}, only for {', '.join(LINES)}"

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns the pixels in the bands of OLI; NaN stays NaN."""
        lines = LINES[satellite_of(context.scene)]
        slopes = np.ones(len(context.bands), dtype=np.float32)
        offsets = np.zeros(len(context.bands), dtype=np.float32)
        for index, band in enumerate(context.bands):
            if band in lines:
                slopes[index], offsets[index] = lines[band].slope, lines[band].offset
        return replace(pixels, values=pixels.values * slopes[:, None, None] + offsets[:, None, None])


def satellite_of(scene: Scene) -> str:
    """Returns the satellite as the table spells it: `Sentinel-2A` and `SENTINEL 2A` are `sentinel-2a`."""
    return scene.platform.strip().lower().replace(" ", "-").replace("_", "-")
