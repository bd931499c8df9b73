"""Objects of a PASCAL VOC annotation, as DIOR, DIOR-R and SAR-AIRcraft-1.0 use it.

<annotation> holds <size> (<width>, <height>) and any number of <object>, each with <name>, an optional <difficult> and
a <bndbox> (<xmin>, <ymin>, <xmax>, <ymax>) or a <robndbox> of four corners. Coordinates are taken as pixel edges, as
the detection toolboxes do that report on these sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.box_check import class_index, turned_box, upright_box
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import BoxesTarget, RotatedTarget
from pipelines.training.benchmarks.xml_file import AGAIN, number_of, text_of

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

CORNERS: Final = ("left_top", "right_top", "right_bottom", "left_bottom")
"""Of <robndbox>, in order around the box; <x_...> and <y_...> each."""


def voc_boxes(root: Element, path: Path, classes: tuple[str, ...], size: tuple[int, int]) -> BoxesTarget:
    """Upright boxes of an annotation; none where the image holds no object.

    Args:
        root: <annotation>.
        path: Where it was read.
        classes: The set's names.
        size: Height and width of the image as read.

    Raises:
        SampleError: The stated size is another, or an object breaks a rule.
    """
    objects = checked_objects(root, path, size)
    boxes = [upright_box(_bndbox(item, path), size, path) for item in objects]
    return BoxesTarget(
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        labels=np.array([class_index(text_of(item, "name", path), classes, path) for item in objects], dtype=np.int64),
        ignore=np.array([is_difficult(item, path) for item in objects], dtype=np.bool_),
    )


def voc_rotated(root: Element, path: Path, classes: tuple[str, ...], size: tuple[int, int]) -> RotatedTarget:
    """Turned boxes of an annotation; arguments and errors as `voc_boxes`."""
    objects = checked_objects(root, path, size)
    corners = [turned_box(_robndbox(item, path), size, path) for item in objects]
    return RotatedTarget(
        corners=np.array(corners, dtype=np.float32).reshape(-1, 4, 2),
        labels=np.array([class_index(text_of(item, "name", path), classes, path) for item in objects], dtype=np.int64),
        ignore=np.array([is_difficult(item, path) for item in objects], dtype=np.bool_),
    )


def checked_objects(root: Element, path: Path, size: tuple[int, int]) -> list[Element]:
    """The <object> elements, if the annotation is of an image of this height and width."""
    if root.tag != "annotation":
        raise SampleError(path, f"must be an <annotation>, got <{root.tag}>", AGAIN)
    stated = root.find("size")
    if stated is None:
        raise SampleError(path, "<annotation> must state the <size> of its image, it does not", AGAIN)
    height, width = number_of(stated, "height", path), number_of(stated, "width", path)
    if height != size[0] or width != size[1]:
        raise SampleError(
            path,
            f"is of an image of {width:g} x {height:g}, the image has {size[1]} x {size[0]}",
            "check that both are of one copy",
        )
    return root.findall("object")


def is_difficult(item: Element, path: Path) -> bool:
    """Whether an object is to be neither hit nor miss."""
    text = (item.findtext("difficult") or "0").strip()
    if text not in {"0", "1"}:
        raise SampleError(path, f"<difficult> must be 0 or 1, got {text!r}", AGAIN)
    return text == "1"


def _bndbox(item: Element, path: Path) -> tuple[float, float, float, float]:
    box = _child(item, "bndbox", path)
    left, top, right, bottom = (number_of(box, tag, path) for tag in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, right, bottom


def _robndbox(item: Element, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    box = _child(item, "robndbox", path)
    return np.array([[number_of(box, f"{axis}_{corner}", path) for axis in "xy"] for corner in CORNERS])


def _child(item: Element, tag: str, path: Path) -> Element:
    child = item.find(tag)
    if child is None:
        raise SampleError(path, f"<object> must hold <{tag}>, it does not", AGAIN)
    return child
