"""SpaceNet 7: monthly Planet mosaics of 4 m of growing places, with the outline of every building; a set of PANGAEA's.

Read is the published training set; that of the test has no labels. `images_masked` has red, green, blue and opacity in
8 bits, and `labels_match_pix` outlines in pixels (torchgeo's reader and those of the challenge's entries). PANGAEA's
package has masks drawn from them in `labels_raster`, above 0 in buildings, and in `metadata_train.json` the months that
no cloud was cut out of, which alone it reads. Its places of a split are in `spacenet7_places`. Of changes it tests on
the first month and the one in the middle; what it trains on are drawn pairs, here the same two months.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.change_pairs import CLASSES as CHANGE_CLASSES
from pipelines.training.benchmarks.errors import LayoutError, SampleError
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.geojson_mask import read_geojson_mask
from pipelines.training.benchmarks.image_format import RGB, ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.measures import CHANGE, SEGMENTATION
from pipelines.training.benchmarks.raster import check_shape, read_raster
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample
from pipelines.training.benchmarks.spacenet7_places import PLACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import BenchmarkImage

METADATA: Final = "metadata_train.json"

FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=4.0, types=("uint8",))

HOME: Final = "https://spacenet.ai/sn7-challenge/"
LICENCE: Final = "CC BY-SA 4.0, as all of SpaceNet's sets"
CITATION: Final = "Van Etten et al.: The Multi-Temporal Urban Development SpaceNet Dataset, CVPR 2021"
LAYOUT: Final = """\
SN7_buildings_train/    (or PANGAEA's spacenet7/)
  train/L15-0331E-1257N_1327_3160_13/images_masked/global_monthly_2018_01_mosaic_L15-0331E-1257N_1327_3160_13.tif, ...
  train/L15-0331E-1257N_1327_3160_13/labels_match_pix/..._Buildings.geojson, ...    (SpaceNet's), or
  train/L15-0331E-1257N_1327_3160_13/labels_raster/..._Buildings.tif, ...           (PANGAEA's, with the next file)
  metadata_train.json"""


class SpaceNet7Months(IndexedBenchmark):
    """What both tasks share: the months of a place that count, and what is read of one."""

    def _list(self) -> Sequence[str]:
        self.base = check_part(self.root, ("train",), self.info)
        path = self.root / METADATA
        listed = _listed(path) if path.is_file() else None
        return [
            entry
            for place in PLACES[self.split]
            for entry in self._of_place(place, sorted(self._months(place, listed)))
        ]

    @abstractmethod
    def _of_place(self, place: str, months: Sequence[str]) -> list[str]:
        """Entries of a place whose months, such as 2018_01, follow each other in time."""

    def _months(self, place: str, listed: Mapping[str, list[str]] | None) -> list[str]:
        if listed is not None:
            if place not in listed:
                raise LayoutError(
                    f"{self.info.title}: {self.root / METADATA} must list every place of the split, {place} is not "
                    "there; get it again"
                )
            return listed[place]
        found = file_names(check_part(self.base, (f"{place}/images_masked",), self.info), (".tif",))
        matches = [
            re.fullmatch(rf"global_monthly_(\d{{4}}_\d\d)_mosaic_{re.escape(place)}\.tif", name) for name in found
        ]
        return [match.group(1) for match in matches if match]

    def _image(self, place: str, month: str) -> BenchmarkImage:
        path = self.base / place / "images_masked" / f"{_stem(place, month)}.tif"
        stored = check_shape(read_raster(path), path, bands=len(RGB) + 1)
        image = image_of(stored[: len(RGB)], path, FORM, time=f"{month.replace('_', '-')}-01")
        image.valid[stored[-1] == 0] = False
        image.pixels[:, ~image.valid] = np.nan
        return image

    def _buildings(self, place: str, month: str, image: BenchmarkImage) -> NDArray[np.int64]:
        """1 in buildings, 0 elsewhere, IGNORE where the image was cut out."""
        mask: NDArray[np.int64]
        folder, name = self.base / place, f"{_stem(place, month)}_Buildings"
        path = folder / "labels_raster" / f"{name}.tif"
        if path.parent.is_dir():
            mask = (check_shape(read_raster(path), path, bands=1)[0] > 0).astype(np.int64)
            check_same_size(path, image, mask.shape)
        else:
            mask = read_geojson_mask(folder / "labels_match_pix" / f"{name}.geojson", image.size)
        mask[~image.valid] = IGNORE
        return mask


class SpaceNet7(SpaceNet7Months):
    """Buildings. Entries are `L15-0331E-1257N_1327_3160_13/2018_01`: place and month."""

    info = BenchmarkInfo(
        name="pangaea-spacenet7",
        title="SpaceNet 7, buildings",
        task="segmentation",
        classes=("background", "building"),
        splits=tuple(PLACES),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )

    def _of_place(self, place: str, months: Sequence[str]) -> list[str]:
        return [f"{place}/{month}" for month in months]

    def _read(self, entry: str) -> Sample:
        place, month = entry.split("/")
        image = self._image(place, month)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=self._buildings(place, month, image)))


class SpaceNet7Change(SpaceNet7Months):
    """Buildings that came or went. Entries are `L15-0331E-1257N_1327_3160_13/2018_01/2019_01`: place and two months."""

    info = BenchmarkInfo(
        name="pangaea-spacenet7-change",
        title="SpaceNet 7, change of buildings",
        task="change",
        classes=CHANGE_CLASSES,
        splits=tuple(PLACES),
        metrics=CHANGE,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )

    def _of_place(self, place: str, months: Sequence[str]) -> list[str]:
        if len(months) < 2:  # noqa: PLR2004 before and after
            raise LayoutError(
                f"{self.info.title}: {place} must have two months or more to compare, got {list(months)}; get it again"
            )
        return [f"{place}/{months[0]}/{months[len(months) // 2]}"]

    def _read(self, entry: str) -> Sample:
        place, *months = entry.split("/")
        images = tuple(self._image(place, month) for month in months)
        check_same_size(
            self.base / place / "images_masked" / f"{_stem(place, months[1])}.tif", images[1], images[0].size
        )
        before, after = (self._buildings(place, month, image) for month, image in zip(months, images, strict=True))
        mask = (before != after).astype(np.int64)
        mask[(before == IGNORE) | (after == IGNORE)] = IGNORE
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))


def _stem(place: str, month: str) -> str:
    return f"global_monthly_{month}_mosaic_{place}"


def _listed(path: Path) -> dict[str, list[str]]:
    """Months by place that have a label and no cut-out, of PANGAEA's list."""
    document: Any = read_json(path)
    try:
        return {
            place: [
                f"{int(one['year']):04d}_{int(one['month']):02d}" for one in months if one["label"] and not one["mask"]
            ]
            for place, months in document.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SampleError(
            path, f"must list year, month, label and mask of each place's months ({error!r})", "get the file again"
        ) from error
