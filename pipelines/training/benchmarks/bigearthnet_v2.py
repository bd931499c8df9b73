"""BigEarthNet v2 (reBEN): 480,038 pairs with corrected labels of 19 classes, divided so that neighbours do not mix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipelines.training.benchmarks.bigearthnet_classes import CLASSES_19
from pipelines.training.benchmarks.bigearthnet_patch import check_sensors, read_patch
from pipelines.training.benchmarks.errors import LayoutError
from pipelines.training.benchmarks.folder import check_inside, check_part
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import MULTI_LABEL
from pipelines.training.benchmarks.sample import LabelsTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS: Final = ("patch_id", "labels", "s1_name")
BATCH: Final = 4096

TILE_PARTS: Final = {"s2": 2, "s1": 3}
"""How many parts of a patch's name, counted from its end, the folder of its scene lacks."""


class BigEarthNetV2(IndexedBenchmark):
    """Entries are patch, Sentinel-1 patch and indices of labels, of the parquet file's rows."""

    info = BenchmarkInfo(
        name="bigearthnet-v2",
        title="BigEarthNet v2 (reBEN)",
        task="multi_label",
        classes=CLASSES_19,
        splits=("train", "validation", "test"),
        metrics=MULTI_LABEL,
        home="https://bigearth.net/",
        licence="CDLA-Permissive-1.0",
        layout="""\
BigEarthNet-v2/
  metadata.parquet      (patch_id, labels, split, s1_name, ...)
  BigEarthNet-S2/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP/
     S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57/S2A_..._26_57_B01.tif ... _B12.tif
  BigEarthNet-S1/S1A_IW_GRDH_1SDV_20170613T165043/
     S1A_IW_GRDH_1SDV_20170613T165043_33UUP_26_57/S1A_..._26_57_VV.tif, _VH.tif""",
        citation=(
            "Clasen et al.: reBEN: Refined BigEarthNet Dataset for Remote Sensing Image Analysis, IGARSS 2025 "
            "(arXiv 2407.03653)"
        ),
    )

    def __init__(self, root: Path, split: str, *, sensors: tuple[str, ...] = ("s2", "s1")) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train", "validation" or "test".
            sensors: Which images a sample has, in this order: "s2", "s1".

        Raises:
            BenchmarkError: No such folder, split or sensor, or a metadata file of another form.
        """
        self.sensors = check_sensors(sensors)
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        for sensor in self.sensors:
            check_part(self.root, (f"BigEarthNet-{sensor.upper()}",), self.info)
        path = check_part(self.root, ("metadata.parquet",), self.info)
        return [_entry(row, path) for row in _rows(path, self.split)]

    def _read(self, entry: str) -> Sample:
        patch, s1_patch, labels = entry.split(",")
        folders = {"s2": self._folder("s2", patch), "s1": self._folder("s1", s1_patch)}
        return Sample(
            id=patch,
            images=read_patch(folders, self.sensors),
            target=LabelsTarget(labels=tuple(int(label) for label in labels.split())),
        )

    def _folder(self, sensor: str, patch: str) -> Path:
        scene = "_".join(patch.split("_")[: -TILE_PARTS[sensor]])
        return self.root / f"BigEarthNet-{sensor.upper()}" / scene / patch


def _rows(path: Path, split: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, columns=list(COLUMNS), filters=[("split", "==", split)])
    except (pa.ArrowException, OSError) as error:
        raise LayoutError(
            f"BigEarthNet v2: {path} must be a parquet file with {COLUMNS} and split ({error}); get it again"
        ) from error
    for batch in table.to_batches(max_chunksize=BATCH):
        yield from batch.to_pylist()


def _entry(row: dict[str, Any], path: Path) -> str:
    names, labels = [str(row["patch_id"]), str(row["s1_name"])], row["labels"]
    for name in names:
        if "," in check_inside(name, path):
            raise LayoutError(
                f"BigEarthNet v2: patches in {path} must have no comma in their name, got {name!r}; get it again"
            )
    if not isinstance(labels, list) or not labels or not set(labels) <= set(CLASSES_19):
        raise LayoutError(
            f"BigEarthNet v2: labels in {path} must be some of the 19 classes, patch {names[0]} has {labels}; "
            "get it again"
        )
    return ",".join([*names, " ".join(str(index) for index in sorted(CLASSES_19.index(label) for label in labels))])
