"""HRSC2016: ships in 1,070 pictures of harbours, with boxes along the ship.

Its XML states a turned box by centre, width along the ship, height across it and an angle in radians from +x towards
+y (image coordinates): the bow, <header_x> and <header_y>, lies on the middle of a short side. The task is read with
one class, ship (the set's own first level), as the published mAP is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipelines.training.benchmarks.box_check import turned_box
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.folder import check_part, check_root, check_split, read_split_list
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.photograph import read_rgb
from pipelines.training.benchmarks.sample import RotatedTarget, Sample
from pipelines.training.benchmarks.voc import is_difficult
from pipelines.training.benchmarks.xml_file import AGAIN, number_of, read_xml, text_of

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

CLASS_ID_STEM: Final = "1000000"
"""<Class_ID> is this and two digits, 01 to 33."""

LAST_CLASS: Final = 33


class Hrsc2016Dataset:
    """Turned boxes of ships."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="hrsc2016",
        title="HRSC2016",
        task="rotated_detection",
        classes=("ship",),
        splits=("train", "val", "trainval", "test"),
        metrics=("map50_voc07", "map50_area"),
        home="http://www.escience.cn/people/liuzikun/DataSet.html",
        licence="none stated by the authors",
        layout="""\
HRSC2016/
  FullDataSet/AllImages/100000001.bmp ...
  FullDataSet/Annotations/100000001.xml ...
  ImageSets/{train,val,trainval,test}.txt""",
        citation="Liu et al. 2017, A high resolution optical satellite image dataset for ship recognition, ICPRAM",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split."""
        check_split(split, self.info)
        check_root(root, self.info)
        self._pictures = check_part(root, ("FullDataSet/AllImages",), self.info)
        self._annotations = check_part(root, ("FullDataSet/Annotations",), self.info)
        self._ids = read_split_list(check_part(root, ("ImageSets",), self.info) / f"{split}.txt", self.info, split)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        """Reads a picture and its ships."""
        name = self._ids[index]
        path = self._annotations / f"{name}.xml"
        root = read_xml(path)
        stated_gsd = (root.findtext("Img_Resolution") or "").strip()
        image = read_rgb(
            self._pictures / f"{name}.bmp", gsd_m=number_of(root, "Img_Resolution", path) if stated_gsd else None
        )
        return Sample(id=name, images=(image,), target=ships(root, path, image.size))


def ships(root: Element, path: Path, size: tuple[int, int]) -> RotatedTarget:
    """Turned boxes of an annotation; none where the picture holds no ship.

    Args:
        root: <HRSC_Image>.
        path: Where it was read.
        size: Height and width of the picture as read.

    Raises:
        SampleError: The stated size is another, a class is unknown or a box breaks a rule.
    """
    if root.tag != "HRSC_Image":
        raise SampleError(path, f"must be an <HRSC_Image>, got <{root.tag}>", AGAIN)
    height, width = number_of(root, "Img_SizeHeight", path), number_of(root, "Img_SizeWidth", path)
    if height != size[0] or width != size[1]:
        raise SampleError(
            path,
            f"is of a picture of {width:g} x {height:g}, the picture has {size[1]} x {size[0]}",
            "check that both are of one copy",
        )
    objects = root.findall("HRSC_Objects/HRSC_Object")
    for item in objects:
        _check_class(text_of(item, "Class_ID", path), path)
    corners = [turned_box(box_corners(item, path), size, path) for item in objects]
    return RotatedTarget(
        corners=np.array(corners, dtype=np.float32).reshape(-1, 4, 2),
        labels=np.zeros(len(objects), dtype=np.int64),
        ignore=np.array([is_difficult(item, path) for item in objects], dtype=np.bool_),
    )


def box_corners(item: Element, path: Path) -> NDArray[np.float64]:
    """Corners (4, 2) of one <HRSC_Object>: x = cx + u cos a - v sin a, y = cy + u sin a + v cos a."""
    x, y, width, height, angle = (number_of(item, f"mbox_{part}", path) for part in ("cx", "cy", "w", "h", "ang"))
    if width <= 0 or height <= 0:
        raise SampleError(path, f"a box must have a width and a height, got {width:g} x {height:g}", AGAIN)
    along, across = np.array([-1, 1, 1, -1]) * width / 2, np.array([-1, -1, 1, 1]) * height / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + along * cosine - across * sine, y + along * sine + across * cosine], axis=1)


def _check_class(identity: str, path: Path) -> None:
    last = identity.removeprefix(CLASS_ID_STEM)
    if len(identity) != len(CLASS_ID_STEM) + 2 or not last.isdigit() or not 1 <= int(last) <= LAST_CLASS:
        raise SampleError(
            path, f"<Class_ID> must be {CLASS_ID_STEM}01 to {CLASS_ID_STEM}{LAST_CLASS}, got {identity!r}", AGAIN
        )
