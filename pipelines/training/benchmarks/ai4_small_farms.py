"""AI4SmallFarms: Sentinel-2 composites of Vietnam and Cambodia with field boundaries; one of PANGAEA's sets.

Paths, bands and the mask's values (0 and 255) are those of PANGAEA's reader; the set itself was not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE: Final = {0: 0, 255: 1}
FOLDERS: Final = {"train": ("train",), "val": ("val", "validate"), "test": ("test",)}
FORM: Final = ImageFormat(bands=("B02", "B03", "B04", "B08"), modality="ms", unit="reflectance", scale=1e-4, gsd_m=10.0)


class Ai4SmallFarms(IndexedBenchmark):
    """Entries are file names, the same for image and mask."""

    info = BenchmarkInfo(
        name="pangaea-ai4smallfarms",
        title="AI4SmallFarms",
        task="segmentation",
        classes=("background", "field boundary"),
        splits=tuple(FOLDERS),
        metrics=SEGMENTATION,
        home="https://doi.org/10.17026/dans-xy6-ngg6",
        licence="CC BY 4.0",
        layout="""\
AI4SmallFarms/
  sentinel-2-asia/train/images/*.tif, train/masks/*.tif   (the same names)
  sentinel-2-asia/validate/... , sentinel-2-asia/test/...""",
        citation=(
            "Persello et al.: AI4SmallFarms: A Data Set for Crop Field Delineation in Southeast Asian Smallholder "
            "Farms, IEEE GRSL 20, 2023"
        ),
    )

    def _list(self) -> Sequence[str]:
        names = tuple(f"sentinel-2-asia/{folder}" for folder in FOLDERS[self.split])
        self.base = check_part(self.root, names, self.info)
        check_part(self.base, ("masks",), self.info)
        return file_names(check_part(self.base, ("images",), self.info), (".tif",))

    def _read(self, entry: str) -> Sample:
        image = read_image(self.base / "images" / entry, FORM)
        path = self.base / "masks" / entry
        mask = read_code_mask(path, TABLE)
        check_same_size(path, image, mask.shape)
        return Sample(id=entry.removesuffix(".tif"), images=(image,), target=MaskTarget(mask=mask))
