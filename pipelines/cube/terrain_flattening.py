"""Gamma nought on the terrain, from a Sentinel-1 SAFE folder and an elevation model.

    gamma0_T = beta0 x A_reference / A_gamma(terrain)

Small 2011, doi:10.1109/TGRS.2011.2120616: brightness in slant range over the area that the terrain shows to the radar,
gathered facet by facet of the elevation model. sarsen (an optional dependency) does the geometry and the areas; the
brightness is our own, with the noise taken out and the tables' holes left out, which sarsen's is not.

Heights must be ellipsoidal. Most elevation models give them above the geoid, which lies up to 85 m above and 107 m
below the ellipsoid: left uncorrected, an image of 35 degrees incidence is moved by 1.4 times that. So the caller says
how high the geoid lies, 0 where the heights are ellipsoidal already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.cube.annotation_file import read_annotation
from pipelines.cube.errors import CubeError
from pipelines.cube.grd_annotation import parse_gain, parse_noise, parsed
from pipelines.physics.grd import calibrate

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from pipelines.physics.grd_tables import LineTable, NoiseTable

LEAST_AREA: Final = 0.05
"""Share of the area of flat ground below which a cell is in shadow: nothing of the terrain is seen there."""

_FACET_M: Final = 3.0
"""Side of a facet. Of facets of 10 m some cells of 30 m get too many and others too few: 7 % of ripple on flat ground,
0.8 % with facets of 2.5 m (5th to 95th percentile)."""

_CELLS: Final = (3.0, 3.0)
"""Pixels of the image, along azimuth and range, over which areas are gathered."""

_CHUNK: Final = 1024

_GEOID_M: Final = (-110.0, 90.0)
"""Heights of the geoid above the ellipsoid anywhere on Earth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerrainFlattening:
    """What is flattened with what."""

    safe: Path
    """Folder of a GRD product, as it is delivered; trusted: its files are read without the checks of an item's."""

    polarisation: str
    """`VV`, `VH`, `HH` or `HV`."""

    elevation: Path
    """GeoTIFF of heights in metres, in a CRS in metres; the result lies on its pixels."""

    geoid_m: float
    """Height of the geoid above the WGS 84 ellipsoid over the area (Belgium: 44), which is added to the heights; 0
    where they are ellipsoidal."""

    def __post_init__(self) -> None:
        if not _GEOID_M[0] <= self.geoid_m <= _GEOID_M[1]:
            raise ValueError(
                f"the geoid lies {_GEOID_M[0]:g} to {_GEOID_M[1]:g} m above the ellipsoid, got {self.geoid_m}; give "
                "metres, 0 for ellipsoidal heights"
            )
        if self.polarisation not in ("VV", "VH", "HH", "HV"):
            raise ValueError(f"a polarisation is VV, VH, HH or HV, got {self.polarisation!r}; use one of them")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlattenedPower:
    """Gamma nought on the pixels of the elevation model."""

    power: NDArray[np.float32]
    """(y, x) linear gamma nought; NaN off the image, in shadow and where the product or the model has no value."""

    shadow: NDArray[np.bool_]
    """(y, x): True where the terrain shows less than 5 % of the area of flat ground. Layover is not told apart."""

    crs: str
    transform: tuple[float, float, float, float, float, float]


def flatten_terrain(request: TerrainFlattening) -> FlattenedPower:
    """Returns terrain-flattened gamma nought of one polarisation.

    Needs about 6 kB of memory and 0.1 ms a pixel of a 10 m elevation model: give it the area that is wanted, not the
    whole scene.

    Raises:
        CubeError: sarsen is not installed, or the elevation model has no CRS in metres.
        ReadFailed: An annotation of the product is damaged.
    """
    import dask

    try:
        from sarsen import apps, scene
    except ImportError as error:
        raise CubeError(
            "terrain flattening needs sarsen, it is not installed; install ringmoe-datacube[sar]"
        ) from error
    elevation = scene.open_dem_raster(str(request.elevation), chunks=None)
    crs, transform = elevation.rio.crs, _north_up(elevation)
    if crs is None or not crs.is_projected or crs.linear_units_factor[1] != 1.0:
        raise CubeError(f"an elevation model has a CRS in metres, got {crs}; warp {request.elevation} to UTM")
    factor = max(1, math.ceil(abs(float(elevation.x[1] - elevation.x[0])) / _FACET_M))
    facets = scene.upsample(elevation + request.geoid_m, x=factor, y=factor)
    facets.rio.write_crs(crs, inplace=True)
    product = _denoised_product(request)
    power, area = apps.do_terrain_correction(
        product,
        facets.chunk({name: _even_chunk(facets.sizes[name]) for name in ("y", "x")}),
        correct_radiometry="gamma_bilinear",
        interp_method="linear",
        grouping_area_factor=_CELLS,
    )
    flat = 1.0 / math.tan(math.radians(float(product.measurement.attrs["incidence_angle_mid_swath"])))
    with dask.config.set(scheduler="synchronous"), np.errstate(divide="ignore"):  # power over no area, in shadow
        assert area is not None  # always given with a radiometric correction
        dark = area.to_numpy() < LEAST_AREA * flat
        lit = np.where(dark, np.nan, power.to_numpy())
    # sarsen turns a model whose first row is the northernmost upside down
    north_up = slice(None, None, -1) if float(power.y[0]) < float(power.y[-1]) else slice(None)
    return FlattenedPower(
        power=_averaged(lit, factor)[north_up].astype(np.float32),
        shadow=(_averaged(dark.astype(np.float64), factor) > 0.5)[north_up],  # noqa: PLR2004 most of its facets
        crs=crs.to_wkt(),
        transform=transform,
    )


def write_flattened(flattened: FlattenedPower, path: Path) -> None:
    """Writes the power as a tiled GeoTIFF, float32, NaN where there is none, unit 1."""
    import rasterio
    from affine import Affine

    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": 1,
        "height": flattened.power.shape[0],
        "width": flattened.power.shape[1],
        "crs": flattened.crs,
        "transform": Affine(*flattened.transform),
        "nodata": math.nan,
        "tiled": True,
        "compress": "deflate",
        "predictor": 3,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(flattened.power, 1)
        file.set_band_unit(1, "1")
        file.set_band_description(1, "gamma nought, terrain flattened")


def _denoised_product(request: TerrainFlattening) -> Any:
    import sarsen

    gain, noise = _tables(request)

    class DenoisedProduct(sarsen.Sentinel1SarProduct):
        """A product whose brightness is free of noise."""

        def beta_nought(  # type: ignore[override]  # sarsen keeps each answer for ever, a plain method does not
            self,
            persist: bool = False,
        ) -> xr.DataArray:
            del persist
            measured = self.measurement.data_vars["measurement"]
            power = measured.copy(data=_brightness(measured.data, gain, noise))
            return power.drop_vars(["pixel", "line"])

        __hash__ = sarsen.Sentinel1SarProduct.__hash__

    return DenoisedProduct(str(request.safe), f"IW/{request.polarisation}")


def _brightness(measured: Any, gain: LineTable, noise: NoiseTable) -> Any:
    import dask.array as da

    def block(dn: NDArray[np.floating], block_info: Any = None) -> NDArray[np.float32]:
        (top, bottom), (left, right) = block_info[0]["array-location"]
        lines, pixels = np.arange(top, bottom), np.arange(left, right)
        whole = np.nan_to_num(dn, nan=0.0).astype(np.uint16)
        return calibrate(whole, gain.at(lines, pixels), noise=noise.at(lines, pixels)).power

    return da.map_blocks(block, measured, dtype=np.float32)  # type: ignore[no-untyped-call]


def _tables(request: TerrainFlattening) -> tuple[LineTable, NoiseTable]:
    folder = request.safe / "annotation" / "calibration"
    name = f"-{request.polarisation.lower()}-"
    found = {
        kind: sorted(path for path in folder.glob(f"{kind}-*.xml") if name in path.name)
        for kind in ("calibration", "noise")
    }
    for kind, paths in found.items():
        if len(paths) != 1:
            raise CubeError(
                f"a GRD product has one {kind} annotation a polarisation, {folder} has {len(paths)} for "
                f"{request.polarisation}; give the folder of a GRD product"
            )
    href = {kind: str(paths[0]) for kind, paths in found.items()}
    roots = {kind: read_annotation(path, request.safe.name) for kind, path in href.items()}
    gain = parsed(
        lambda root: parse_gain(root, "beta0"),
        roots["calibration"],
        href=href["calibration"],
        scene_id=request.safe.name,
    )
    noise = parsed(parse_noise, roots["noise"], href=href["noise"], scene_id=request.safe.name)
    return gain, noise.table


def _even_chunk(size: int) -> int:
    """Returns about 1024 pixels, so that no chunk is a remainder smaller than the overlap of 128."""
    return math.ceil(size / max(1, size // _CHUNK))


def _averaged(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Returns the mean over blocks of facets, of those that have a value; NaN where fewer than half have."""
    height, width = values.shape[0] // factor, values.shape[1] // factor
    blocks = values.reshape(height, factor, width, factor)
    count = (~np.isnan(blocks)).sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(blocks, axis=(1, 3)) / count
    return np.where(2 * count >= factor * factor, mean, np.nan)


def _north_up(elevation: xr.DataArray) -> tuple[float, float, float, float, float, float]:
    """Returns the affine coefficients of a model with its northernmost row first."""
    x, y = elevation.x.to_numpy(), np.sort(elevation.y.to_numpy())
    width, height = float(x[1] - x[0]), float(y[1] - y[0])
    return width, 0.0, float(x[0]) - width / 2, 0.0, -height, float(y[-1]) + height / 2
