"""What the annotations of a Sentinel-1 product say, as typed values.

Sentinel-1 Product Specification, S1-RS-MDA-52-7441: product, calibration and noise annotation data sets, of all
versions of the processor. Before IPF 2.90 noise was one list of vectors (`noiseVector`, `noiseLut`); since then it is a
list along range (`noiseRangeVector`) and boxes along azimuth (`noiseAzimuthVector`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.physics.grd import version_numbers
from pipelines.physics.grd_tables import AzimuthNoise, LineTable, NoiseTable, without_zeros
from pipelines.physics.tie_points import TiePoints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    from pipelines.physics.grd import Coefficient

    Value = TypeVar("Value")

GAIN_NAME: Final[Mapping[Coefficient, str]] = {"sigma0": "sigmaNought", "beta0": "betaNought", "gamma0": "gamma"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GeolocationGrid:
    """Places and angles at the tie points of an image."""

    points: TiePoints
    """In image coordinates, pixel centres at whole numbers."""

    longitude_deg: NDArray[np.float64]
    """(lines, pixels) of the grid, as all below; WGS 84."""

    latitude_deg: NDArray[np.float64]
    height_m: NDArray[np.float64]
    """Above the ellipsoid."""

    incidence_deg: NDArray[np.float64]
    """Between the line of sight and the ellipsoid's normal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductAnnotation:
    """The image as its product annotation describes it."""

    shape: tuple[int, int]
    """(lines, pixels)."""

    range_spacing_m: float
    azimuth_spacing_m: float
    grid: GeolocationGrid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseAnnotation:
    """Noise of one polarisation."""

    table: NoiseTable
    has_azimuth: bool
    """Whether the annotation is of IPF 2.90 or later."""


def parse_gain(root: Element, coefficient: Coefficient) -> LineTable:
    """Returns the table A of a coefficient from a calibration annotation, NaN where it holds 0.

    Raises:
        ValueError: It is no such annotation, or damaged.
    """
    _require(root, "calibration")
    vectors = root.findall("calibrationVectorList/calibrationVector")
    return _line_table(vectors, GAIN_NAME[coefficient])


def parse_noise(root: Element) -> NoiseAnnotation:
    """Returns the noise of a noise annotation, of either version.

    Raises:
        ValueError: It is no such annotation, damaged, or all its values are 0: it then says nothing of the noise.
    """
    _require(root, "noise")
    old = root.findall("noiseVectorList/noiseVector")
    if old:
        return NoiseAnnotation(table=NoiseTable(range_=_line_table(old, "noiseLut")), has_azimuth=False)
    range_ = _line_table(root.findall("noiseRangeVectorList/noiseRangeVector"), "noiseRangeLut")
    boxes = tuple(_azimuth_noise(box) for box in root.findall("noiseAzimuthVectorList/noiseAzimuthVector"))
    return NoiseAnnotation(table=NoiseTable(range_=range_, azimuth=boxes), has_azimuth=True)


def parse_product(root: Element) -> ProductAnnotation:
    """Returns image size, spacing and geolocation grid from a product annotation.

    Raises:
        ValueError: It is no such annotation, or damaged.
    """
    _require(root, "product")
    image = _child(root, "imageAnnotation/imageInformation")
    return ProductAnnotation(
        shape=(_whole(image, "numberOfLines"), _whole(image, "numberOfSamples")),
        range_spacing_m=_number(image, "rangePixelSpacing"),
        azimuth_spacing_m=_number(image, "azimuthPixelSpacing"),
        grid=_geolocation(root.findall("geolocationGrid/geolocationGridPointList/geolocationGridPoint")),
    )


def parse_processor_version(root: Element) -> str:
    """Returns the version of the IPF that a manifest names, '' where it names none.

    Raises:
        ValueError: It is no manifest, or what it names is no version.
    """
    _require(root, "XFDU")
    named = (software for software in root.iter("software") if software.get("name") == "Sentinel-1 IPF")
    version = next((software.get("version", "") for software in named), "")
    if version:
        version_numbers(version)
    return version


def parsed(parse: Callable[[Element], Value], root: Element, *, href: str, scene_id: str) -> Value:
    """Returns what a parser makes of an annotation.

    Raises:
        ReadFailed: The annotation is not what it should be.
    """
    try:
        return parse(root)
    except (ValueError, OverflowError) as error:  # numbers beyond 64 bits overflow
        raise ReadFailed(scene_id=scene_id, href=href, cause=str(error)) from error


def _line_table(vectors: list[Element], name: str) -> LineTable:
    values = [_floats(vector, name) for vector in vectors]
    if values and not any(part.any() for part in values):
        raise ValueError(f"{name} holds only 0, which says that there is no table; leave the correction out")
    return LineTable(
        lines=np.array([_whole(vector, "line") for vector in vectors], dtype=np.int64),
        pixels=tuple(_ints(vector, "pixel") for vector in vectors),
        values=tuple(without_zeros(part) for part in values),
    )


def _azimuth_noise(box: Element) -> AzimuthNoise:
    return AzimuthNoise(
        first_line=_whole(box, "firstAzimuthLine"),
        last_line=_whole(box, "lastAzimuthLine"),
        first_pixel=_whole(box, "firstRangeSample"),
        last_pixel=_whole(box, "lastRangeSample"),
        lines=_ints(box, "line"),
        values=without_zeros(_floats(box, "noiseAzimuthLut")),
    )


def _geolocation(points: list[Element]) -> GeolocationGrid:
    lines = np.array([_number(point, "line") for point in points])
    pixels = np.array([_number(point, "pixel") for point in points])
    rows, row = np.unique(lines, return_inverse=True)
    columns, column = np.unique(pixels, return_inverse=True)
    if not points or rows.size * columns.size != len(points):
        raise ValueError(
            f"tie points form a full grid of lines and pixels, got {len(points)} at {rows.size} lines and "
            f"{columns.size} pixels; the annotation is damaged"
        )

    def plane(name: str) -> NDArray[np.float64]:
        values = np.full((rows.size, columns.size), np.nan)
        values[row, column] = [_number(point, name) for point in points]
        if np.isnan(values).any():
            raise ValueError("tie points form a full grid, some stand twice; the annotation is damaged")
        return values

    return GeolocationGrid(
        points=TiePoints(lines=rows, pixels=columns),
        longitude_deg=plane("longitude"),
        latitude_deg=plane("latitude"),
        height_m=plane("height"),
        incidence_deg=plane("incidenceAngle"),
    )


def _require(root: Element, tag: str) -> None:
    if root.tag != tag:
        raise ValueError(f"the root element must be <{tag}>, got <{root.tag}>; the item points at another file")


def _child(parent: Element, path: str) -> Element:
    child = parent.find(path)
    if child is None:
        raise ValueError(f"<{parent.tag}> must hold <{path}>, it does not; the annotation is damaged")
    return child


def _text(parent: Element, name: str) -> str:
    return _child(parent, name).text or ""


def _number(parent: Element, name: str) -> float:
    value = float(_text(parent, name))
    if not np.isfinite(value):
        raise ValueError(f"<{name}> is a finite number, got {value}; the annotation is damaged")
    return value


def _whole(parent: Element, name: str) -> int:
    return int(_text(parent, name))


def _floats(parent: Element, name: str) -> NDArray[np.float64]:
    values = np.array(_text(parent, name).split(), dtype=np.float64)
    _require_count(parent, name, values.size)
    return values


def _ints(parent: Element, name: str) -> NDArray[np.int64]:
    values = np.array([int(word) for word in _text(parent, name).split()], dtype=np.int64)
    _require_count(parent, name, values.size)
    return values


def _require_count(parent: Element, name: str, found: int) -> None:
    stated = _child(parent, name).get("count")
    if stated is not None and int(stated) != found:
        raise ValueError(f"<{name}> says that it holds {stated} values, got {found}; the annotation is damaged")
