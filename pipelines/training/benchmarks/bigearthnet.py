"""BigEarthNet-MM v1: 590,326 pairs of Sentinel-2 and Sentinel-1 patches with labels of CORINE Land Cover."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.bigearthnet_classes import CLASSES_19, CLASSES_43, TO_19
from pipelines.training.benchmarks.bigearthnet_patch import check_sensors, read_patch
from pipelines.training.benchmarks.errors import LayoutError, SampleError
from pipelines.training.benchmarks.folder import check_inside, check_part, read_split_list
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.measures import MULTI_LABEL
from pipelines.training.benchmarks.sample import LabelsTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOME: Final = "https://bigearth.net/v1.0.html"
LICENCE: Final = "CDLA-Permissive-1.0"
CITATION: Final = (
    "Sumbul et al.: BigEarthNet-MM: A Large-Scale, Multimodal, Multilabel Benchmark Archive for Remote Sensing Image "
    "Classification and Retrieval, IEEE GRSM 9(3), 2021"
)
LAYOUT: Final = """\
BigEarthNet/
  bigearthnet-train.csv, bigearthnet-val.csv, bigearthnet-test.csv, or train.csv, ...    (S2 patch,S1 patch)
  BigEarthNet-v1.0/S2A_MSIL2A_20170613T101031_87_48/
     S2A_MSIL2A_20170613T101031_87_48_B01.tif ... _B12.tif, ..._labels_metadata.json
  BigEarthNet-S1-v1.0/S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48/
     S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VV.tif, _VH.tif, ..._labels_metadata.json"""


class BigEarthNet43(IndexedBenchmark):
    """The 43 classes as they stand in the files. Entries are the lines of the split file."""

    info = BenchmarkInfo(
        name="bigearthnet-43",
        title="BigEarthNet-MM v1, 43 classes",
        task="multi_label",
        classes=CLASSES_43,
        splits=("train", "val", "test"),
        metrics=MULTI_LABEL,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )

    index_of: ClassVar[Mapping[str, int | None]] = {name: index for index, name in enumerate(CLASSES_43)}
    """Index of each label of the files, None for one that the nomenclature leaves out."""

    def __init__(self, root: Path, split: str, *, sensors: tuple[str, ...] = ("s2", "s1")) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "val" or "test".
            sensors: Which images a sample has, in this order: "s2", "s1".

        Raises:
            BenchmarkError: No such folder, split, split file or sensor.
        """
        self.sensors = check_sensors(sensors)
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        self.folders = {"s2": check_part(self.root, ("BigEarthNet-v1.0", "BigEarthNet-S2-v1.0"), self.info)}
        if "s1" in self.sensors:
            self.folders["s1"] = check_part(self.root, ("BigEarthNet-S1-v1.0",), self.info)
        path = self.root / f"bigearthnet-{self.split}.csv"
        path = path if path.is_file() else self.root / f"{self.split}.csv"
        entries = list(read_split_list(path, self.info, self.split))
        for line in entries:
            parts = line.split(",")
            if len(parts) != 2:  # noqa: PLR2004 see layout
                raise LayoutError(
                    f"{self.info.title}: a line of {path} must be a Sentinel-2 and a Sentinel-1 patch, got {line!r}; "
                    "get the split files again"
                )
            for part in parts:
                check_inside(part, path)
        return entries

    def _read(self, entry: str) -> Sample:
        names = dict(zip(("s2", "s1"), entry.split(","), strict=True))
        folders = {sensor: base / names[sensor] for sensor, base in self.folders.items()}
        labels = _labels(folders["s2"] / f"{names['s2']}_labels_metadata.json", self.index_of)
        return Sample(id=names["s2"], images=read_patch(folders, self.sensors), target=LabelsTarget(labels=labels))


class BigEarthNet(BigEarthNet43):
    """The 19 classes. A patch all of whose labels are left out has none."""

    info = replace(BigEarthNet43.info, name="bigearthnet", title="BigEarthNet-MM v1, 19 classes", classes=CLASSES_19)
    index_of: ClassVar[Mapping[str, int | None]] = {
        name: None if kept is None else CLASSES_19.index(kept) for name, kept in TO_19.items()
    }


def _labels(path: Path, index_of: Mapping[str, int | None]) -> tuple[int, ...]:
    try:
        names = read_json(path)["labels"]
        unknown = [name for name in names if name not in index_of]
    except (KeyError, TypeError) as error:
        raise SampleError(path, f"must be a patch's metadata with labels ({error!r})", "get the patch again") from error
    if unknown or not names:
        raise SampleError(path, f"labels must be some of CORINE's 43 classes, got {names}", "get the patch again")
    return tuple(sorted({index for name in names if (index := index_of[name]) is not None}))
