"""WHU-OPT-SAR: 100 pairs of Gaofen-1 (RGB and near infrared) and Gaofen-3 images, 5556 x 3704 pixels at 5 m, Hubei.

Labels are 10, 20, ... 70 for the seven classes and 0 for the background, which is none of them and does not count. The
division is the one that the authors publish beside the set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import check_files
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASSES: Final = ("farmland", "city", "village", "water", "forest", "road", "others")
TABLE: Final = {0: IGNORE} | {10 * (index + 1): index for index in range(len(CLASSES))}

TILES: Final = {
    "train": """
NH49E004021 NH49E005014 NH49E005023 NH49E005024 NH49E006011 NH49E006022 NH49E006024 NH49E007013 NH49E007023
NH49E007024 NH49E008014 NH49E008017 NH49E008024 NH49E009014 NH49E009023 NH49E009024 NH49E010014 NH49E010015
NH49E012017 NH49E012018 NH49E012022 NH49E013018 NH49E013023 NH49E014007 NH49E014017 NH49E014021 NH49E014024
NH50E003001 NH50E006001 NH50E006007 NH50E007001 NH50E007003 NH50E007004 NH50E008003 NH50E009001 NH50E009003
NH50E009004 NH50E009006 NH50E010001 NH50E010003 NH50E010004 NH50E011002 NH50E011004 NH50E012001 NH50E012004
NH50E012005 NH50E012008 NH50E013001 NH50E013002 NH50E013005 NI49E021010 NI49E022010 NI49E022011 NI49E022013
NI49E022015 NI49E023017 NI49E024017 NI49E024018 NI49E024019 NI49E024020 NH49E001013 NH49E002014 NH49E004013
NH49E006014 NH49E006017 NH49E007017 NH49E009012 NH49E010016 NH49E010022 NH49E011011 NH49E011017 NH49E012009
NH49E013007 NH49E013021 NH49E014022 NH50E016002 NI49E021011 NI49E021012 NI49E022014 NI49E024013""",
    "test": """
NH49E001014 NH49E001017 NH49E002012 NH49E002016 NH49E003014 NH49E003024 NH49E004011 NH49E005011 NH49E005019
NH49E006019 NH49E007014 NH49E008013 NH49E009017 NH49E010020 NH49E011024 NH49E012020 NH49E013010 NH50E007002
NH50E011005 NH50E014003""",
}
"""Map sheets of "The division of the dataset.txt": 80 for training, 20 for testing."""

OPTICAL: Final = ImageFormat(bands=("red", "green", "blue", "nir"), modality="ms", unit="digital_number", gsd_m=5.0)
SAR: Final = ImageFormat(bands=("amplitude",), modality="sar_l2", unit="digital_number", gsd_m=5.0)
FOLDERS: Final = ("optical", "sar", "lbl")


class WhuOptSar(IndexedBenchmark):
    """Optical first, then SAR; entries are map sheets. Polarisation and calibration of the SAR are not stated."""

    info = BenchmarkInfo(
        name="whu-opt-sar",
        title="WHU-OPT-SAR",
        task="segmentation",
        classes=CLASSES,
        splits=tuple(TILES),
        metrics=SEGMENTATION,
        home="https://github.com/AmberHen/WHU-OPT-SAR-dataset",
        licence="none stated by the authors",
        layout="""\
WHU-OPT-SAR/
  optical/NH49E001013.tif ...
  sar/NH49E001013.tif ...
  lbl/NH49E001013.tif ...   (0, 10, ... 70)""",
        citation=(
            "Li et al.: MCANet: A joint semantic segmentation framework of optical and SAR images for land use "
            "classification, Int. J. Applied Earth Observation and Geoinformation 106, 2022"
        ),
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        sheets = TILES[self.split].split()
        for folder in FOLDERS:
            base = check_part(self.root, (folder,), self.info)
            check_files((base / f"{sheet}.tif" for sheet in sheets), self.info)
        return sheets

    def _read(self, entry: str) -> Sample:
        optical, sar, label = (self.root / folder / f"{entry}.tif" for folder in FOLDERS)
        images = (read_image(optical, OPTICAL), read_image(sar, SAR))
        mask = read_code_mask(label, TABLE)
        for image in images:
            check_same_size(label, image, mask.shape)
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))
