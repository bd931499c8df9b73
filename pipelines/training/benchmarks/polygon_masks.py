"""Masks from the polygons of a COCO annotation file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError, SampleError
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.sample import IGNORE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MIN_NUMBERS: Final = 6
"""x and y of three corners."""

MAX_PIXEL: Final = 1e7
"""Corners further out are no pixels of any image; infinity, NaN and integers that no float holds are among them."""

Region = tuple[int, Any]
"""Index of the class and COCO's `segmentation` as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonMasks:
    """Regions of each image of a file. Corners are x, y from the outer corner of the first pixel."""

    path: Path
    regions: Mapping[str, tuple[Region, ...]]
    """File name -> regions in the file's order; images without any have none."""

    @classmethod
    def open(cls, path: Path, index_of: Mapping[str, int] | None) -> PolygonMasks:
        """Reads an annotation file.

        Args:
            path: The JSON file.
            index_of: Index of the class of each category's name; None: every category is class 1.

        Raises:
            SampleError: Not JSON, or an entry lacks what COCO gives it.
            LayoutError: A category, or an annotation's image, is none of the set's, or images share an id or a name.
        """
        try:
            content = read_json(path)
            names = {image["id"]: str(image["file_name"]) for image in content["images"]}
            if len(set(names.values())) != len(content["images"]):
                raise LayoutError(
                    f"{path}: images must have ids and file names of their own, {len(content['images'])} share "
                    f"{len(names)} ids and {len(set(names.values()))} names; get the annotations again"
                )
            categories = {category["id"]: str(category["name"]) for category in content["categories"]}
            found: dict[str, list[Region]] = {name: [] for name in names.values()}
            indices = cls._indices(path, categories, index_of)
            for annotation in content["annotations"]:
                category, image = annotation["category_id"], annotation["image_id"]
                if category not in indices or image not in names:
                    raise LayoutError(
                        f"{path}: an annotation must be of a category {sorted(indices)} and an image of the file, "
                        f"got category {category!r} and image {image!r}; get the annotations again"
                    )
                found[names[image]].append((_index(annotation, indices[category]), annotation["segmentation"]))
        except (KeyError, TypeError) as error:
            raise SampleError(
                path, f"must be a COCO annotation file ({error!r})", "get the annotations again"
            ) from error
        return cls(path=path, regions={name: tuple(regions) for name, regions in found.items()})

    @staticmethod
    def _indices(path: Path, categories: Mapping[Any, str], index_of: Mapping[str, int] | None) -> dict[Any, int]:
        if index_of is None:
            return dict.fromkeys(categories, 1)
        unknown = sorted(set(categories.values()) - set(index_of))
        if unknown:
            raise LayoutError(f"{path}: categories must be among {sorted(index_of)}, got {unknown}; check the track")
        return {key: index_of[name] for key, name in categories.items()}

    def file_names(self) -> list[str]:
        """Sorted names of the annotated images."""
        return sorted(self.regions)

    def mask(self, name: str, size: tuple[int, int]) -> NDArray[np.int64]:
        """Indices of classes, (y, x), background 0; later regions lie over earlier ones.

        Raises:
            SampleError: A region is no list of polygons.
        """
        from rasterio.features import rasterize

        shapes = [
            (geometry, index)
            for index, segmentation in self.regions[name]
            for geometry in self._geometries(name, segmentation)
        ]
        mask = np.zeros(size, np.int64)
        if shapes:
            mask[:] = rasterize(shapes, out_shape=size, fill=0, dtype="uint8")
        return mask

    def _geometries(self, name: str, segmentation: Any) -> list[dict[str, Any]]:
        geometries = []
        for ring in segmentation if isinstance(segmentation, list) else [None]:
            if not _is_ring(ring):
                raise SampleError(
                    self.path,
                    f"regions must be lists of x, y of 3 or more corners, {name} has {ring!r:.80}",
                    "mend it",
                )
            corners = [(float(x), float(y)) for x, y in zip(ring[::2], ring[1::2], strict=True)]
            geometries.append({"type": "Polygon", "coordinates": [[*corners, corners[0]]]})
        return geometries


def _index(annotation: Mapping[str, Any], index: int) -> int:
    return IGNORE if annotation.get("iscrowd") else index


def _is_ring(ring: Any) -> TypeGuard[list[float]]:
    return (
        isinstance(ring, list)
        and len(ring) >= MIN_NUMBERS
        and len(ring) % 2 == 0
        and all(_is_number(value) and -MAX_PIXEL < value < MAX_PIXEL for value in ring)
    )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
