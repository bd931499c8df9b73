"""NWPU-RESISC45: 31,500 Google Earth images of 256 x 256 pixels, 45 classes of 700."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import CLASSIFICATION
from pipelines.training.benchmarks.scene_folders import DRAWN, FEW_SHOT, LISTED, FewShotScenes, SceneFolders

CLASSES: Final = (
    "airplane",
    "airport",
    "baseball_diamond",
    "basketball_court",
    "beach",
    "bridge",
    "chaparral",
    "church",
    "circular_farmland",
    "cloud",
    "commercial_area",
    "dense_residential",
    "desert",
    "forest",
    "freeway",
    "golf_course",
    "ground_track_field",
    "harbor",
    "industrial_area",
    "intersection",
    "island",
    "lake",
    "meadow",
    "medium_residential",
    "mobile_home_park",
    "mountain",
    "overpass",
    "palace",
    "parking_lot",
    "railway",
    "railway_station",
    "rectangular_farmland",
    "river",
    "roundabout",
    "runway",
    "sea_ice",
    "ship",
    "snowberg",
    "sparse_residential",
    "stadium",
    "storage_tank",
    "tennis_court",
    "terrace",
    "thermal_power_station",
    "wetland",
)

BASES: Final = ("NWPU-RESISC45", ".")

FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", size=(256, 256), types=("uint8",))

HOME: Final = "https://doi.org/10.1109/JPROC.2017.2675998"
LICENCE: Final = "none stated by the authors; images are of Google Earth, for research"
CITATION: Final = (
    "Cheng, Han, Lu: Remote Sensing Image Scene Classification: Benchmark and State of the Art, "
    "Proc. IEEE 105(10), 2017"
)
LAYOUT: Final = """\
NWPU-RESISC45/
  airplane/airplane_001.jpg ... airplane_700.jpg
  ... 45 folders
resisc45-train.txt, resisc45-val.txt, resisc45-test.txt   (for the splits list-*: Neumann et al. 2019)"""


class Resisc45(SceneFolders):
    """Splits `train` and `test` (10 % by default, as the paper's run) are drawn; `list-*` follow published lists."""

    info = BenchmarkInfo(
        name="nwpu-resisc45",
        title="NWPU-RESISC45",
        task="classification",
        classes=CLASSES,
        splits=(*DRAWN, *LISTED),
        metrics=CLASSIFICATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
        paper_run=True,
    )
    bases = BASES
    folders = CLASSES
    form = FORM
    lists = "resisc45"


class FewShotResisc45(FewShotScenes):
    """The same images, a few a class to learn from."""

    info = replace(Resisc45.info, name="nwpu-resisc45-few-shot", title="NWPU-RESISC45, few-shot", splits=FEW_SHOT)
    bases = BASES
    folders = CLASSES
    form = FORM
