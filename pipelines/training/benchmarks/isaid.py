"""iSAID: the images of DOTA v1 (Google Earth, GF-2, JL-1) with 15 kinds of object drawn to the pixel.

The semantic masks are `*_instance_color_RGB.png`: one colour a class, black elsewhere. The colours are those of the
authors' development kit as OpenMMLab's converter lists them. Masks of the test images are withheld by the authors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.few_shot_masks import FewShotMasks
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import RGB, ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_colour_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

COLOURS: Final = {
    "background": (0, 0, 0),
    "ship": (0, 0, 63),
    "storage_tank": (0, 63, 63),
    "baseball_diamond": (0, 63, 0),
    "tennis_court": (0, 63, 127),
    "basketball_court": (0, 63, 191),
    "ground_track_field": (0, 63, 255),
    "bridge": (0, 127, 63),
    "large_vehicle": (0, 127, 127),
    "small_vehicle": (0, 0, 127),
    "helicopter": (0, 0, 191),
    "swimming_pool": (0, 0, 255),
    "roundabout": (0, 191, 127),
    "soccer_ball_field": (0, 127, 191),
    "plane": (0, 127, 255),
    "harbor": (0, 100, 155),
}
"""Class -> red, green, blue."""

CLASSES: Final = tuple(COLOURS)
TABLE: Final = {colour: index for index, colour in enumerate(COLOURS.values())}
MASK_SUFFIX: Final = "_instance_color_RGB.png"

FOLDS: Final = (CLASSES[1:6], CLASSES[6:11], CLASSES[11:16])
"""The three folds of unseen classes of iSAID-5i (Yao et al., scale-aware detailed matching, IEEE TGRS 2021)."""

FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", types=("uint8",))
HOME: Final = "https://captain-whu.github.io/iSAID/"
LICENCE: Final = "academic use only, no commercial use (iSAID and DOTA terms; Google Earth terms for its images)"
CITATION: Final = (
    "Waqas Zamir et al.: iSAID: A Large-scale Dataset for Instance Segmentation in Aerial Images, CVPR Workshops 2019"
)
LAYOUT: Final = """\
iSAID/
  train/images/P0000.png, P0000_instance_color_RGB.png, P0000_instance_id_RGB.png, ...
  val/images/...
(masks may also lie in train/Semantic_masks/images/; patches cut by the development kit are named alike)"""


class Isaid(IndexedBenchmark):
    """Whole images or the development kit's patches; entries are names without suffix."""

    info = BenchmarkInfo(
        name="isaid",
        title="iSAID (semantic masks)",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "val"),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        self.images = check_part(self.root, (f"{self.split}/images",), self.info)
        parted = self.root / self.split / "Semantic_masks" / "images"
        self.masks: Path = parted if parted.is_dir() else self.images
        return [name.removesuffix(MASK_SUFFIX) for name in file_names(self.masks, (MASK_SUFFIX.lower(),))]

    def read_mask(self, entry: str) -> NDArray[np.int64]:
        """The mask alone, (y, x)."""
        return read_colour_mask(self.masks / f"{entry}{MASK_SUFFIX}", TABLE)

    def _read(self, entry: str) -> Sample:
        image = read_image(self.images / f"{entry}.png", FORM)
        mask = self.read_mask(entry)
        check_same_size(self.masks / f"{entry}{MASK_SUFFIX}", image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))


class FewShotIsaid(FewShotMasks):
    """Classes of one fold shown in a few images of `train` and asked for in all of `val`."""

    info = replace(Isaid.info, name="isaid-few-shot", title="iSAID, few-shot", splits=("support", "query"))
    source = Isaid
    folds = FOLDS
