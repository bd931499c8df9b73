"""Reflectance of pure materials in the Sentinel-2 bands, one table, each row with its source.

The rows are approximate, at the band centres and in steps of 0.005: typical spectra within what the sources show, not
copies of single samples. Sources:

- splib07: Kokaly et al. 2017, USGS Spectral Library Version 7, doi:10.3133/ds1035 (dry grass, soils, man-made).
- PROSAIL: Jacquemoud et al. 2009, Remote Sensing of Environment 113 S56, doi:10.1016/j.rse.2008.01.026 (canopies of
  leaf area index 3 to 5); forest is lowered for the shadow between crowns, see Rautiainen et al. 2018, Remote Sensing
  10 207, doi:10.3390/rs10020207.
- Herold et al. 2004, Remote Sensing of Environment 91 304, doi:10.1016/j.rse.2004.02.013: roofs and roads of a city.
- water: Bukata et al. 1995, Optical Properties and Remote Sensing of Inland and Coastal Waters, clear and turbid
  lakes, with the 0.01 to 0.02 of sky glint that an atmospheric correction leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""Bands of a Level-2A scene, in the order of the table's columns."""

BAND_GSD: Final = {
    "B01": 60,
    "B02": 10,
    "B03": 10,
    "B04": 10,
    "B05": 20,
    "B06": 20,
    "B07": 20,
    "B08": 10,
    "B8A": 20,
    "B09": 60,
    "B11": 20,
    "B12": 20,
}
"""Pixel size of each band in metres (Sentinel-2 Products Specification Document, table of MSI bands)."""

MATERIALS: Final = {
    #                   443   490   560   665   705   740   783   842   865   945   1610  2190 nm
    "leaf":            (.020, .030, .070, .035, .100, .310, .410, .430, .450, .450, .230, .110),  # PROSAIL, closed
    "broadleaf":       (.015, .022, .045, .025, .070, .230, .310, .330, .345, .345, .165, .075),  # PROSAIL, shaded
    "needleleaf":      (.012, .018, .032, .022, .050, .130, .170, .185, .195, .195, .090, .040),  # the same
    "reed":            (.022, .030, .058, .038, .085, .220, .280, .300, .315, .315, .165, .080),  # PROSAIL over water
    "straw":           (.060, .080, .120, .165, .195, .225, .245, .265, .285, .295, .330, .240),  # splib07 dry grass
    "twigs":           (.030, .038, .052, .065, .080, .105, .125, .140, .150, .155, .165, .105),  # splib07, leafless
    "loam":            (.050, .062, .085, .115, .130, .145, .155, .165, .175, .180, .235, .195),  # splib07 soil
    "sand":            (.110, .140, .195, .260, .290, .310, .325, .340, .350, .355, .430, .390),  # splib07 soil, light
    "gravel":          (.120, .140, .165, .190, .200, .210, .215, .225, .230, .230, .260, .240),  # splib07 limestone
    "concrete":        (.150, .180, .220, .250, .260, .265, .270, .275, .280, .280, .300, .270),  # Herold, splib07
    "metal_roof":      (.240, .270, .300, .320, .325, .330, .335, .340, .345, .345, .350, .320),  # Herold
    "tile_roof":       (.055, .070, .095, .165, .190, .210, .225, .240, .250, .255, .310, .275),  # Herold, splib07
    "dark_roof":       (.050, .055, .065, .075, .080, .085, .090, .095, .100, .100, .120, .110),  # Herold
    "asphalt":         (.065, .075, .088, .100, .105, .110, .115, .120, .125, .125, .145, .135),  # Herold
    "clear_water":     (.030, .030, .028, .017, .014, .012, .011, .010, .009, .008, .005, .004),  # water
    "turbid_water":    (.045, .058, .085, .075, .068, .045, .045, .038, .032, .025, .012, .008),  # water
    "mud":             (.045, .055, .070, .085, .092, .098, .103, .107, .110, .108, .085, .055),  # splib07 soil, wet
}  # fmt: skip

MATERIAL_NAMES: Final = tuple(MATERIALS)

CLOUD: Final = (.60, .62, .62, .63, .64, .64, .65, .65, .65, .60, .45, .35)  # fmt: skip
"""Thick water cloud; Zhu and Woodcock 2012, doi:10.1016/j.rse.2011.10.028: bright and white, darker in the SWIR."""

HAZE: Final = (.30, .26, .22, .18, .17, .16, .15, .14, .14, .13, .06, .04)  # fmt: skip
"""Airlight of boundary-layer haze left by an atmospheric correction, falling with wavelength (aerosol, alpha = 1.3)."""

CIRRUS: Final = (.50, .50, .50, .50, .50, .50, .50, .50, .50, .45, .32, .26)  # fmt: skip
"""Thin ice cloud; Gao and Kaufman 1995: grey in the visible, weaker in the SWIR."""


def material_table() -> NDArray[np.float32]:
    """Returns the endmembers as float32 (material, band), reflectance, in the orders of MATERIAL_NAMES and BANDS."""
    return np.array([MATERIALS[name] for name in MATERIAL_NAMES], dtype=np.float32)


def material_index(name: str) -> int:
    """Returns the row of a material in `material_table`."""
    return MATERIAL_NAMES.index(name)
