"""How a set stores one kind of image, and the image read by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import check_shape, peak_of, read_raster
from pipelines.training.benchmarks.sample import BenchmarkImage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Modality, Unit

RGB: Final = ("red", "green", "blue")
"""Names of the three colours, in the order in which picture files keep them."""

RELATIVE: Final = ("digital_number", "amplitude")
"""Units whose values mean something only beside the largest that can occur."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """The facts of a set's images that their files do not tell, or that must hold of them."""

    bands: tuple[str, ...]
    """Names in the file's order."""

    modality: Modality
    unit: Unit

    scale: float = 1.0
    """Factor from stored values to `unit`, as the set documents it."""

    gsd_m: float | None = None

    size: tuple[int, int] | None = None
    """Height and width that every image must have; None where the set has several or they are not insisted on."""

    peak: float | None = None
    """Largest value that the set's pictures can have; None: that of the stored type, where it is an integer."""

    reflectance_at_peak: float | None = None
    """Reflectance of the largest value of a "digital_number", where the set documents a linear scale from 0."""

    nodata: tuple[float, ...] = ()
    """Stored values that mean missing, as the set documents them. NaN always does."""

    types: tuple[str, ...] = ()
    """NumPy kinds of number that the set stores ("uint8", ...); empty where it does not say."""


def read_image(path: Path, form: ImageFormat, *, time: str = "") -> BenchmarkImage:
    """One image file. A pixel is valid where every band is a finite number and not the set's nodata.

    Missing values stay NaN in `pixels`: they never become a value.

    Raises:
        SampleError: The file is missing, damaged, or has another number of bands, size or type than the set's.
    """
    stored = check_shape(read_raster(path), path, bands=len(form.bands), size=form.size)
    return image_of(stored, path, form, time=time)


def image_of(stored: NDArray[Any], path: Path, form: ImageFormat, *, time: str = "") -> BenchmarkImage:
    """The image of stored values, (band, y, x).

    Raises:
        SampleError: The values are of another type than the set's, or complex.
    """
    if np.iscomplexobj(stored):  # a cast would keep the real part and say nothing
        raise SampleError(path, f"must hold real numbers, got {stored.dtype.name}", "check that the file is the set's")
    if form.types and stored.dtype.name not in form.types:
        raise SampleError(
            path, f"must hold {' or '.join(form.types)}, got {stored.dtype.name}", "check that the file is the set's"
        )
    pixels = stored.astype(np.float32)
    missing: NDArray[np.bool_] = ~np.isfinite(pixels)
    for value in form.nodata:
        missing |= stored == value
    if form.scale != 1.0:
        pixels *= np.float32(form.scale)
    pixels[missing] = np.nan
    return BenchmarkImage(
        pixels=pixels,
        bands=form.bands,
        valid=np.logical_not(missing.any(axis=0)),
        modality=form.modality,
        unit=form.unit,
        gsd_m=form.gsd_m,
        time=time,
        peak=(form.peak or peak_of(stored.dtype)) if form.unit in RELATIVE else None,
        reflectance_at_peak=form.reflectance_at_peak,
    )


def check_same_size(path: Path, image: BenchmarkImage, size: tuple[int, int]) -> None:
    """Checks that what stands in `path` covers the image pixel for pixel.

    Raises:
        SampleError: It has another height or width.
    """
    if image.size != size:
        raise SampleError(
            path, f"must be {image.size} (height, width) as its image, got {size}", "get image and label again"
        )
