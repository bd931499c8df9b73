"""Crop Type Mapping, South Sudan: grids of 64 x 64 pixels of small fields, a season of Sentinel-1 and Sentinel-2.

Files, splits, band order and crops are those of the readers of SustainBench, which publishes them so, and of PANGAEA,
of which this is a set. Labels of crops beyond the four most frequent do not count, nor does NaN, which is what the
authors start a mask with (github.com/roserustowicz/crop-type-mapping). Series are (band, y, x, time), dated by the JSON
beside them. Sentinel-1 is in decibels by its published statistics; a third band is left aside. Sentinel-2 is taken as
reflectance times 10,000, and 0 as no data, as its products are. PANGAEA reads the last six images of each; here six are
evenly spaced over the season.
"""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError, SampleError
from pipelines.training.benchmarks.folder import check_part, read_text
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.mask_codes import mask_of_codes
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.npy_file import read_member
from pipelines.training.benchmarks.raster import check_shape
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample
from pipelines.training.benchmarks.series_choice import check_series_choice, evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelines.training.benchmarks.sample import BenchmarkImage

CLASSES: Final = ("sorghum", "maize", "rice", "groundnut")
MOST_CODES: Final = 256
TABLE: Final = dict.fromkeys(range(MOST_CODES), IGNORE) | {index + 1: index for index in range(len(CLASSES))}
"""0 is unlabelled, further crops follow the four."""

S1: Final = ImageFormat(bands=("VV", "VH"), modality="sar_l2", unit="db", gsd_m=10.0)
S2: Final = ImageFormat(
    bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    modality="ms",
    unit="reflectance",
    scale=1e-4,
    gsd_m=10.0,
    nodata=(0.0,),
)
FORMS: Final = {"s1": S1, "s2": S2}

PARTITIONS: Final = {"train": 0, "val": 1, "test": 2}
COUNTRY: Final = "southsudan"
SERIES_DIMS: Final = 4
TRUTH_DIMS: Final = 2


class CropTypeMapping(IndexedBenchmark):
    """Entries are numbers of grids, in six digits."""

    info = BenchmarkInfo(
        name="pangaea-crop-type-mapping",
        title="Crop Type Mapping, South Sudan",
        task="segmentation",
        classes=CLASSES,
        splits=tuple(PARTITIONS),
        metrics=SEGMENTATION,
        home="https://sustainlab-group.github.io/sustainbench/docs/datasets/sdg2/crop_type_mapping_ghana-ss.html",
        licence="CC BY-SA 4.0, as SustainBench states it of its data",
        layout="""\
africa_crop_type_mapping_v1.0/    (the root may also be the folder that holds it)
  southsudan/list_eval_partition.csv            (id, partition: 0 train, 1 validation, 2 test)
  southsudan/npy/southsudan_000001.npz, ...     (s1, s2: band, y, x, time)
  southsudan/truth/southsudan_000001.npz, ...   (truth: y, x)
  southsudan/s1/s1_southsudan_000001.json, ..., southsudan/s2/s2_southsudan_000001.json, ...    (dates)""",
        citation=(
            "Rustowicz et al.: Semantic Segmentation of Crop Type in Africa: A Novel Dataset and Analysis of Deep "
            "Learning Methods, CVPR Workshops 2019"
        ),
    )

    def __init__(self, root: Path, split: str, *, sensors: tuple[str, ...] = ("s2", "s1"), dates: int = 6) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "val" or "test".
            sensors: Which series a sample has, in this order: "s1", "s2".
            dates: Images of each series, evenly spaced over it from the first to the last; of 1 the last. Series that
                are shorter are read whole.

        Raises:
            BenchmarkError: No such folder, split, sensor or number of dates, or another list of grids.
        """
        check_series_choice(sensors, dates, FORMS, self.info)
        self.sensors = sensors
        self.dates = dates
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        names = (
            f"{COUNTRY}/list_eval_partition.csv",
            f"africa_crop_type_mapping_v1.0/{COUNTRY}/list_eval_partition.csv",
        )
        path = check_part(self.root, names, self.info)
        self.base = path.parent
        for folder in ("npy", "truth"):
            check_part(self.base, (folder,), self.info)
        try:
            rows = [(int(row["id"]), int(row["partition"])) for row in csv.DictReader(io.StringIO(read_text(path)))]
        except (KeyError, TypeError, ValueError) as error:
            raise LayoutError(
                f"{self.info.title}: {path} must have whole numbers in columns id and partition ({error!r}); "
                "get it again"
            ) from error
        return [f"{number:06d}" for number, partition in rows if partition == PARTITIONS[self.split]]

    def _read(self, entry: str) -> Sample:
        images = tuple(image for sensor in self.sensors for image in self._series(entry, sensor))
        path = self.base / "truth" / f"{COUNTRY}_{entry}.npz"
        codes = read_member(path, "truth", dims=TRUTH_DIMS)
        mask = mask_of_codes(np.where(np.isnan(codes), 0, codes), path, TABLE)
        for image in images:
            check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))

    def _series(self, entry: str, sensor: str) -> list[BenchmarkImage]:
        path, form = self.base / "npy" / f"{COUNTRY}_{entry}.npz", FORMS[sensor]
        stored = read_member(path, sensor, dims=SERIES_DIMS)
        if sensor == "s1":
            stored = stored[: len(form.bands)]
        check_shape(stored, path, bands=len(form.bands))
        days = _days(self.base / sensor / f"{sensor}_{COUNTRY}_{entry}.json")
        if len(days) != stored.shape[-1] or not days:
            raise SampleError(
                path,
                f"{sensor} must have an image for each of {len(days)} dates, got {stored.shape[-1]}",
                "get it again",
            )
        return [
            image_of(stored[..., index], path, form, time=days[index]) for index in evenly_spaced(len(days), self.dates)
        ]


def _days(path: Path) -> list[str]:
    """ISO dates of a series, in the order of its images."""
    document = read_json(path)
    try:
        return [date.fromisoformat(day).isoformat() for day in document["dates"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SampleError(path, f"must list dates as 2017-05-03 ({error!r})", "get the file again") from error
