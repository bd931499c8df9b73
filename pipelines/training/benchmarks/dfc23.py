"""DFC23: satellite RGB and SAR of 17 cities with buildings drawn as polygons (IEEE GRSS Data Fusion Contest 2023).

The paper uses the set for segmentation without saying of what. Track 2 tells buildings from the rest; track 1 tells
twelve types of roof. Masks are the polygons of the COCO files: a pixel is of a building where its centre lies inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.folder import check_inside, check_part
from pipelines.training.benchmarks.image_format import RGB, ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.polygon_masks import PolygonMasks
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOFS: Final = (
    "flat_roof",
    "gable_roof",
    "gambrel_roof",
    "row_roof",
    "multiple_eave_roof",
    "hipped_roof_v1",
    "hipped_roof_v2",
    "mansard_roof",
    "pyramid_roof",
    "arched_roof",
    "revolved",
    "other",
)
"""Roof types in the order of the contest's baseline."""

OPTICAL: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", types=("uint8",))
SAR: Final = ImageFormat(bands=("amplitude",), modality="sar_l2", unit="digital_number")
HOME: Final = "https://www.grss-ieee.org/community/technical-committees/2023-ieee-grss-data-fusion-contest/"
LICENCE: Final = "contest terms: research use after registration, no redistribution"
CITATION: Final = (
    "Persello et al.: 2023 IEEE GRSS Data Fusion Contest: Large-Scale Fine-Grained Building Classification for "
    "Semantic Urban Reconstruction, IEEE GRSM 11(1), 2023"
)


class _Dfc23(IndexedBenchmark):
    """RGB first, then SAR; entries are the annotations' file names. The polygons of the split are kept in memory."""

    annotations: ClassVar[str]
    """Stem of the annotation files."""

    def _list(self) -> Sequence[str]:
        path = check_part(self.root, (f"annotations/{self.annotations}_{self.split}.json",), self.info)
        self.base = check_part(self.root, (self.split,), self.info)
        for folder in ("rgb", "sar"):
            check_part(self.base, (folder,), self.info)
        self.polygons = PolygonMasks.open(path, self._categories())
        names = self.polygons.file_names()
        for name in names:
            check_inside(name, path)
        return names

    def _categories(self) -> dict[str, int] | None:
        """Index of each category's class, None where every category is class 1."""
        return None

    def _read(self, entry: str) -> Sample:
        images = (read_image(self.base / "rgb" / entry, OPTICAL), read_image(self.base / "sar" / entry, SAR))
        check_same_size(self.base / "sar" / entry, images[0], images[1].size)
        mask = self.polygons.mask(entry, images[0].size)
        return Sample(id=entry.removesuffix(".tif"), images=images, target=MaskTarget(mask=mask))


class Dfc23Buildings(_Dfc23):
    """Track 2: building or not."""

    info = BenchmarkInfo(
        name="dfc23",
        title="DFC23, track 2 (buildings)",
        task="segmentation",
        classes=("background", "building"),
        splits=("train", "val", "test"),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout="""\
DFC_Track_2/
  annotations/buildings_only_train.json, buildings_only_val.json, buildings_only_test.json
  train/rgb/P0001.tif ..., train/sar/P0001.tif ..., train/height/P0001.tif ...
  val/..., test/...""",
        citation=CITATION,
        paper_run=True,
    )
    annotations = "buildings_only"


class Dfc23Roofs(_Dfc23):
    """Track 1: the type of roof. Annotations of `val` and `test` were withheld during the contest."""

    info = BenchmarkInfo(
        name="dfc23-roofs",
        title="DFC23, track 1 (roof types)",
        task="segmentation",
        classes=("background", *ROOFS),
        splits=("train", "val", "test"),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout="""\
DFC_Track_1/
  annotations/roof_fine_train.json
  train/rgb/P0001.tif ..., train/sar/P0001.tif ...
  val/..., test/...""",
        citation=CITATION,
    )
    annotations = "roof_fine"

    def _categories(self) -> dict[str, int]:
        return {name: index + 1 for index, name in enumerate(ROOFS)}
