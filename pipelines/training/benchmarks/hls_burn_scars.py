"""HLS Burn Scars: 804 images of 512 x 512 pixels of Harmonized Landsat Sentinel-2; one of PANGAEA's sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE: Final = {-1: IGNORE, 0: 0, 1: 1}
SUFFIX: Final = "_merged.tif"

FORM: Final = ImageFormat(
    bands=("B02", "B03", "B04", "B8A", "B11", "B12"),
    modality="ms",
    unit="reflectance",
    gsd_m=30.0,
    nodata=(-9999.0, 9999.0),
    types=("float32", "float64"),
)
"""Missing pixels are -9999 in HLS; PANGAEA's reader takes 9999 for missing. Neither is a reflectance."""


class HlsBurnScars(IndexedBenchmark):
    """The two folders as published. PANGAEA tests on `validation` and takes its own 10 % of `training` to validate."""

    info = BenchmarkInfo(
        name="pangaea-hls-burn-scars",
        title="HLS Burn Scars",
        task="segmentation",
        classes=("not burned", "burn scar"),
        splits=("training", "validation"),
        metrics=SEGMENTATION,
        home="https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars",
        licence="CC BY 4.0",
        layout="""\
hls_burn_scars/
  training/subsetted_512x512_HLS.S30.T10SDH.2020248.v1.4_merged.tif, ....mask.tif, ...
  validation/...""",
        citation="Phillips et al.: HLS Foundation Burnscars Dataset, 2023, doi 10.57967/hf/0956",
    )

    def _list(self) -> Sequence[str]:
        self.base = check_part(self.root, (self.split,), self.info)
        return [name.removesuffix(SUFFIX) for name in file_names(self.base, (SUFFIX,))]

    def _read(self, entry: str) -> Sample:
        image = read_image(self.base / f"{entry}{SUFFIX}", FORM)
        path = self.base / f"{entry}.mask.tif"
        mask = read_code_mask(path, TABLE)
        check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))
