"""LoveDA: 5,987 Google Earth images of 1024 x 1024 pixels at 0.3 m, urban and rural, seven classes.

Masks store 0 for no data, which must not count, and 1 to 7 for the classes. Those of the test images are not published.
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
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

CLASSES: Final = ("background", "building", "road", "water", "barren", "forest", "agriculture")
TABLE: Final = {0: IGNORE} | {index + 1: index for index in range(len(CLASSES))}
DOMAINS: Final = ("Urban", "Rural")
FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.3, types=("uint8",))
HOME: Final = "https://doi.org/10.5281/zenodo.5706578"
LICENCE: Final = "CC BY-NC-SA 4.0, academic use only; Google Earth terms for the images"
CITATION: Final = (
    "Wang et al.: LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic Segmentation, "
    "NeurIPS Datasets and Benchmarks 2021"
)
LAYOUT: Final = """\
LoveDA/
  Train/Urban/images_png/1366.png, Train/Urban/masks_png/1366.png, ...
  Train/Rural/...
  Val/Urban/..., Val/Rural/..."""


class LoveDa(IndexedBenchmark):
    """Both domains; entries are `Urban/1366`."""

    info = BenchmarkInfo(
        name="loveda",
        title="LoveDA",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "val"),
        metrics=SEGMENTATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )

    def _list(self) -> Sequence[str]:
        self.base = check_part(self.root, (self.split.capitalize(),), self.info)
        entries: list[str] = []
        for domain in DOMAINS:
            masks = check_part(self.base, (f"{domain}/masks_png",), self.info)
            entries.extend(f"{domain}/{name.removesuffix('.png')}" for name in file_names(masks, (".png",)))
        return entries

    def read_mask(self, entry: str) -> NDArray[np.int64]:
        """The mask alone, (y, x)."""
        domain, _, name = entry.partition("/")
        return read_code_mask(self.base / domain / "masks_png" / f"{name}.png", TABLE)

    def _read(self, entry: str) -> Sample:
        domain, _, name = entry.partition("/")
        image = read_image(self.base / domain / "images_png" / f"{name}.png", FORM)
        mask = self.read_mask(entry)
        check_same_size(self.base / domain / "masks_png" / f"{name}.png", image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))


class FewShotLoveDa(FewShotMasks):
    """Classes shown in a few images of `train` and asked for in all of `val`; no published folds are known."""

    info = replace(
        LoveDa.info, name="loveda-few-shot", title="LoveDA, few-shot", splits=("support", "query"), paper_run=True
    )
    source = LoveDa
