"""Sentinel-1 GRD scenes with their annotations: how digital numbers become calibrated power on the grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.cube.annotation_file import read_annotation
from pipelines.cube.errors import ReadFailed
from pipelines.cube.grd_annotation import (
    parse_gain,
    parse_noise,
    parse_processor_version,
    parse_product,
    parsed,
)
from pipelines.cube.grd_geometry import geometry_of_annotation, geometry_of_gcps
from pipelines.cube.grd_scene import REASON_PLANE, GrdBand, GrdScene, measure_border
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.load import Plane
from pipelines.cube.plane import wanted_assets
from pipelines.cube.raster_file import RasterUnreadable, open_raster
from pipelines.cube.resampling import RasterHeader, Resampling
from pipelines.physics import Uncalibrated, reasons_without_mask
from pipelines.physics.grd import BorderMargins, leaves_border_junk

if TYPE_CHECKING:
    from catalogs.scenes import Annotation, Asset, Scene
    from pipelines.cube.grd_annotation import NoiseAnnotation, ProductAnnotation
    from pipelines.cube.grd_geometry import TiePointGeometry
    from pipelines.cube.load import Pixels
    from pipelines.grid import TargetGrid
    from pipelines.physics.grd import GrdCalibration

_SPACINGS_M: Final = (1.0, 1000.0)
"""Around the 3.5 to 40 m of S1-RS-MDA-52-7441, averages of several pixels included."""

_SAMPLES: Final = 9
"""Places along either axis of the grid at which the incidence angle is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrdConversion:
    """Power and reasons as the scene read them."""

    bands: tuple[str, ...]
    reader: GrdScene
    calibration: GrdCalibration
    evidence: dict[str, object]
    incidence_deg: float
    """Mean over the part of the grid that the image covers, on the ellipsoid; NaN where it is not known."""

    @property
    def rule_name(self) -> str:
        """Coefficient and what was done about the noise."""
        return f"grd-{self.calibration.coefficient}" + ("" if self.calibration.noise == "remove" else "-noisy")

    @property
    def planes(self) -> Mapping[str, Plane]:
        """The polarisations."""
        return self.reader.planes

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns the layer of a block; nothing masks layover and shadow in an image on the ellipsoid."""
        values = np.full((len(self.bands), *shape), np.nan, dtype=np.float32)
        carried = [index for index, band in enumerate(self.bands) if band in pixels]
        for index in carried:
            values[index] = pixels[self.bands[index]]
        reason = np.asarray(pixels[REASON_PLANE], dtype=np.uint16)
        missing = missing_bits(np.isnan(values[carried]))
        return Layer(values=values, reason=reason | missing | reasons_without_mask(shape))


def prepare_grd(scene: Scene, bands: tuple[str, ...], grid: TargetGrid, calibration: GrdCalibration) -> GrdConversion:
    """Returns how a GRD scene is read: its tables parsed, its border measured where it needs to be.

    Args:
        scene: With calibration annotations.
        bands: Polarisations of the cube.
        grid: The target, in metres.
        calibration: Which coefficient, with or without noise.

    Raises:
        Uncalibrated: A polarisation has no table, or no noise table although noise is to be removed.
        ReadFailed: A raster or an annotation cannot be read.
    """
    assets = wanted_assets(scene, bands)
    product, placed = _product(scene, assets)
    version = _version(scene)
    planes, tables, told = {}, {}, {}
    geometry: TiePointGeometry | None = None
    for asset in assets:
        header, own = _header(scene, asset, grid, product)
        geometry = geometry or own
        spacing = product.range_spacing_m if product is not None else _spacing(own, header.shape)
        shrink = _shrink(scene, asset, grid, spacing)
        planes[asset.band] = Plane(asset=asset, header=header, resampling=_resampling(own, shrink, spacing))
        tables[asset.band], told[asset.band] = _tables(scene, asset, header.shape, calibration, version)
    assert geometry is not None
    shapes = {band: plane.header.shape for band, plane in planes.items()}
    if len(set(shapes.values())) > 1:
        raise Uncalibrated(f"polarisations of a GRD product share their pixels, {scene.id} has {shapes}; mend the item")
    reader = GrdScene(
        scene_id=scene.id,
        planes=planes,
        bands=_with_one_border(tables),
        shape=header.shape,
        geometry=geometry,
        grid=grid,
        shrink=shrink,
    )
    incidence = _incidence(product, geometry, grid)
    evidence: dict[str, object] = {
        "polarisations": told,
        "coefficient": calibration.coefficient,
        "processor_version": version,
        "placed_by": placed,
        "incidence_deg": incidence,
    }
    mean = incidence["mean"] if incidence else float("nan")
    return GrdConversion(bands=bands, reader=reader, calibration=calibration, evidence=evidence, incidence_deg=mean)


def _shrink(scene: Scene, asset: Asset, grid: TargetGrid, spacing_m: float) -> int:
    """Returns how many pixels along a side a pixel of the grid takes.

    Raises:
        ReadFailed: The image's pixels are of no size that the radar has.
    """
    least, most = _SPACINGS_M
    if not least <= spacing_m <= most:
        told = f"pixels of a GRD image are {least:g} to {most:g} m apart, got {spacing_m:g}; the annotation is damaged"
        raise ReadFailed(scene_id=scene.id, href=asset.href, cause=told, band=asset.band)
    return max(1, round(grid.resolution / spacing_m))


def _with_one_border(bands: Mapping[str, GrdBand]) -> dict[str, GrdBand]:
    """Returns the polarisations with the border that all of them have."""
    margins = [band.margins for band in bands.values() if band.margins is not None]
    if not margins:
        return dict(bands)
    shared = BorderMargins.least(margins)
    return {name: dataclasses.replace(band, margins=shared) for name, band in bands.items()}


def _tables(
    scene: Scene, asset: Asset, shape: tuple[int, int], calibration: GrdCalibration, version: str
) -> tuple[GrdBand, dict[str, object]]:
    gain_file = scene.annotation("calibration", asset.band)
    if gain_file is None:
        raise Uncalibrated(f"{scene.id} {asset.band} needs its calibration annotation, the item has none; add it")
    gain = parsed(
        lambda root: parse_gain(root, calibration.coefficient),
        read_annotation(gain_file.href, scene.id),
        href=gain_file.href,
        scene_id=scene.id,
    )
    noise = _noise(scene, asset, calibration)
    junk = leaves_border_junk(version) if version else (noise is not None and not noise.has_azimuth)
    if junk and noise is None:
        raise Uncalibrated(
            f"{scene.id} {asset.band} of IPF {version} has a border of low numbers, which only its noise annotation "
            "tells from calm water; add it to the item"
        )
    margins = measure_border(asset.href, scene.id, shape, noise.table) if junk and noise is not None else None
    removed = calibration.noise == "remove" and noise is not None
    band = GrdBand(
        href=asset.href, gain=gain, noise=noise.table if removed and noise is not None else None, margins=margins
    )
    said: dict[str, object] = {
        "rule": "power = (DN^2 - noise) / A^2" if removed else "power = DN^2 / A^2",
        "calibration_table_gaps": int(sum(np.isnan(part).sum() for part in gain.values)),
        "noise": ("range and azimuth" if noise.has_azimuth else "range") if removed and noise is not None else "kept",
        "border": "cut" if junk else "zeros",
    }
    return band, said


def _noise(scene: Scene, asset: Asset, calibration: GrdCalibration) -> NoiseAnnotation | None:
    file = scene.annotation("noise", asset.band)
    if file is None:
        if calibration.noise == "remove":
            raise Uncalibrated(
                f"{scene.id} {asset.band} needs its noise annotation for noise to be removed, the item has none; add "
                "it, or keep the noise"
            )
        return None
    try:
        return parsed(parse_noise, read_annotation(file.href, scene.id), href=file.href, scene_id=scene.id)
    except ReadFailed as error:
        if "holds only 0" not in error.cause:
            raise
        if calibration.noise == "keep":
            return None
        raise Uncalibrated(f"{scene.id} {asset.band}: {error.cause}, and keep the noise") from error


def _product(scene: Scene, assets: tuple[Asset, ...]) -> tuple[ProductAnnotation | None, str]:
    """Returns the product annotation of the first polarisation that has one, and how the image is placed."""
    for asset in assets:
        file = scene.annotation("product", asset.band)
        if file is not None:
            product = parsed(parse_product, read_annotation(file.href, scene.id), href=file.href, scene_id=scene.id)
            count = product.grid.points.shape
            return product, f"geolocation grid of {count[0]} x {count[1]} points"
    return None, "ground control points of the raster"


def _version(scene: Scene) -> str:
    manifest: Annotation | None = scene.annotation("manifest")
    if manifest is None:
        return ""
    root = read_annotation(manifest.href, scene.id)
    return parsed(parse_processor_version, root, href=manifest.href, scene_id=scene.id)


def _header(
    scene: Scene, asset: Asset, grid: TargetGrid, product: ProductAnnotation | None
) -> tuple[RasterHeader, TiePointGeometry]:
    try:
        with open_raster(asset.href) as raster:
            count, dtype, shape = raster.count, raster.dtypes[0], (raster.height, raster.width)
            gcps, crs = raster.gcps
    except RasterUnreadable as error:
        raise ReadFailed(scene_id=scene.id, href=error.href, cause=error.cause, fault=error.fault) from error
    if count != 1 or not dtype.startswith("uint"):
        raise Uncalibrated(
            f"{scene.id} {asset.band} must hold one band of unsigned digital numbers, got {count} of {dtype}; use GRD"
        )
    if product is not None and product.shape != shape:
        raise ReadFailed(
            scene_id=scene.id,
            href=asset.href,
            cause=f"it has {shape} pixels, its product annotation says {product.shape}",
        )
    try:
        geometry = (
            geometry_of_annotation(product.grid, grid.epsg)
            if product is not None
            else geometry_of_gcps(gcps, crs.to_string() if crs else "EPSG:4326", grid.epsg)
        )
    except ValueError as error:
        raise ReadFailed(scene_id=scene.id, href=asset.href, cause=str(error)) from error
    header = RasterHeader(
        epsg=None, crs="image geometry", transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), shape=shape, dtype=dtype, nodata=0.0
    )
    return header, geometry


def _resampling(geometry: TiePointGeometry, shrink: int, spacing_m: float) -> Resampling:
    lines, pixels = geometry.points.shape
    averaged = f"averaged over {shrink} x {shrink} pixels of {spacing_m:g} m, " if shrink > 1 else ""
    note = f"{averaged}placed by {lines} x {pixels} tie points without terrain correction, bilinear"
    return Resampling(method="bilinear", note=note)


def _spacing(geometry: TiePointGeometry, shape: tuple[int, int]) -> float:
    """Metres of a pixel in the middle of an image."""
    middle = np.array([shape[0] / 2, shape[0] / 2]), np.array([shape[1] / 2, shape[1] / 2 + 1])
    x, y = (geometry.points.at(axis, *middle) for axis in (geometry.x, geometry.y))
    return float(np.hypot(x[1] - x[0], y[1] - y[0]))


def _incidence(
    product: ProductAnnotation | None, geometry: TiePointGeometry, grid: TargetGrid
) -> dict[str, float] | None:
    """Returns least, mean and largest angle over the grid; None where no annotation tells it."""
    if product is None:
        return None
    x, y = (np.linspace(axis[0], axis[-1], _SAMPLES) for axis in (grid.x, grid.y))
    pixels, lines = geometry.pixel_of(*np.meshgrid(x, y))
    height, width = product.shape
    on_image = (lines >= 0) & (lines <= height) & (pixels >= 0) & (pixels <= width)
    if not on_image.any():
        return None
    angles = product.grid.points.at(product.grid.incidence_deg, lines[on_image] - 0.5, pixels[on_image] - 0.5)
    return {
        name: round(float(value), 4)
        for name, value in (("min", angles.min()), ("mean", angles.mean()), ("max", angles.max()))
    }
