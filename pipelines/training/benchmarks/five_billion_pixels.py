"""Five-Billion-Pixels: 150 Gaofen-2 scenes of China, 4 m, 24 classes of land cover; one of PANGAEA's sets.

Folders, band order, class indices and the 30 test scenes are those of the readme that comes with the set. The 8-bit
images are read, as in the authors' article and by PANGAEA, which crops them in a way that is not published. Their TIFFs
are tagged as printing colours, cyan to black (found so by github.com/liurijin123/five-billion-pixels-gid5-tiling in all
150): a reader that believes the tag turns near infrared, red, green and blue into other colours. It is not believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import check_files, file_names
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.raster import check_shape, read_raw_tiff
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASSES: Final = (
    "industrial area",
    "paddy field",
    "irrigated field",
    "dry cropland",
    "garden land",
    "arbor forest",
    "shrub forest",
    "park",
    "natural meadow",
    "artificial meadow",
    "river",
    "urban residential",
    "lake",
    "pond",
    "fish pond",
    "snow",
    "bareland",
    "rural residential",
    "stadium",
    "square",
    "road",
    "overpass",
    "railway station",
    "airport",
)
TABLE: Final = {0: IGNORE} | {index + 1: index for index in range(len(CLASSES))}
"""0 is unlabelled."""

TEST: Final = tuple(
    f"GF2_PMS{camera}__L1A{number}-MSS{camera}"
    for camera, numbers in {
        1: """0001064454 0001118839 0001344822 0001348919 0001366278 0001366284 0001395956 0001432972 0001670888
        0001680857 0001680858 0001757429 0001765574""",
        2: """0000607677 0000607681 0000718813 0001038935 0001038936 0001119060 0001367840 0001378491 0001378501
        0001396036 0001396037 0001416129 0001471436 0001517494 0001591676 0001787564 0001821754""",
    }.items()
    for number in numbers.split()
)
"""Scenes of the authors' baseline test, by the camera that took them."""

IMAGES: Final = ("Image__8bit_NirRGB", "Image_8bit_NirRGB")
LABELS: Final = ("Annotation__index", "Annotation_index")
LABEL_SUFFIX: Final = "_24label.png"

FORM: Final = ImageFormat(
    bands=("nir", "red", "green", "blue"), modality="ms", unit="digital_number", gsd_m=4.0, types=("uint8",)
)
"""Quantised anew by the authors."""


class FiveBillionPixels(IndexedBenchmark):
    """Entries are names of images, of 49 million pixels each: a scene takes some gigabytes while it is read."""

    info = BenchmarkInfo(
        name="pangaea-five-billion-pixels",
        title="Five-Billion-Pixels",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "test"),
        metrics=SEGMENTATION,
        home="https://x-ytong.github.io/project/Five-Billion-Pixels.html",
        licence="none stated in the set's readme; see the authors' page",
        layout="""\
Five-Billion-Pixels/
  Image__8bit_NirRGB/GF2_PMS1__L1A0001064454-MSS1.tif, ...
  Annotation__index/GF2_PMS1__L1A0001064454-MSS1_24label.png, ...""",
        citation=(
            "Tong et al.: Enabling country-scale land cover mapping with meter-resolution satellite imagery, ISPRS J. "
            "Photogrammetry and Remote Sensing 196, 2023"
        ),
    )

    def _list(self) -> Sequence[str]:
        self.images = check_part(self.root, IMAGES, self.info)
        self.labels = check_part(self.root, LABELS, self.info)
        names = file_names(self.images, (".tif", ".tiff"))
        if self.split == "train":
            return [name for name in names if _stem(name) not in TEST]
        found = [name for name in names if _stem(name) in TEST]
        check_files((self.images / f"{scene}.tif" for scene in TEST if scene not in map(_stem, found)), self.info)
        return found

    def _read(self, entry: str) -> Sample:
        path = self.images / entry
        image = image_of(check_shape(read_raw_tiff(path), path, bands=len(FORM.bands)), path, FORM)
        path = self.labels / f"{_stem(entry)}{LABEL_SUFFIX}"
        mask = read_code_mask(path, TABLE)
        check_same_size(path, image, mask.shape)
        return Sample(id=_stem(entry), images=(image,), target=MaskTarget(mask=mask))


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
