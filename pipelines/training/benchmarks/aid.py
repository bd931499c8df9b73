"""AID: 10,000 Google Earth images of 600 x 600 pixels, 30 classes of 220 to 420."""

from __future__ import annotations

from typing import Final

from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import CLASSIFICATION
from pipelines.training.benchmarks.scene_folders import DRAWN, SceneFolders

CLASSES: Final = (
    "Airport",
    "BareLand",
    "BaseballField",
    "Beach",
    "Bridge",
    "Center",
    "Church",
    "Commercial",
    "DenseResidential",
    "Desert",
    "Farmland",
    "Forest",
    "Industrial",
    "Meadow",
    "MediumResidential",
    "Mountain",
    "Park",
    "Parking",
    "Playground",
    "Pond",
    "Port",
    "RailwayStation",
    "Resort",
    "River",
    "School",
    "SparseResidential",
    "Square",
    "Stadium",
    "StorageTanks",
    "Viaduct",
)


class Aid(SceneFolders):
    """Splits are drawn: usual shares are 0.2 and 0.5 of each class for training."""

    info = BenchmarkInfo(
        name="aid",
        title="AID (Aerial Image Dataset)",
        task="classification",
        classes=CLASSES,
        splits=DRAWN,
        metrics=CLASSIFICATION,
        home="https://captain-whu.github.io/AID/",
        licence="none stated by the authors; images are of Google Earth, for research",
        layout="""\
AID/
  Airport/airport_1.jpg ...
  ... 30 folders""",
        citation=(
            "Xia et al.: AID: A Benchmark Data Set for Performance Evaluation of Aerial Scene Classification, "
            "IEEE TGRS 55(7), 2017"
        ),
        paper_run=True,
    )
    bases = ("AID", ".")
    folders = CLASSES
    form = ImageFormat(bands=RGB, modality="optical", unit="digital_number", size=(600, 600), types=("uint8",))
