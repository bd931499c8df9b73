"""PASTIS-R: 2,433 patches of 128 x 128 pixels of French fields, a season of Sentinel-2 and Sentinel-1.

Files, folds, their rotation and the void label are those of the authors' readers (github.com/VSainteuf/pastis-benchmark
and utae-paps) and of torchgeo's: series are (time, band, y, x), the classes lie in the first layer of `TARGET_*.npy`,
and acquisitions are dated by `dates-S2`, `dates-S1A` and `dates-S1D` of `metadata.geojson`. Sentinel-2 is THEIA's
level 2A: reflectance times 10,000, -10,000 outside the image (CESBIO's description of the format). Sentinel-1 is in
decibels by its published statistics, of which the third band is the first minus the second. PANGAEA, of which this is
a set, trains on folds 1 to 3, validates on 4 and tests on 5, and reads six dates of Sentinel-2 and six of Sentinel-1's
ascending orbits.
"""

from __future__ import annotations

import json
from array import array
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError, SampleError, SplitError
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.mask_codes import mask_of_codes
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.npy_file import open_array
from pipelines.training.benchmarks.raster import check_shape
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample
from pipelines.training.benchmarks.series_choice import check_series_choice, evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipelines.training.benchmarks.sample import BenchmarkImage

CLASSES: Final = (
    "Background",
    "Meadow",
    "Soft winter wheat",
    "Corn",
    "Winter barley",
    "Winter rapeseed",
    "Spring barley",
    "Sunflower",
    "Grapevine",
    "Beet",
    "Winter triticale",
    "Winter durum wheat",
    "Fruits, vegetables, flowers",
    "Potatoes",
    "Leguminous fodder",
    "Soybeans",
    "Orchard",
    "Mixed cereal",
    "Sorghum",
)
VOID: Final = 19
"""Fields that lie mostly outside their patch."""

TABLE: Final = {index: index for index in range(len(CLASSES))} | {VOID: IGNORE}

S2: Final = ImageFormat(
    bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    modality="ms",
    unit="reflectance",
    scale=1e-4,
    gsd_m=10.0,
    nodata=(-10000.0,),
)
S1: Final = ImageFormat(bands=("VV", "VH", "VV-VH"), modality="sar_l2", unit="db", gsd_m=10.0)
FORMS: Final = {"S2": S2, "S1A": S1, "S1D": S1}

NUM_FOLDS: Final = 5
STEPS: Final = {"train": (0, 1, 2), "val": (3,), "test": (4,)}
"""Folds of a split in the first rotation, less one; each further rotation counts one on, around the five."""

SERIES_DIMS: Final = 4
TARGET_DIMS: Final = 3


class PastisR(IndexedBenchmark):
    """Entries are numbers of patches."""

    info = BenchmarkInfo(
        name="pangaea-pastis-r",
        title="PASTIS-R",
        task="segmentation",
        classes=CLASSES,
        splits=tuple(STEPS),
        metrics=SEGMENTATION,
        home="https://doi.org/10.5281/zenodo.5735646",
        licence="Etalab Open Licence 2.0, as stated with PASTIS-HD, which holds the same files",
        layout="""\
PASTIS-R/    (the root may also be the folder that holds it)
  metadata.geojson                      (ID_PATCH, Fold, dates-S2, dates-S1A, dates-S1D)
  DATA_S2/S2_10000.npy, ...             (time, 10, y, x)
  DATA_S1A/S1A_10000.npy, ..., DATA_S1D/S1D_10000.npy, ...    (time, 3, y, x)
  ANNOTATIONS/TARGET_10000.npy, ...     (3, y, x), classes first""",
        citation=(
            "Sainte Fare Garnot et al.: Multi-modal temporal attention models for crop mapping from satellite time "
            "series, ISPRS J. Photogrammetry and Remote Sensing 187, 2022"
        ),
    )

    def __init__(
        self, root: Path, split: str, *, sensors: tuple[str, ...] = ("S2", "S1A"), dates: int = 6, rotation: int = 1
    ) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "val" or "test".
            sensors: Which series a sample has, in this order: "S2", "S1A" (ascending), "S1D" (descending).
            dates: Images of each series, evenly spaced over it from the first to the last; of 1 the last. Series that
                are shorter are read whole.
            rotation: Which of the authors' five divisions, 1 to 5; PANGAEA's is 1.

        Raises:
            BenchmarkError: No such folder, split, sensor, number of dates or rotation, or another `metadata.geojson`.
        """
        check_series_choice(sensors, dates, FORMS, self.info)
        if not 1 <= rotation <= NUM_FOLDS:
            raise SplitError(f"{self.info.title}: rotation must be 1 to {NUM_FOLDS}, got {rotation}")
        self.sensors = sensors
        self.dates = dates
        self.rotation = rotation
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        path = check_part(self.root, ("metadata.geojson", "PASTIS-R/metadata.geojson"), self.info)
        self.base = path.parent
        for folder in ("ANNOTATIONS", *(f"DATA_{sensor}" for sensor in self.sensors)):
            check_part(self.base, (folder,), self.info)
        folds = {(step + self.rotation - 1) % NUM_FOLDS + 1 for step in STEPS[self.split]}
        found = [facts for facts in _patches(path) if facts["Fold"] in folds]
        self.days = {
            (str(facts["ID_PATCH"]), sensor): _days(facts.get(f"dates-{sensor}"), path)
            for facts in found
            for sensor in self.sensors
        }
        return [str(number) for number in sorted(facts["ID_PATCH"] for facts in found)]

    def _read(self, entry: str) -> Sample:
        images = tuple(image for sensor in self.sensors for image in self._series(entry, sensor))
        path = self.base / "ANNOTATIONS" / f"TARGET_{entry}.npy"
        mask = mask_of_codes(np.array(open_array(path, dims=TARGET_DIMS)[0]), path, TABLE)
        for image in images:
            check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))

    def _series(self, entry: str, sensor: str) -> list[BenchmarkImage]:
        path = self.base / f"DATA_{sensor}" / f"{sensor}_{entry}.npy"
        stored, days = open_array(path, dims=SERIES_DIMS), self.days[entry, sensor]
        if len(stored) != len(days) or not days:
            raise SampleError(
                path, f"must have an image for each of {len(days)} dates, got {len(stored)}", "get the patch again"
            )
        form = FORMS[sensor]
        return [
            image_of(
                check_shape(stored[index], path, bands=len(form.bands)),
                path,
                form,
                time=date.fromordinal(days[index]).isoformat(),
            )
            for index in evenly_spaced(len(days), self.dates)
        ]


def _patches(path: Path) -> Sequence[Mapping[str, Any]]:
    """Properties of all patches, with whole numbers for patch and fold."""
    document = read_json(path)
    try:
        found = [dict(feature["properties"]) for feature in document["features"]]
        for facts in found:
            facts.update(ID_PATCH=int(facts["ID_PATCH"]), Fold=int(facts["Fold"]))
    except (KeyError, TypeError, ValueError) as error:
        raise LayoutError(
            f"PASTIS-R: {path} must be GeoJSON with ID_PATCH and Fold of each patch ({error!r}); get it again"
        ) from error
    return found


def _days(stated: Any, path: Path) -> array[int]:
    """Ordinals of dates such as 20180924, in the order of the images; they are stated as an object, or as its text."""
    try:
        by_index = json.loads(stated) if isinstance(stated, str) else stated
        days = [str(by_index[key]) for key in sorted(by_index, key=int)]
        return array("l", [datetime.strptime(day, "%Y%m%d").toordinal() for day in days])  # noqa: DTZ007 days alone
    except (TypeError, ValueError, RecursionError) as error:
        raise LayoutError(
            f"PASTIS-R: {path} must date each image by its index, as 20180924 ({error}); get it again"
        ) from error
