"""ISPRS Vaihingen: 33 aerial true orthophotos (near infrared, red, green) at 9 cm, with heights above ground.

The official folder `dsm` holds heights above the sea; heights above ground are Gerke's (2015), in a folder `ndsm` of
8-bit files. The division is the contest's: 16 tiles with reference, 17 for evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.isprs_tiles import METRES_PER_STEP, read_height
from pipelines.training.benchmarks.listing import check_files
from pipelines.training.benchmarks.measures import HEIGHT
from pipelines.training.benchmarks.sample import HeightTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TILES: Final = {
    "train": (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37),
    "test": (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38),
}

HEIGHT_NAMES: Final = ("dsm_09cm_matching_area{}_normalized.jpg", "ndsm_09cm_matching_area{}.bmp")
"""Names under which Gerke's heights are in use; the first that is there is read."""

FORM: Final = ImageFormat(
    bands=("nir", "red", "green"), modality="optical", unit="digital_number", gsd_m=0.09, types=("uint8",)
)


class VaihingenHeight(IndexedBenchmark):
    """Height above ground a pixel; entries are `area1`."""

    info = BenchmarkInfo(
        name="isprs-vaihingen-height",
        title="ISPRS Vaihingen, height above ground",
        task="height",
        classes=(),
        splits=tuple(TILES),
        metrics=HEIGHT,
        home="https://www.isprs.org/education/benchmarks/UrbanSemLab/2d-sem-label-vaihingen.aspx",
        licence="research use on the terms of ISPRS and DGPF; cite the set, no redistribution",
        layout="""\
Vaihingen/
  top/top_mosaic_09cm_area1.tif ...
  ndsm/dsm_09cm_matching_area1_normalized.jpg ...   (Gerke 2015, doi 10.13140/2.1.5015.9683; or
       ndsm_09cm_matching_area1.bmp ...)""",
        citation=(
            "Rottensteiner et al.: The ISPRS benchmark on urban object classification, ISPRS Annals I-3, 2012; "
            "heights: Gerke: Use of the Stair Vision Library within the ISPRS 2D Semantic Labeling Benchmark "
            "(Vaihingen), 2015"
        ),
        paper_run=True,
    )

    def __init__(self, root: Path, split: str, *, metres_per_step: float = METRES_PER_STEP) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train" or "test".
            metres_per_step: Height of one step of the 8-bit models; see `isprs_tiles.METRES_PER_STEP`.

        Raises:
            BenchmarkError: No such folder or split, or missing files of official tiles.
        """
        self.metres_per_step = metres_per_step
        super().__init__(root, split)

    def image_path(self, tile: str) -> Path:
        """The tile's orthophoto."""
        return self.root / "top" / f"top_mosaic_09cm_{tile}.tif"

    def height_path(self, tile: str) -> Path:
        """The tile's height above ground, under the first name that is there."""
        number = tile.removeprefix("area")
        paths = [self.root / "ndsm" / name.format(number) for name in HEIGHT_NAMES]
        return next((path for path in paths if path.is_file()), paths[0])

    def _list(self) -> Sequence[str]:
        tiles = [f"area{number}" for number in TILES[self.split]]
        check_files((self.image_path(tile) for tile in tiles), self.info)
        check_files((self.height_path(tile) for tile in tiles), self.info)
        return tiles

    def _read(self, entry: str) -> Sample:
        image = read_image(self.image_path(entry), FORM)
        path = self.height_path(entry)
        height = read_height(path, self.metres_per_step)
        check_same_size(path, image, height.shape)
        return Sample(id=entry, images=(image,), target=HeightTarget(height_m=height))
