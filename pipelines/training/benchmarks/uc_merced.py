"""UC Merced Land Use: 2,100 aerial images of USGS, 21 classes of 100, one foot a pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import CLASSIFICATION
from pipelines.training.benchmarks.scene_folders import DRAWN, FEW_SHOT, LISTED, FewShotScenes, SceneFolders

CLASSES: Final = (
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
)

BASES: Final = ("UCMerced_LandUse/Images", "Images", ".")

FORM: Final = ImageFormat(
    bands=RGB, modality="optical", unit="digital_number", gsd_m=0.3048, size=(256, 256), types=("uint8",)
)
"""A few images of the set are some pixels smaller than 256 x 256: do not insist on the size with the whole set."""

HOME: Final = "http://weegee.vision.ucmerced.edu/datasets/landuse.html"
LICENCE: Final = "public domain imagery (USGS National Map Urban Area Imagery)"
CITATION: Final = (
    "Yang, Newsam: Bag-of-Visual-Words and Spatial Extensions for Land-Use Classification, ACM SIGSPATIAL 2010"
)
LAYOUT: Final = """\
UCMerced_LandUse/Images/
  agricultural/agricultural00.tif ... agricultural99.tif
  ... 21 folders
uc_merced-train.txt, uc_merced-val.txt, uc_merced-test.txt   (for the splits list-*: Neumann et al. 2019)"""


class UcMerced(SceneFolders):
    """Splits `train` and `test` are drawn (0.8 is the usual share); `list-*` follow published lists."""

    info = BenchmarkInfo(
        name="uc-merced",
        title="UC Merced Land Use",
        task="classification",
        classes=CLASSES,
        splits=(*DRAWN, *LISTED),
        metrics=CLASSIFICATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )
    bases = BASES
    folders = CLASSES
    form = FORM
    suffixes = (".tif",)
    lists = "uc_merced"


class FewShotUcMerced(FewShotScenes):
    """The same images, a few a class to learn from."""

    info = replace(
        UcMerced.info, name="uc-merced-few-shot", title="UC Merced Land Use, few-shot", splits=FEW_SHOT, paper_run=True
    )
    bases = BASES
    folders = CLASSES
    form = FORM
    suffixes = (".tif",)
