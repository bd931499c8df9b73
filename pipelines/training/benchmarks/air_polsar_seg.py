"""AIR-PolSAR-Seg: 500 places of 512 x 512 pixels in four polarisations of Gaofen-3, 8 m, six classes.

Files hold uncalibrated amplitudes, one polarisation each. Folder names, file names and colours are those that three
independent public readers of the set agree on; its own page states neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.band_files import read_bands
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_colour_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS: Final = {
    "industrial area": (0, 0, 255),
    "natural area": (0, 255, 0),
    "land use area": (255, 0, 0),
    "water area": (0, 255, 255),
    "housing area": (255, 255, 0),
    "other area": (255, 255, 255),
}
"""Class -> red, green, blue."""

TABLE: Final = {colour: index for index, colour in enumerate(COLOURS.values())} | {(0, 0, 0): IGNORE}
POLARISATIONS: Final = ("HH", "HV", "VH", "VV")
FORM: Final = ImageFormat(bands=POLARISATIONS, modality="sar_l2", unit="amplitude", gsd_m=8.0)


class AirPolSarSeg(IndexedBenchmark):
    """Entries are `train_1`."""

    info = BenchmarkInfo(
        name="air-polsar-seg",
        title="AIR-PolSAR-Seg",
        task="segmentation",
        classes=tuple(COLOURS),
        splits=("train", "test"),
        metrics=SEGMENTATION,
        home="https://github.com/AICyberTeam/AIR-PolSAR-Seg",
        licence="none stated; owned by the Aerospace Information Research Institute, for research on SAR segmentation",
        layout="""\
AIR-PolSAR-Seg/
  train_set/images/HH/train_1_HH.tiff ...   (and HV, VH, VV)
  train_set/labels/train_1_gt.png ...
  test_set/images/HH/test_1_HH.tiff ...
  test_set/labels/test_1_gt.png ...""",
        citation=(
            "Wang et al.: AIR-PolSAR-Seg: A Large-Scale Data Set for Terrain Segmentation in Complex-Scene PolSAR "
            "Images, IEEE JSTARS 15, 2022"
        ),
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        self.base = check_part(self.root, (f"{self.split}_set",), self.info)
        labels = check_part(self.base, ("labels",), self.info)
        check_part(self.base, ("images",), self.info)
        return [name.removesuffix("_gt.png") for name in file_names(labels, ("_gt.png",))]

    def _read(self, entry: str) -> Sample:
        paths = [self.base / "images" / band / f"{entry}_{band}.tiff" for band in POLARISATIONS]
        image = image_of(read_bands(paths), paths[0], FORM)
        path = self.base / "labels" / f"{entry}_gt.png"
        mask = read_colour_mask(path, TABLE)
        check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))
