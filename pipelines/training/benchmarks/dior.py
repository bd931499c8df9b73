"""DIOR and DIOR-R: 20 kinds of object in 23,463 pictures of 800 x 800 pixels, boxed upright and turned."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.folder import check_part, check_root, check_split, read_split_list
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.photograph import read_rgb
from pipelines.training.benchmarks.sample import Sample
from pipelines.training.benchmarks.voc import voc_boxes, voc_rotated
from pipelines.training.benchmarks.xml_file import read_xml

if TYPE_CHECKING:
    from pathlib import Path

CLASSES: Final = (
    "airplane",
    "airport",
    "baseballfield",
    "basketballcourt",
    "bridge",
    "chimney",
    "dam",
    "Expressway-Service-area",
    "Expressway-toll-station",
    "golffield",
    "groundtrackfield",
    "harbor",
    "overpass",
    "ship",
    "stadium",
    "storagetank",
    "tenniscourt",
    "trainstation",
    "vehicle",
    "windmill",
)
"""As <name> writes them; case does not count."""

SPLITS: Final = ("train", "val", "trainval", "test")
HOME: Final = "https://gcheng-nwpu.github.io"
LICENCE: Final = "none stated by the authors; offered for academic use"
LAYOUT: Final = """\
DIOR/
  Annotations/Horizontal Bounding Boxes/00001.xml ...   (DIOR)
  Annotations/Oriented Bounding Boxes/00001.xml ...     (DIOR-R)
  ImageSets/Main/{train,val,test}.txt
  JPEGImages-trainval/00001.jpg ...
  JPEGImages-test/11726.jpg ..."""


class _Files:
    """Pictures and annotations of one split."""

    def __init__(self, root: Path, split: str, info: BenchmarkInfo, annotations: tuple[str, ...]) -> None:
        check_split(split, info)
        check_root(root, info)
        self.annotations = check_part(root, annotations, info)
        half = "test" if split == "test" else "trainval"
        self.pictures = check_part(root, (f"JPEGImages-{half}", "JPEGImages"), info)
        lists = check_part(root, ("ImageSets/Main",), info)
        parts = ("train", "val") if split == "trainval" else (split,)
        self.ids = tuple(name for part in parts for name in read_split_list(lists / f"{part}.txt", info, split))


class DiorDataset:
    """DIOR: upright boxes."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="dior",
        title="DIOR",
        task="detection",
        classes=CLASSES,
        splits=SPLITS,
        metrics=("map50", "map"),
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation="Li et al. 2020, Object detection in optical images, doi:10.1016/j.isprsjprs.2019.11.023",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split: train, val, both or test."""
        self._files = _Files(root, split, self.info, ("Annotations/Horizontal Bounding Boxes", "Annotations"))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files.ids)

    def __getitem__(self, index: int) -> Sample:
        """Reads a picture and its boxes."""
        name = self._files.ids[index]
        image = read_rgb(self._files.pictures / f"{name}.jpg")
        path = self._files.annotations / f"{name}.xml"
        return Sample(id=name, images=(image,), target=voc_boxes(read_xml(path), path, CLASSES, image.size))


class DiorRDataset:
    """DIOR-R: the pictures of DIOR with turned boxes."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="dior-r",
        title="DIOR-R",
        task="rotated_detection",
        classes=CLASSES,
        splits=SPLITS,
        metrics=("map50_voc07", "map50_area"),
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation="Cheng et al. 2022, Anchor-free oriented proposal generator, doi:10.1109/TGRS.2022.3183022",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split: train, val, both or test."""
        self._files = _Files(root, split, self.info, ("Annotations/Oriented Bounding Boxes",))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files.ids)

    def __getitem__(self, index: int) -> Sample:
        """Reads a picture and its boxes."""
        name = self._files.ids[index]
        image = read_rgb(self._files.pictures / f"{name}.jpg")
        path = self._files.annotations / f"{name}.xml"
        return Sample(id=name, images=(image,), target=voc_rotated(read_xml(path), path, CLASSES, image.size))
