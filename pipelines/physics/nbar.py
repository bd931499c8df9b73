"""Reflectance as seen from the nadir (NBAR), by the c-factor of Roy et al. 2016.

rho_N(lambda) = c(lambda) rho(lambda), with

    c = (f_iso + f_vol K_vol(sun, 0, 0) + f_geo K_geo(sun, 0, 0))
        / (f_iso + f_vol K_vol(sun, view, phi) + f_geo K_geo(sun, view, phi))

K_vol is the RossThick and K_geo the reciprocal LiSparse kernel with h/b = 2 and b/r = 1 (Lucht, Schaaf and Strahler
2000, doi:10.1109/36.841980, equations 38 to 44; Strahler et al. 1999, MODIS BRDF/Albedo ATBD 5.0). The weights f are
global means of MODIS for every surface: Roy et al. 2016, doi:10.1016/j.rse.2016.01.023, table 5, and for the red edge
Roy et al. 2017, doi:10.1016/j.rse.2017.06.019, in the form of the HLS Product User Guide V2, table 4.

The sun stays where it was: what is taken out is the view, a few per cent of reflectance between two neighbouring
orbits. HLS V2 moves the sun zenith too, to the mean of the Landsat and Sentinel-2 overpasses of the day, by a degree or
less. One set of angles stands for the scene, the means that its item states: over a Sentinel-2 tile of 110 km the view
zenith runs about 4 degrees to either side of its mean, which leaves up to a third of the effect at the tile's edges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from catalogs.scenes import Scene
    from pipelines.physics.step import StepContext, StepPixels
    from pipelines.schema import Group

CROWN_HEIGHT: Final = 2.0
"""h/b of the LiSparse kernel: height of the crown centre over the crown's vertical radius. b/r is 1: spheres."""

LARGEST_SUN_ZENITH_DEG: Final = 75.0
"""A chosen limit: the kernels hold to about 80 degrees (Lucht et al. 2000), the weights come from higher suns."""

LARGEST_VIEW_ZENITH_DEG: Final = 45.0


LEVEL_1: Final = re.compile(r"(?:L|MSI|LEVEL)1C|(?<![A-Z0-9])(?:L1(?:TP|GT|GS)?|1C)(?![A-Z0-9])")
"""In names of products and collections. `L1` is a word of its own: a collection `model1` holds no level 1."""

TOP_OF_ATMOSPHERE: Final = "it holds reflectance at the top of the atmosphere, the fits are of the surface"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelWeights:
    """Weights of the kernels of one band."""

    iso: float
    vol: float
    geo: float


_BLUE: Final = KernelWeights(iso=0.0774, vol=0.0372, geo=0.0079)
_GREEN: Final = KernelWeights(iso=0.1306, vol=0.0580, geo=0.0178)
_RED: Final = KernelWeights(iso=0.1690, vol=0.0574, geo=0.0227)
_NIR: Final = KernelWeights(iso=0.3093, vol=0.1535, geo=0.0330)
_SWIR1: Final = KernelWeights(iso=0.3430, vol=0.1154, geo=0.0453)
_SWIR2: Final = KernelWeights(iso=0.2658, vol=0.0639, geo=0.0387)

WEIGHTS: Final[Mapping[str, Mapping[str, KernelWeights]]] = {
    "s2": {
        "B01": _BLUE,
        "B02": _BLUE,
        "B03": _GREEN,
        "B04": _RED,
        "B05": KernelWeights(iso=0.2085, vol=0.0845, geo=0.0256),
        "B06": KernelWeights(iso=0.2316, vol=0.1003, geo=0.0273),
        "B07": KernelWeights(iso=0.2599, vol=0.1197, geo=0.0294),
        "B08": _NIR,
        "B8A": _NIR,
        "B11": _SWIR1,
        "B12": _SWIR2,
    },
    "l8": {
        "SR_B1": _BLUE,
        "SR_B2": _BLUE,
        "SR_B3": _GREEN,
        "SR_B4": _RED,
        "SR_B5": _NIR,
        "SR_B6": _SWIR1,
        "SR_B7": _SWIR2,
    },
}
"""By group and band: Roy et al. 2016 and 2017 as the HLS Product User Guide V2, table 4, assigns them (the coastal band
takes the blue weights). Bands that are not listed have none and stay as they are: water vapour, cirrus, thermal."""


def ross_thick(
    sun_zenith_deg: ArrayLike, view_zenith_deg: ArrayLike, relative_azimuth_deg: ArrayLike
) -> NDArray[np.float64]:
    """Returns the RossThick kernel K_vol (Lucht et al. 2000, equation 38), 0 for sun and view at the zenith.

    K_vol = ((pi/2 - xi) cos xi + sin xi) / (cos theta_s + cos theta_v) - pi/4, xi the phase angle.

    Args:
        sun_zenith_deg: 0 to below 90.
        view_zenith_deg: 0 to below 90.
        relative_azimuth_deg: Azimuth of the sun less that of the satellite, both seen from the ground; 0 is
            backscatter, where either stands in the same direction.
    """
    sun, view, phi = (
        np.deg2rad(np.asarray(angle, dtype=np.float64))
        for angle in (sun_zenith_deg, view_zenith_deg, relative_azimuth_deg)
    )
    cos_xi = _cos_phase(sun, view, phi)
    xi = np.arccos(cos_xi)
    kernel = ((np.pi / 2 - xi) * cos_xi + np.sin(xi)) / (np.cos(sun) + np.cos(view)) - np.pi / 4
    return np.asarray(kernel, dtype=np.float64)


def li_sparse(
    sun_zenith_deg: ArrayLike, view_zenith_deg: ArrayLike, relative_azimuth_deg: ArrayLike
) -> NDArray[np.float64]:
    """Returns the reciprocal LiSparse kernel K_geo (Lucht et al. 2000, equations 39 to 44), 0 for both at the zenith.

    K_geo = O - sec theta_s - sec theta_v + (1 + cos xi) sec theta_s sec theta_v / 2, with the overlap of the shadows
    O = (t - sin t cos t)(sec theta_s + sec theta_v) / pi. b/r is 1, so that the primed angles are the angles.

    Args:
        sun_zenith_deg: 0 to below 90.
        view_zenith_deg: 0 to below 90.
        relative_azimuth_deg: As for `ross_thick`.
    """
    sun, view, phi = (
        np.deg2rad(np.asarray(angle, dtype=np.float64))
        for angle in (sun_zenith_deg, view_zenith_deg, relative_azimuth_deg)
    )
    tan_sun, tan_view = np.tan(sun), np.tan(view)
    secants = 1 / np.cos(sun) + 1 / np.cos(view)
    # rounding may put the square below 0 where sun and view coincide
    distance_2 = np.maximum(tan_sun**2 + tan_view**2 - 2 * tan_sun * tan_view * np.cos(phi), 0.0)
    cos_t = CROWN_HEIGHT * np.sqrt(distance_2 + (tan_sun * tan_view * np.sin(phi)) ** 2) / secants
    t = np.arccos(np.minimum(cos_t, 1.0))
    overlap = (t - np.sin(t) * np.cos(t)) * secants / np.pi
    kernel = overlap - secants + (1 + _cos_phase(sun, view, phi)) / (2 * np.cos(sun) * np.cos(view))
    return np.asarray(kernel, dtype=np.float64)


def c_factor(
    weights: KernelWeights, *, sun_zenith_deg: float, view_zenith_deg: float, relative_azimuth_deg: float
) -> float:
    """Returns c, by which reflectance is multiplied: 1 at the nadir, within a few per cent of it for Sentinel-2.

    Args:
        weights: Of the band.
        sun_zenith_deg: 0 to 75.
        view_zenith_deg: 0 to 45.
        relative_azimuth_deg: As for `ross_thick`.

    Raises:
        ValueError: An angle outside its range.
    """
    if not 0 <= sun_zenith_deg <= LARGEST_SUN_ZENITH_DEG or not 0 <= view_zenith_deg <= LARGEST_VIEW_ZENITH_DEG:
        raise ValueError(
            f"the sun stands within {LARGEST_SUN_ZENITH_DEG} and the view within {LARGEST_VIEW_ZENITH_DEG} degrees of "
            f"the zenith, got {sun_zenith_deg} and {view_zenith_deg}; leave the scene as it is"
        )
    nadir = _brdf(weights, sun_zenith_deg, 0.0, 0.0)
    seen = _brdf(weights, sun_zenith_deg, view_zenith_deg, relative_azimuth_deg)
    return nadir / seen


@dataclass(frozen=True, slots=True, kw_only=True)
class NadirView:
    """Multiplies every band that has kernel weights by its c-factor, from the mean angles of the scene.

    A scene whose item lacks an angle stays as it is, and its record says so.
    """

    sun: Literal["kept"] = "kept"
    """Sun zenith of the result: that of the scene."""

    weights: Literal["Roy et al. 2016, 2017"] = "Roy et al. 2016, 2017"
    """Whose kernel weights."""

    name: ClassVar[str] = "nbar"
    groups: ClassVar[tuple[Group, ...]] = ("s2", "l8")
    halo_px: ClassVar[int] = 0
    planes: ClassVar[tuple[str, ...]] = ()

    def obstacle(self, scene: Scene) -> str:
        """Returns why a scene cannot be seen from the nadir, '' where it can."""
        if is_top_of_atmosphere(scene):
            return TOP_OF_ATMOSPHERE
        stated = {
            "sun elevation": scene.sun_elevation_deg,
            "sun azimuth": scene.sun_azimuth_deg,
            "view incidence": scene.view_incidence_deg,
            "view azimuth": scene.view_azimuth_deg,
        }
        missing = [name for name, angle in stated.items() if angle is None]
        if missing:
            return f"the item does not state {', '.join(missing)}"
        assert scene.sun_elevation_deg is not None
        assert scene.view_incidence_deg is not None
        sun_zenith_deg = 90.0 - scene.sun_elevation_deg
        if not 0 <= sun_zenith_deg <= LARGEST_SUN_ZENITH_DEG:
            return f"sun zenith {sun_zenith_deg:.1f} is beyond 0 to {LARGEST_SUN_ZENITH_DEG:.0f} degrees"
        if not 0 <= scene.view_incidence_deg <= LARGEST_VIEW_ZENITH_DEG:
            return f"view incidence {scene.view_incidence_deg:.1f} is beyond 0 to {LARGEST_VIEW_ZENITH_DEG:.0f} degrees"
        return ""

    def factors(self, scene: Scene, group: str, bands: tuple[str, ...]) -> NDArray[np.float32]:
        """Returns the c-factor of each band, 1 for those without weights. The scene has no obstacle."""
        assert scene.sun_elevation_deg is not None
        assert scene.sun_azimuth_deg is not None
        assert scene.view_incidence_deg is not None
        assert scene.view_azimuth_deg is not None
        known = WEIGHTS[group]
        factors = np.ones(len(bands), dtype=np.float32)
        for index, band in enumerate(bands):
            if band in known:
                factors[index] = c_factor(
                    known[band],
                    sun_zenith_deg=90.0 - scene.sun_elevation_deg,
                    view_zenith_deg=scene.view_incidence_deg,
                    relative_azimuth_deg=scene.sun_azimuth_deg - scene.view_azimuth_deg,
                )
        return factors

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns the pixels seen from the nadir; NaN stays NaN, negative reflectance stays negative."""
        factors = self.factors(context.scene, context.group, context.bands)
        return replace(pixels, values=pixels.values * factors[:, None, None])


def is_top_of_atmosphere(scene: Scene) -> bool:
    """Returns whether a scene holds reflectance above the air (level 1), as far as its item says."""
    return bool(LEVEL_1.search(scene.product_type.upper()) or LEVEL_1.search(scene.collection.upper()))


def _brdf(weights: KernelWeights, sun: float, view: float, phi: float) -> float:
    volume, geometry = float(ross_thick(sun, view, phi)), float(li_sparse(sun, view, phi))
    return weights.iso + weights.vol * volume + weights.geo * geometry


def _cos_phase(sun: NDArray[np.float64], view: NDArray[np.float64], phi: NDArray[np.float64]) -> NDArray[np.float64]:
    cos_xi = np.cos(sun) * np.cos(view) + np.sin(sun) * np.sin(view) * np.cos(phi)
    return np.asarray(np.clip(cos_xi, -1.0, 1.0), dtype=np.float64)
