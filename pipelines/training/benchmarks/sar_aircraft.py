"""SAR-AIRcraft-1.0: seven kinds of aircraft in 4,368 pictures of Gaofen-3, in PASCAL VOC form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.folder import check_part, check_root, check_split, read_split_list
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.photograph import read_amplitude
from pipelines.training.benchmarks.sample import Sample
from pipelines.training.benchmarks.voc import voc_boxes
from pipelines.training.benchmarks.xml_file import read_xml

if TYPE_CHECKING:
    from pathlib import Path

CLASSES: Final = ("A220", "A320/321", "A330", "ARJ21", "Boeing737", "Boeing787", "other")
GSD_M: Final = 1.0
"""Of Gaofen-3's spotlight mode, as the paper states it."""


class SarAircraftDataset:
    """Upright boxes on 8-bit amplitude."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="sar-aircraft-1.0",
        title="SAR-AIRcraft-1.0",
        task="detection",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=("map50", "map"),
        home="https://radars.ac.cn/web/data/getData?newsColumnId=f896637b-af23-4209-8bcc-9320fceaba19",
        licence="of the Journal of Radars: free for teaching and research, with citation",
        layout="""\
SAR-AIRcraft-1.0/
  Annotations/0000001.xml ...
  ImageSets/Main/{train,val,test}.txt
  JPEGImages/0000001.jpg ...""",
        citation="Wang et al. 2023, SAR-AIRcraft-1.0, doi:10.12000/JR23043",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split."""
        check_split(split, self.info)
        check_root(root, self.info)
        self._annotations = check_part(root, ("Annotations",), self.info)
        self._pictures = check_part(root, ("JPEGImages",), self.info)
        lists = check_part(root, ("ImageSets/Main",), self.info)
        self._ids = read_split_list(lists / f"{split}.txt", self.info, split)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        """Reads a picture and its boxes."""
        name = self._ids[index]
        image = read_amplitude(self._pictures / f"{name}.jpg", gsd_m=GSD_M)
        path = self._annotations / f"{name}.xml"
        return Sample(id=name, images=(image,), target=voc_boxes(read_xml(path), path, CLASSES, image.size))
