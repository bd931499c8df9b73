"""STAC 1.1 items of simulated scenes, laid out as Earth Search lays out Sentinel-2 and Sentinel-1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pystac

from catalogs.sensors import load_sensor
from pipelines.simulate.raster import write_cog
from pipelines.simulate.spectra import BAND_GSD

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs.sensors import Sensor
    from pipelines.grid import TargetGrid
    from pipelines.simulate.acquisition import Acquisition
    from pipelines.simulate.raster import RasterFile

COLLECTIONS: Final = {"s2": "sentinel-2-l2a", "s1": "sentinel-1-grd"}

ASSET_KEYS: Final = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
    "VV": "vv",
    "VH": "vh",
}
"""Earth Search's asset keys."""

EXTENSIONS: Final = {
    "s2": ("projection/v2.0.0", "raster/v2.0.0", "file/v2.1.0", "eo/v2.0.0", "view/v1.0.0", "sat/v1.0.0"),
    "s1": ("projection/v2.0.0", "raster/v2.0.0", "file/v2.1.0", "sar/v1.0.0", "view/v1.0.0", "sat/v1.0.0"),
}
CLASSIFICATION: Final = "classification/v1.1.0"

SCL_CLASSES: Final = (
    "no_data",
    "saturated_or_defective",
    "dark_area",
    "cloud_shadow",
    "vegetation",
    "not_vegetated",
    "water",
    "unclassified",
    "cloud_medium_probability",
    "cloud_high_probability",
    "thin_cirrus",
    "snow_ice",
)

GEOTIFF: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
SCALE: Final = 1e-4
OFFSET: Final = -0.1


def write_item(acquisition: Acquisition, grid: TargetGrid, folder: Path) -> pystac.Item:
    """Writes the rasters of a scene to `folder` and returns its item, not yet saved.

    Args:
        acquisition: The scene.
        grid: The region's 10 m grid; every band starts at its upper left corner.
        folder: The item's own folder; hrefs are relative to it.
    """
    sensor = load_sensor(acquisition.sensor)
    ring = [list(point) for point in grid.footprint_wgs84()]
    longitudes, latitudes = [point[0] for point in ring], [point[1] for point in ring]
    item = pystac.Item(
        id=acquisition.id,
        geometry={"type": "Polygon", "coordinates": [ring]},
        bbox=[min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        datetime=acquisition.time,
        properties=_properties(acquisition, grid, sensor),
        stac_extensions=[_schema(name) for name in _extensions(acquisition)],
    )
    for band, plane in acquisition.bands.items():
        gsd = 20 if band == "SCL" else BAND_GSD.get(band, 10)
        file = write_cog(
            folder / f"{band}.tif",
            plane,
            epsg=grid.epsg,
            corner=(grid.x_min, grid.y_max),
            resolution=float(gsd),
            nodata=float("nan") if acquisition.group == "s1" else 0,
        )
        item.add_asset(ASSET_KEYS[band], _asset(acquisition, sensor, band, file))
    return item


def _schema(name: str) -> str:
    return f"https://stac-extensions.github.io/{name}/schema.json"


def _extensions(acquisition: Acquisition) -> tuple[str, ...]:
    own = EXTENSIONS[acquisition.group]
    return (*own, CLASSIFICATION) if "SCL" in acquisition.bands else own


def _properties(acquisition: Acquisition, grid: TargetGrid, sensor: Sensor) -> dict[str, object]:
    """Returns the properties of an item; what the scene does not know is left out."""
    stated: dict[str, object] = {
        "platform": acquisition.platform,
        "constellation": sensor.constellations[0],
        "instruments": list(sensor.instruments),
        "gsd": 10,
        "title": f"Simulated scene {acquisition.id}",
        "description": "Made by a simulator; no satellite saw it.",
        "proj:code": f"EPSG:{grid.epsg}",
        "sat:orbit_state": acquisition.orbit_direction,
        "sat:relative_orbit": acquisition.relative_orbit,
        "eo:cloud_cover": acquisition.cloud_cover,
        "view:sun_azimuth": acquisition.sun_azimuth_deg,
        "view:sun_elevation": acquisition.sun_elevation_deg,
        "view:azimuth": acquisition.view_azimuth_deg,
        "view:incidence_angle": acquisition.view_incidence_deg,
        "s2:processing_baseline": acquisition.processing_baseline or None,
        "earthsearch:boa_offset_applied": acquisition.offset_applied,
    }
    if acquisition.group == "s1":
        stated |= {
            "sar:instrument_mode": "IW",
            "sar:frequency_band": "C",
            "sar:center_frequency": sensor.center_frequency_ghz,
            "sar:polarizations": [band for band in acquisition.bands],  # noqa: C416 names only
            "sar:product_type": "GRD",
            "sar:observation_direction": "right",
        }
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in stated.items()
        if value is not None
    }


def _asset(acquisition: Acquisition, sensor: Sensor, band: str, file: RasterFile) -> pystac.Asset:
    """Returns the asset of one band with what a reader needs to turn its numbers into values."""
    resolution = file.transform[0]
    fields: dict[str, object] = {
        "gsd": resolution,
        "data_type": file.data_type,
        "nodata": "nan" if acquisition.group == "s1" else 0,
        "proj:shape": list(file.shape),
        "proj:transform": list(file.transform),
        "raster:spatial_resolution": resolution,
        "file:checksum": file.checksum,
        "file:size": file.size,
        "bands": [_band(sensor, band)],
    }
    if band == "SCL":
        fields["classification:classes"] = [
            {"value": value, "name": name, "nodata": value == 0} for value, name in enumerate(SCL_CLASSES)
        ]
    else:
        fields["unit"] = "1"
    if acquisition.group == "s2" and band != "SCL":
        fields |= {"raster:scale": SCALE, "raster:offset": 0 if acquisition.offset_applied else OFFSET}
    role = "reflectance" if acquisition.group == "s2" else "backscatter"
    return pystac.Asset(
        href=f"./{band}.tif",
        media_type=GEOTIFF,
        roles=["data"] if band == "SCL" else ["data", role],
        title=f"{band}, sigma0 as linear power" if acquisition.group == "s1" else band,
        extra_fields=fields,
    )


def _band(sensor: Sensor, band: str) -> dict[str, object]:
    """Returns a band's description, wavelengths in micrometres as the eo extension asks."""
    fact = sensor.band(band)
    described: dict[str, object] = {"name": band}
    if fact.kind != "reflectance" or fact.wavelength_nm is None or fact.fwhm_nm is None:
        return described
    if fact.common_name:
        described["eo:common_name"] = fact.common_name
    return described | {
        "eo:center_wavelength": round(fact.wavelength_nm / 1000, 6),
        "eo:full_width_half_max": round(fact.fwhm_nm / 1000, 6),
    }
