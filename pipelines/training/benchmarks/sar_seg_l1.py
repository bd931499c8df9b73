"""SARSegL1: single-look complex quad-polarised images with masks, in a format of this project.

The set that the paper calls so is private: neither its files nor its classes are published. This format lets anyone who
has such data run the benchmark. Its classes are those of AIR-PolSAR-Seg-2.0, a public set of the same institute, made
of complex Gaofen-3 images (doi 10.12000/JR24237).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError
from pipelines.training.benchmarks.folder import check_part, read_split_list
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.raster import check_shape, read_raster
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES: Final = ("water", "vegetation", "bare land", "building", "road", "mountain")
TABLE: Final = {index: index for index in range(len(CLASSES))} | {IGNORE: IGNORE}
POLARISATIONS: Final = ("HH", "HV", "VH", "VV")
BANDS: Final = tuple(f"{band}_{part}" for band in POLARISATIONS for part in ("I", "Q"))
FORMAT: Final = "sarsegl1"
VERSION: Final = 1

LAYOUT: Final = """\
SARSegL1/
  dataset.json     {"format": "sarsegl1", "version": 1, "classes": ["water", "vegetation", "bare land", "building",
                    "road", "mountain"], "gsd_m": 8.0, "amplitude_scale": 1.0}
                   stored value times amplitude_scale is scattering amplitude: its squared modulus is sigma nought
  train.txt, val.txt, test.txt     a sample's name a line
  images/NAME.tif  TIFF of 4 complex bands HH, HV, VH, VV, or of 8 real bands (integer or float): I and Q of each
  masks/NAME.png   one band, uint8: 0 to 5 in the order of the classes, 255 where it must not count"""


class SarSegL1(IndexedBenchmark):
    """Entries are names of samples."""

    info = BenchmarkInfo(
        name="sarsegl1",
        title="SARSegL1 (private set, this project's format)",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=SEGMENTATION,
        home="https://doi.org/10.1109/TPAMI.2025.3643453",
        licence="not published; your own data in the layout below are under your own terms",
        layout=LAYOUT,
        citation="RingMoE, IEEE TPAMI 2025 (arXiv 2504.03166): the run named SARSegL1",
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        path = check_part(self.root, ("dataset.json",), self.info)
        facts = _facts(path)
        self.form = ImageFormat(
            bands=BANDS, modality="sar_l1", unit="complex", scale=facts["amplitude_scale"], gsd_m=facts["gsd_m"]
        )
        return read_split_list(self.root / f"{self.split}.txt", self.info, self.split)

    def _read(self, entry: str) -> Sample:
        path = self.root / "images" / f"{entry}.tif"
        image = image_of(_in_phase_and_quadrature(read_raster(path), path), path, self.form)
        label = self.root / "masks" / f"{entry}.png"
        mask = read_code_mask(label, TABLE)
        check_same_size(label, image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))


def _facts(path: Path) -> dict[str, Any]:
    read = read_json(path)
    facts: dict[str, Any] = read if isinstance(read, dict) else {}
    wanted = {"format": FORMAT, "version": VERSION, "classes": list(CLASSES)}
    for key, value in wanted.items():
        if facts.get(key) != value:
            raise LayoutError(
                f"SARSegL1: {path} must say {key} = {value}, got {facts.get(key)}; write it as:\n{LAYOUT}"
            )
    for key in ("gsd_m", "amplitude_scale"):
        value = facts.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
            raise LayoutError(f"SARSegL1: {path} must give {key} as a positive number, got {value!r}; see:\n{LAYOUT}")
    return facts


def _in_phase_and_quadrature(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    if not np.iscomplexobj(stored):
        return check_shape(stored, path, bands=len(BANDS))
    scattering = check_shape(stored, path, bands=len(POLARISATIONS))
    pairs = np.stack([scattering.real, scattering.imag], axis=1)
    return pairs.reshape(len(BANDS), *scattering.shape[1:])
