"""EuroSAT: 27,000 Sentinel-2 patches of 64 x 64 pixels, ten classes, as RGB JPEG or as 13 bands of level 1C."""

from __future__ import annotations

from typing import Final

from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.measures import CLASSIFICATION
from pipelines.training.benchmarks.scene_folders import SceneFolders

CLASSES: Final = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)

MS_BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
"""B8A stands last in the files, not behind B08."""

QUANTIFICATION: Final = 1e-4
"""Stored value to reflectance at the top of the atmosphere: Sentinel-2 product specification, baseline before 04.00."""

RGB_WHITE: Final = 0.275
"""Reflectance that 255 stands for in the JPEG copies."""

SPLITS: Final = ("train", "val", "test")
HOME: Final = "https://github.com/phelber/EuroSAT"
LICENCE: Final = "MIT; imagery under the Copernicus Sentinel data terms"
CITATION: Final = (
    "Helber et al.: EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover Classification, "
    "IEEE JSTARS 12(7), 2019"
)
LISTS: Final = """\
eurosat-train.txt, eurosat-val.txt, eurosat-test.txt   (Neumann et al. 2019, arXiv 1911.06721: AnnualCrop_1.jpg, ...)"""


class EuroSatRgb(SceneFolders):
    """The JPEG copies, stretched to 8 bits by the authors (0 to 0.275 reflectance); splits by the usual text lists."""

    info = BenchmarkInfo(
        name="eurosat-rgb",
        title="EuroSAT (RGB)",
        task="classification",
        classes=CLASSES,
        splits=SPLITS,
        metrics=CLASSIFICATION,
        home=HOME,
        licence=LICENCE,
        layout=f"""\
EuroSAT_RGB/   (or 2750/ as in the first edition)
  AnnualCrop/AnnualCrop_1.jpg ...
  ... 10 folders
{LISTS}""",
        citation=CITATION,
    )
    bases = ("EuroSAT_RGB", "2750", ".")
    folders = CLASSES
    form = ImageFormat(
        bands=RGB,
        modality="optical",
        unit="digital_number",
        reflectance_at_peak=RGB_WHITE,
        gsd_m=10.0,
        size=(64, 64),
        types=("uint8",),
    )
    lists = "eurosat"
    listed = SPLITS


class EuroSat(SceneFolders):
    """The 13 bands, in reflectance; splits by the same lists, whose names end in .jpg."""

    info = BenchmarkInfo(
        name="eurosat",
        title="EuroSAT (13 bands)",
        task="classification",
        classes=CLASSES,
        splits=SPLITS,
        metrics=CLASSIFICATION,
        home=HOME,
        licence=LICENCE,
        layout=f"""\
EuroSAT_MS/   (or ds/images/remote_sensing/otherDatasets/sentinel_2/tif/ as in the first edition)
  AnnualCrop/AnnualCrop_1.tif ...
  ... 10 folders
{LISTS}""",
        citation=CITATION,
    )
    bases = ("EuroSAT_MS", "ds/images/remote_sensing/otherDatasets/sentinel_2/tif", ".")
    folders = CLASSES
    form = ImageFormat(
        bands=MS_BANDS,
        modality="ms",
        unit="reflectance",
        scale=QUANTIFICATION,
        gsd_m=10.0,
        size=(64, 64),
        types=("uint16",),
    )
    suffixes = (".tif",)
    lists = "eurosat"
    listed = SPLITS
