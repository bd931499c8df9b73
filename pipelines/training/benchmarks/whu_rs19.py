"""WHU-RS19: 1,005 Google Earth images of 600 x 600 pixels up to 0.5 m, 19 classes of about 50."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import CLASSIFICATION
from pipelines.training.benchmarks.scene_folders import DRAWN, FEW_SHOT, FewShotScenes, SceneFolders

CLASSES: Final = (
    "Airport",
    "Beach",
    "Bridge",
    "Commercial",
    "Desert",
    "Farmland",
    "footballField",
    "Forest",
    "Industrial",
    "Meadow",
    "Mountain",
    "Park",
    "Parking",
    "Pond",
    "Port",
    "railwayStation",
    "Residential",
    "River",
    "Viaduct",
)

BASES: Final = ("WHU-RS19", "RSDataset", ".")
FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", size=(600, 600), types=("uint8",))
HOME: Final = "https://captain-whu.github.io/BED4RS/"
LICENCE: Final = "none stated by the authors; images are of Google Earth, for research"
CITATION: Final = (
    "Dai, Yang: Satellite Image Classification via Two-Layer Sparse Coding With Biased Image Representation, "
    "IEEE GRSL 8(1), 2011"
)
LAYOUT: Final = """\
WHU-RS19/
  Airport/airport_01.jpg ...
  ... 19 folders (footballField and railwayStation begin with a small letter)"""


class WhuRs19(SceneFolders):
    """Splits are drawn."""

    info = BenchmarkInfo(
        name="whu-rs19",
        title="WHU-RS19",
        task="classification",
        classes=CLASSES,
        splits=DRAWN,
        metrics=CLASSIFICATION,
        home=HOME,
        licence=LICENCE,
        layout=LAYOUT,
        citation=CITATION,
    )
    bases = BASES
    folders = CLASSES
    form = FORM


class FewShotWhuRs19(FewShotScenes):
    """The same images, a few a class to learn from."""

    info = replace(WhuRs19.info, name="whu-rs19-few-shot", title="WHU-RS19, few-shot", splits=FEW_SHOT, paper_run=True)
    bases = BASES
    folders = CLASSES
    form = FORM
