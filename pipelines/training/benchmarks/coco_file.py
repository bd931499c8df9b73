"""A COCO annotation file: {"images": [...], "categories": [...], "annotations": [...]}, one a split.

It is read whole, since the format is one document; what is kept is a few numbers an object. <bbox> is left, top, width
and height in pixels from the picture's corner.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.training.benchmarks.box_check import class_index, upright_box
from pipelines.training.benchmarks.errors import LayoutError, SampleError, SplitError
from pipelines.training.benchmarks.folder import check_inside
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.sample import BoxesTarget

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.training.benchmarks.info import BenchmarkInfo

SIDES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoImage:
    """One entry of "images"."""

    id: int
    name: str
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoObject:
    """One entry of "annotations"."""

    bbox: tuple[float, ...]
    """Left, top, width, height, as stated."""

    category: str
    crowd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoFile:
    """Pictures with their objects."""

    path: Path
    images: tuple[CocoImage, ...]
    objects: dict[int, tuple[CocoObject, ...]]
    """By the picture's id; pictures without an object are not in it."""

    def target(self, index: int, classes: tuple[str, ...]) -> BoxesTarget:
        """Boxes of one picture; checked here, so that one bad box costs one sample.

        Raises:
            SampleError: A box is of no size or leaves the picture, or its class is unknown.
        """
        image = self.images[index]
        found = self.objects.get(image.id, ())
        boxes = []
        for item in found:
            if len(item.bbox) != SIDES or not np.all(np.isfinite(item.bbox)):
                raise SampleError(
                    self.path, f"{image.name}: bbox must be 4 finite numbers, got {item.bbox}", "correct the annotation"
                )
            left, top, width, height = item.bbox
            corners = (left, top, left + width, top + height)
            boxes.append(upright_box(corners, (image.height, image.width), self.path))
        return BoxesTarget(
            boxes=np.array(boxes, dtype=np.float32).reshape(-1, SIDES),
            labels=np.array([class_index(item.category, classes, self.path) for item in found], dtype=np.int64),
            ignore=np.array([item.crowd for item in found], dtype=np.bool_),
        )


def read_coco(path: Path, info: BenchmarkInfo, split: str) -> CocoFile:
    """The annotation file of a split.

    Raises:
        SplitError: It is not there.
        LayoutError: It is no COCO file, lists no picture, or an object is of a picture or a category it does not list.
    """
    if not path.is_file():
        raise SplitError(f"{info.title}: split {split!r} is in {path}, which is not there; get it from {info.home}")
    if not path.stat().st_size:
        raise LayoutError(f"{info.title}: {path} must not be empty, it is; get it again from {info.home}")
    try:
        document = read_json(path)
        images = tuple(_image(entry, path) for entry in document["images"])
        categories = {_whole(entry["id"], "id"): str(entry["name"]) for entry in document["categories"]}
        objects = _objects(document["annotations"], categories, {image.id for image in images})
        _check_once([image.id for image in images], "id")
        _check_once([image.name for image in images], "file_name")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LayoutError(
            f"{info.title}: {path} must be a COCO annotation file ({type(error).__name__}: {error}); "
            f"get it again from {info.home}"
        ) from error
    if not images:
        raise LayoutError(f"{info.title}: {path} must list at least one picture, it lists none; get it again")
    return CocoFile(path=path, images=images, objects=objects)


def _image(entry: dict[str, Any], path: Path) -> CocoImage:
    return CocoImage(
        id=_whole(entry["id"], "id"),
        name=check_inside(str(entry["file_name"]), path),
        height=_whole(entry["height"], "height"),
        width=_whole(entry["width"], "width"),
    )


def _whole(value: Any, key: str) -> int:
    """A whole number; 7.0 is one, "7" and 7.5 are not."""
    if isinstance(value, str) or value != int(value):
        raise ValueError(f"{key} must be a whole number, got {value!r}")
    return int(value)


def _check_once(values: list[Any], key: str) -> None:
    twice = sorted(value for value, times in Counter(values).items() if times > 1)
    if twice:
        raise ValueError(f"{key} of a picture must stand once, {twice[:3]} stand more often")


def _objects(
    entries: list[dict[str, Any]], categories: dict[int, str], known: set[int]
) -> dict[int, tuple[CocoObject, ...]]:
    found: dict[int, list[CocoObject]] = {}
    for entry in entries:
        image, category = (_whole(entry[key], key) for key in ("image_id", "category_id"))
        if image not in known:
            raise ValueError(f"annotation {entry.get('id')} is of image {image}, which is not listed")
        if category not in categories:
            raise ValueError(f"annotation {entry.get('id')} is of category {category}, which is not listed")
        bbox = tuple(float(value) for value in entry["bbox"])
        crowd = _whole(entry.get("iscrowd", 0), "iscrowd")
        if crowd not in {0, 1}:
            raise ValueError(f"iscrowd must be 0 or 1, got {crowd}")
        found.setdefault(image, []).append(CocoObject(bbox=bbox, category=categories[category], crowd=crowd == 1))
    return {image: tuple(objects) for image, objects in found.items()}
