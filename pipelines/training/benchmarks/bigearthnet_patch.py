"""Files of one BigEarthNet patch: 1.2 by 1.2 km, twelve bands of Sentinel-2 level 2A and two of Sentinel-1 in dB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.band_files import read_bands
from pipelines.training.benchmarks.errors import SplitError
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipelines.training.benchmarks.sample import BenchmarkImage

S2: Final = ImageFormat(
    bands=("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
    modality="ms",
    unit="reflectance",
    scale=1e-4,
    gsd_m=10.0,
    types=("uint16",),
)
"""Files of 120, 60 and 20 pixels a side for bands of 10, 20 and 60 m; B10 is none of level 2A."""

S1: Final = ImageFormat(bands=("VV", "VH"), modality="sar_l2", unit="db", gsd_m=10.0, types=("float32", "float64"))

FORMS: Final = {"s2": S2, "s1": S1}


def check_sensors(sensors: tuple[str, ...]) -> tuple[str, ...]:
    """The sensors whose images a sample has.

    Raises:
        SplitError: They are not "s2" and "s1", each at most once and at least one.
    """
    if not sensors or len(set(sensors)) != len(sensors) or not set(sensors) <= set(FORMS):
        raise SplitError(f"BigEarthNet: sensors must be some of {list(FORMS)}, each once, got {sensors}")
    return sensors


def read_patch(folders: Mapping[str, Path], sensors: tuple[str, ...]) -> tuple[BenchmarkImage, ...]:
    """Images of the sensors, on the 10 m grid: coarser bands repeated, not interpolated.

    Raises:
        SampleError: A file is missing, damaged or of another size.
    """
    images = []
    for sensor in sensors:
        folder, form = folders[sensor], FORMS[sensor]
        paths = [folder / f"{folder.name}_{band}.tif" for band in form.bands]
        images.append(image_of(read_bands(paths), paths[0], form, time=_day(folder.name)))
        check_same_size(paths[0], images[0], images[-1].size)
    return tuple(images)


def _day(name: str) -> str:
    """ISO date of a patch's name, as in S2A_MSIL2A_20170613T101031_87_48."""
    found = re.search(r"_(20\d{2})(\d{2})(\d{2})T", name)
    return "-".join(found.groups()) if found else ""
