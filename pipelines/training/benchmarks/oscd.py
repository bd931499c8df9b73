"""OSCD (Onera): 24 pairs of Sentinel-2 level 1C crops of cities, 13 bands registered on a 10 m grid, urban change.

The change maps exist as TIFF (1 unchanged, 2 changed) and as PNG (0 and 255); the TIFF is read where there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.band_files import read_bands
from pipelines.training.benchmarks.change_pairs import CLASSES
from pipelines.training.benchmarks.errors import SampleError, SplitError
from pipelines.training.benchmarks.folder import check_inside, check_part, read_text
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.mask_codes import mask_of_codes, read_grey
from pipelines.training.benchmarks.measures import CHANGE
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
TIFF_TABLE: Final = {1: 0, 2: 1}
PNG_TABLE: Final = {0: 0, 255: 1}

FORM: Final = ImageFormat(bands=BANDS, modality="ms", unit="reflectance", scale=1e-4, gsd_m=10.0)
"""Stored value to reflectance at the top of the atmosphere: Sentinel-2 product specification, baseline before 04.00."""

STEM: Final = "Onera Satellite Change Detection dataset - "


class Oscd(IndexedBenchmark):
    """Entries are cities."""

    info = BenchmarkInfo(
        name="oscd",
        title="OSCD (Onera Satellite Change Detection)",
        task="change",
        classes=CLASSES,
        splits=("train", "test"),
        metrics=CHANGE,
        home="https://rcdaudt.github.io/oscd/",
        licence="CC BY-NC-SA for the labels; Copernicus Sentinel data terms for the images",
        layout=f"""\
OSCD/
  {STEM}Images/train.txt, test.txt          (city,city,... in one line)
  {STEM}Images/abudhabi/dates.txt, imgs_1_rect/B01.tif ... B12.tif, imgs_2_rect/...
  {STEM}Train Labels/abudhabi/cm/abudhabi-cm.tif, cm.png
  {STEM}Test Labels/...""",
        citation=(
            "Daudt et al.: Urban Change Detection for Multispectral Earth Observation Using Convolutional Neural "
            "Networks, IGARSS 2018"
        ),
    )

    def _list(self) -> Sequence[str]:
        self.images = check_part(self.root, (f"{STEM}Images",), self.info)
        self.labels = check_part(self.root, (f"{STEM}{self.split.capitalize()} Labels",), self.info)
        path = self.images / f"{self.split}.txt"
        if not path.is_file():
            raise SplitError(f"{self.info.title}: {path} must list the cities, it is not there; see {self.info.home}")
        cities = [city.strip() for city in re.split(r"[,\n]", read_text(path)) if city.strip()]
        return [check_inside(city, path) for city in cities]

    def _read(self, entry: str) -> Sample:
        days = _days(self.images / entry / "dates.txt")
        images = []
        for number, day in enumerate(days, start=1):
            paths = [self.images / entry / f"imgs_{number}_rect" / f"{band}.tif" for band in BANDS]
            images.append(image_of(read_bands(paths), paths[0], FORM, time=day))
        check_same_size(self.images / entry / "imgs_2_rect", images[0], images[1].size)
        folder = self.labels / entry / "cm"
        mask = _mask(folder, entry)
        check_same_size(folder, images[0], mask.shape)
        return Sample(id=entry, images=tuple(images), target=MaskTarget(mask=mask))


def _days(path: Path) -> list[str]:
    """ISO dates of the two images, from lines such as `date_1: 20160120`."""
    found = re.findall(r"date_([12])\s*:\s*(\d{4})-?(\d{2})-?(\d{2})", read_text(path))
    if sorted(number for number, *_ in found) != ["1", "2"]:
        raise SampleError(path, f"must give date_1 and date_2 as eight digits, got {found}", "get the images again")
    return ["-".join(day) for _, *day in sorted(found)]


def _mask(folder: Path, city: str) -> NDArray[np.int64]:
    tiff = folder / f"{city}-cm.tif"
    path, table = (tiff, TIFF_TABLE) if tiff.is_file() else (folder / "cm.png", PNG_TABLE)
    return mask_of_codes(read_grey(path), path, table)
