"""Sen1Floods11 v1.1, hand-labelled: 446 chips of 512 x 512 pixels of 11 floods, seen by Sentinel-1 and Sentinel-2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pipelines.training.benchmarks.errors import LayoutError, SplitError
from pipelines.training.benchmarks.folder import check_inside, check_part, read_split_list
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TABLE: Final = {-1: IGNORE, 0: 0, 1: 1}

S1: Final = ImageFormat(bands=("VV", "VH"), modality="sar_l2", unit="db", gsd_m=10.0, types=("float32", "float64"))
S2: Final = ImageFormat(
    bands=("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"),
    modality="ms",
    unit="reflectance",
    scale=1e-4,
    gsd_m=10.0,
    types=("int16", "uint16"),
)
"""Reflectance at the top of the atmosphere times 10,000, as the set's README says."""

FORMS: Final = {"s1": S1, "s2": S2}

SPLIT_FILES: Final = {name: f"flood_{name}_data.csv" for name in ("train", "valid", "test", "bolivia")}

METADATA: Final = "Sen1Floods11_Metadata.geojson"


class Sen1Floods11(IndexedBenchmark):
    """Entries are `Ghana_103272`. Sentinel-1 first, then Sentinel-2, as `sensors` asks."""

    info = BenchmarkInfo(
        name="sen1floods11",
        title="Sen1Floods11 v1.1 (hand-labelled)",
        task="segmentation",
        classes=("dry", "water"),
        splits=tuple(SPLIT_FILES),
        metrics=SEGMENTATION,
        home="https://github.com/cloudtostreet/Sen1Floods11",
        licence="none stated by the authors, cited by third parties as CC BY 4.0; Copernicus Sentinel data terms",
        layout="""\
sen1floods11/    (as `gsutil -m rsync -r gs://sen1floods11` leaves it; the root may be v1.1 itself)
  v1.1/Sen1Floods11_Metadata.geojson
  v1.1/splits/flood_handlabeled/flood_train_data.csv, flood_valid_data.csv, flood_test_data.csv, flood_bolivia_data.csv
  v1.1/data/flood_events/HandLabeled/S1Hand/Ghana_103272_S1Hand.tif ...
  v1.1/data/flood_events/HandLabeled/S2Hand/Ghana_103272_S2Hand.tif ...
  v1.1/data/flood_events/HandLabeled/LabelHand/Ghana_103272_LabelHand.tif ...""",
        citation=(
            "Bonafilia et al.: Sen1Floods11: a georeferenced dataset to train and test deep learning flood algorithms "
            "for Sentinel-1, CVPR Workshops 2020"
        ),
    )

    def __init__(self, root: Path, split: str, *, sensors: tuple[str, ...] = ("s1", "s2")) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "valid", "test", or "bolivia", the event that is in no other split.
            sensors: Which images a sample has, in this order: "s1", "s2".

        Raises:
            BenchmarkError: No such folder, split, split file or sensor, or a split file of another form.
        """
        if not sensors or len(set(sensors)) != len(sensors) or not set(sensors) <= set(FORMS):
            raise SplitError(f"Sen1Floods11: sensors must be some of {list(FORMS)}, each once, got {sensors}")
        self.sensors = sensors
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        base = self.root / "v1.1" if (self.root / "v1.1").is_dir() else self.root
        self.chips = check_part(base, ("data/flood_events/HandLabeled",), self.info)
        for folder in ("LabelHand", *(f"{sensor.upper()}Hand" for sensor in self.sensors)):
            check_part(self.chips, (folder,), self.info)
        metadata = base / METADATA
        self.days = _days(metadata) if metadata.is_file() else {}
        path = base / "splits" / "flood_handlabeled" / SPLIT_FILES[self.split]
        entries = []
        for line in read_split_list(path, self.info, self.split):
            image, _, label = (part.strip() for part in line.partition(","))
            chip = image.removesuffix("_S1Hand.tif")
            if chip == image or label != f"{chip}_LabelHand.tif":
                raise LayoutError(
                    f"{self.info.title}: a line of {path} must be EVENT_CHIP_S1Hand.tif,EVENT_CHIP_LabelHand.tif, "
                    f"got {line!r}; get the split files of v1.1"
                )
            entries.append(check_inside(chip, path))
        return entries

    def _read(self, entry: str) -> Sample:
        event = entry.rpartition("_")[0]
        images = tuple(
            read_image(
                self.chips / f"{sensor.upper()}Hand" / f"{entry}_{sensor.upper()}Hand.tif",
                FORMS[sensor],
                time=self.days.get((event, sensor), ""),
            )
            for sensor in self.sensors
        )
        path = self.chips / "LabelHand" / f"{entry}_LabelHand.tif"
        mask = read_code_mask(path, TABLE)
        for image in images:
            check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))


def _days(path: Path) -> Mapping[tuple[str, str], str]:
    """ISO dates by event and sensor, of events that the file names once."""
    try:
        events: list[Mapping[str, Any]] = [feature["properties"] for feature in read_json(path)["features"]]
        names = [str(event["location"]) for event in events]
    except (KeyError, TypeError) as error:
        raise LayoutError(f"Sen1Floods11: {path} must be the set's GeoJSON ({error!r}); get it again") from error
    days = {}
    for event, name in zip(events, names, strict=True):
        for sensor in FORMS:
            found = re.fullmatch(r"(\d{4})[/-](\d{2})[/-](\d{2})", str(event.get(f"{sensor}_date", "")))
            if found and names.count(name) == 1:
                days[name, sensor] = "-".join(found.groups())
    return days
