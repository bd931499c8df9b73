"""Eight-bit pictures: three colours, or the amplitude of a radar image as its authors stretched it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import check_shape, peak_of, read_raster
from pipelines.training.benchmarks.sample import BenchmarkImage

if TYPE_CHECKING:
    from pathlib import Path

RGB = ("red", "green", "blue")
AMPLITUDE = ("amplitude",)


def read_rgb(path: Path, *, gsd_m: float | None = None) -> BenchmarkImage:
    """A picture of red, green and blue in the numbers of its file.

    Raises:
        SampleError: The file is missing or damaged, or has not three bands of 8 bits.
    """
    stored = check_shape(read_raster(path), path, bands=len(RGB))
    if stored.dtype != np.uint8:
        raise SampleError(path, f"must have 8 bits a band, got {stored.dtype}", "check that the file is the set's")
    return BenchmarkImage(
        pixels=stored.astype(np.float32),
        bands=RGB,
        valid=np.ones(stored.shape[1:], dtype=np.bool_),
        modality="optical",
        unit="digital_number",
        gsd_m=gsd_m,
        peak=peak_of(stored.dtype),
    )


def read_amplitude(path: Path, *, gsd_m: float | None = None) -> BenchmarkImage:
    """A radar picture of one amplitude, uncalibrated: stored once, or three times as JPEG programs do.

    Raises:
        SampleError: The file is missing or damaged, has not 8 bits, or its three bands differ (it is a colour picture).
    """
    stored = read_raster(path)
    if stored.dtype != np.uint8 or stored.shape[0] not in {1, 3}:
        raise SampleError(
            path,
            f"must have one grey band of 8 bits, or it three times, got {stored.shape[0]} of {stored.dtype}",
            "check that the file is the set's",
        )
    if stored.shape[0] == len(RGB) and not (
        np.array_equal(stored[0], stored[1]) and np.array_equal(stored[0], stored[2])
    ):
        raise SampleError(path, "the three bands of a grey picture must be equal, these differ", "get the file again")
    return BenchmarkImage(
        pixels=stored[:1].astype(np.float32),
        bands=AMPLITUDE,
        valid=np.ones(stored.shape[1:], dtype=np.bool_),
        modality="sar_l2",
        unit="amplitude",
        gsd_m=gsd_m,
        peak=peak_of(stored.dtype),
    )
