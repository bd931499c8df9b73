"""ISPRS Potsdam: 38 aerial true orthophotos of 6000 x 6000 pixels at 5 cm, six classes and heights.

File names, tiles and colours follow the set as published by ISPRS WG II/4. The reference of some tiles is known to hold
a few pixels of other colours; the option `tolerated` says which share of a tile may become IGNORE instead of an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pipelines.training.benchmarks.errors import SplitError
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.isprs_tiles import BOUNDARY, COLOURS, METRES_PER_STEP, read_height
from pipelines.training.benchmarks.listing import check_files
from pipelines.training.benchmarks.mask_codes import read_colour_mask
from pipelines.training.benchmarks.measures import HEIGHT, SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, HeightTarget, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Composition = Literal["RGB", "IRRG", "RGBIR"]

TILES: Final = {
    "train": (
        "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 "
        "6_7 6_8 6_9 6_10 6_11 6_12 7_7 7_8 7_9 7_10 7_11 7_12"
    ),
    "test": "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13",
}
"""The contest's 24 tiles with reference and 14 for evaluation (their reference was published later)."""

BANDS: Final[dict[Composition, tuple[str, ...]]] = {
    "RGB": ("red", "green", "blue"),
    "IRRG": ("nir", "red", "green"),
    "RGBIR": ("red", "green", "blue", "nir"),
}
FOLDERS: Final[dict[Composition, str]] = {"RGB": "2_Ortho_RGB", "IRRG": "3_Ortho_IRRG", "RGBIR": "4_Ortho_RGBIR"}
WHOLE_TABLE: Final = {colour: index for index, colour in enumerate(COLOURS.values())}
TABLE: Final = WHOLE_TABLE | {BOUNDARY: IGNORE}
HOME: Final = "https://www.isprs.org/education/benchmarks/UrbanSemLab/2d-sem-label-potsdam.aspx"
LICENCE: Final = "research use on the terms of ISPRS and BSF Swissphoto; cite the set, no redistribution"
CITATION: Final = "Rottensteiner et al.: The ISPRS benchmark on urban object classification, ISPRS Annals I-3, 2012"
LAYOUT: Final = """\
Potsdam/
  2_Ortho_RGB/top_potsdam_2_10_RGB.tif ...
  3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif ...
  4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif ...
  5_Labels_all/top_potsdam_2_10_label.tif ...
  5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif ...
  1_DSM_normalisation/dsm_potsdam_02_10_normalized_lastools.jpg ...   (for heights)"""


def tiles_of(split: str) -> list[str]:
    """Official tiles of a split: `2_10`, ..."""
    return TILES[split].split()


def image_path(root: Path, tile: str, composition: Composition) -> Path:
    """The tile's orthophoto."""
    return root / FOLDERS[composition] / f"top_potsdam_{tile}_{composition}.tif"


def image_format(composition: Composition) -> ImageFormat:
    """How an orthophoto of this composition is stored.

    Raises:
        SplitError: There is no such composition.
    """
    if composition not in BANDS:
        raise SplitError(f"ISPRS Potsdam: composition must be one of {list(BANDS)}, got {composition!r}")
    modality: Literal["optical", "ms"] = "ms" if composition == "RGBIR" else "optical"
    return ImageFormat(bands=BANDS[composition], modality=modality, unit="digital_number", gsd_m=0.05, types=("uint8",))


class Potsdam(IndexedBenchmark):
    """Six classes a pixel."""

    info = BenchmarkInfo(
        name="isprs-potsdam",
        title="ISPRS Potsdam, 2D semantic labelling",
        task="segmentation",
        classes=tuple(COLOURS),
        splits=tuple(TILES),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
        paper_run=True,
    )

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        composition: Composition = "RGB",
        eroded: bool = False,
        tolerated: float = 0.0,
    ) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train" or "test".
            composition: Which orthophotos.
            eroded: Take the reference whose object borders do not count.
            tolerated: Share of a tile's pixels that may have a colour of no class; they do not count.

        Raises:
            BenchmarkError: No such folder, split or composition, or missing files of official tiles.
        """
        self.composition, self.eroded, self.tolerated = composition, eroded, tolerated
        self.form = image_format(composition)
        super().__init__(root, split)

    def label_path(self, tile: str) -> Path:
        """The tile's reference."""
        if self.eroded:
            return self.root / "5_Labels_all_noBoundary" / f"top_potsdam_{tile}_label_noBoundary.tif"
        return self.root / "5_Labels_all" / f"top_potsdam_{tile}_label.tif"

    def _list(self) -> Sequence[str]:
        tiles = tiles_of(self.split)
        check_files((image_path(self.root, tile, self.composition) for tile in tiles), self.info)
        check_files((self.label_path(tile) for tile in tiles), self.info)
        return tiles

    def _read(self, entry: str) -> Sample:
        image = read_image(image_path(self.root, entry, self.composition), self.form)
        path = self.label_path(entry)
        mask = read_colour_mask(path, TABLE if self.eroded else WHOLE_TABLE, tolerated=self.tolerated)
        check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))


class PotsdamHeight(IndexedBenchmark):
    """Height above ground a pixel, from the set's normalised surface models."""

    info = BenchmarkInfo(
        name="isprs-potsdam-height",
        title="ISPRS Potsdam, height above ground",
        task="height",
        classes=(),
        splits=tuple(TILES),
        metrics=HEIGHT,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
        paper_run=True,
    )

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        composition: Composition = "RGB",
        metres_per_step: float = METRES_PER_STEP,
    ) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: "train" or "test".
            composition: Which orthophotos.
            metres_per_step: Height of one step of the 8-bit models; see `isprs_tiles.METRES_PER_STEP`.

        Raises:
            BenchmarkError: No such folder, split or composition, or missing files of official tiles.
        """
        self.composition, self.metres_per_step = composition, metres_per_step
        self.form = image_format(composition)
        super().__init__(root, split)

    def height_path(self, tile: str) -> Path:
        """The tile's normalised surface model; its name has two digits a number."""
        row, _, column = tile.partition("_")
        name = f"dsm_potsdam_{int(row):02d}_{int(column):02d}_normalized_lastools.jpg"
        return self.root / "1_DSM_normalisation" / name

    def _list(self) -> Sequence[str]:
        tiles = tiles_of(self.split)
        check_files((image_path(self.root, tile, self.composition) for tile in tiles), self.info)
        check_files((self.height_path(tile) for tile in tiles), self.info)
        return tiles

    def _read(self, entry: str) -> Sample:
        image = read_image(image_path(self.root, entry, self.composition), self.form)
        path = self.height_path(entry)
        height = read_height(path, self.metres_per_step)
        check_same_size(path, image, height.shape)
        return Sample(id=entry, images=(image,), target=HeightTarget(height_m=height))
