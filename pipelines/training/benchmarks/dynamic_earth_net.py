"""DynamicEarthNet: daily PlanetFusion images of 75 places in 2018 and 2019 with a land-cover mask a month.

Masks are TIFF files of seven bands, one a class, 255 where the class holds. The authors' own reader leaves snow and
ice, the seventh, out of training and evaluation; so does this one. Facts of paths, bands and masks are that reader's
(github.com/aysim/dynnet).
"""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError, SampleError, SplitError
from pipelines.training.benchmarks.folder import check_inside, check_part, read_text
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.raster import check_shape, read_raster
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Dates = Literal["single", "weekly", "daily"]

CLASSES: Final = ("impervious surface", "agriculture", "forest and other vegetation", "wetlands", "soil", "water")
NUM_MASK_BANDS: Final = 7
SET: Final = 255

WEEKLY: Final = (1, 5, 10, 15, 20, 25)
"""Days of the month of the authors' "weekly" series."""

LISTED_PREFIX: Final = "reprocess-cropped/UTM-24000/"
"""As the split files name the folder that is published as `planet/`."""

QUANTIFICATION: Final = 1e-4
"""Stored value to surface reflectance (Planet Fusion product guide)."""

FORM: Final = ImageFormat(
    bands=("blue", "green", "red", "nir"), modality="ms", unit="reflectance", scale=QUANTIFICATION, gsd_m=3.0
)


class DynamicEarthNetPlanet(IndexedBenchmark):
    """A month of a place; entries are the lines of the split file: image folder, label, year-month."""

    info = BenchmarkInfo(
        name="dynamic-earth-net-planet",
        title="DynamicEarthNet, Planet images",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=SEGMENTATION,
        home="https://mediatum.ub.tum.de/1650201",
        licence="as stated on mediaTUM beside the files; Planet's terms for the images",
        layout="""\
DynamicEarthNet/
  dynnet_training_splits/train.txt, val.txt, test.txt    (a line: image folder, label file, year-month)
  planet/10N/29E-117N/1311_3077_13/PF-SR/2018-01-01.tif, ...
  labels/1311_3077_13_10N/Labels/Raster/.../...-2018_01_01.tif, ...""",
        citation=(
            "Toker et al.: DynamicEarthNet: Daily Multi-Spectral Satellite Dataset for Semantic Change Segmentation, "
            "CVPR 2022"
        ),
        paper_run=True,
    )

    def __init__(self, root: Path, split: str, *, dates: Dates = "single") -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "val" or "test".
            dates: Images of a sample: the first day of the month, the authors' six days, or every day.

        Raises:
            BenchmarkError: No such folder, split, split file or choice of dates.
        """
        if dates not in ("single", "weekly", "daily"):
            raise SplitError(f"DynamicEarthNet: dates must be single, weekly or daily, got {dates!r}")
        self.dates = dates
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        path = check_part(self.root, (f"dynnet_training_splits/{self.split}.txt",), self.info)
        entries = [line.strip() for line in read_text(path).splitlines() if line.strip()]
        for line in entries:
            parts = line.split(" ")
            if len(parts) != 3 or not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", parts[2]):  # noqa: PLR2004 see layout
                raise LayoutError(
                    f"{self.info.title}: a line of {path} must be image folder, label and year-month, got {line!r}; "
                    "get the split files again"
                )
            for part in parts[:2]:
                check_inside(part.removeprefix("/"), path)
        return entries

    def _read(self, entry: str) -> Sample:
        folder, label, month = entry.split(" ")
        images_at = self._images_at(folder.removeprefix("/"))
        days = self._days(month)
        images = tuple(read_image(images_at / f"{day}.tif", FORM, time=day) for day in days)
        path = self.root / label.removeprefix("/")
        mask = mask_of_layers(check_shape(read_raster(path), path, bands=NUM_MASK_BANDS), path)
        for image in images:
            check_same_size(path, image, mask.shape)
        place = images_at.parent.name
        return Sample(id=f"{place}/{month}", images=images, target=MaskTarget(mask=mask))

    def _images_at(self, listed: str) -> Path:
        as_published = f"planet/{listed.removeprefix(LISTED_PREFIX)}" if listed.startswith(LISTED_PREFIX) else listed
        paths = [self.root / listed, self.root / as_published]
        return next((path for path in paths if path.is_dir()), paths[-1])

    def _days(self, month: str) -> list[str]:
        year, number = (int(part) for part in month.split("-"))
        days: Sequence[int] = (1,)
        if self.dates == "weekly":
            days = WEEKLY
        elif self.dates == "daily":
            days = range(1, calendar.monthrange(year, number)[1] + 1)
        return [f"{month}-{day:02d}" for day in days]


def mask_of_layers(layers: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Indices of classes of seven layers, (layer, y, x); IGNORE for snow and ice and where no layer is set.

    Raises:
        SampleError: A value is neither 0 nor 255, or a pixel has two classes.
    """
    is_set = layers == SET
    if not (is_set | (layers == 0)).all():
        found = np.unique(layers[~is_set & (layers != 0)])[:5].tolist()
        raise SampleError(path, f"label layers must hold 0 and {SET}, got {found}", "get the label file again")
    if (is_set.sum(axis=0) > 1).any():
        raise SampleError(path, "a pixel must be of one class, some are of two", "get the label file again")
    mask: NDArray[np.int64] = np.argmax(is_set, axis=0).astype(np.int64)
    mask[~is_set[: len(CLASSES)].any(axis=0)] = IGNORE
    return mask
