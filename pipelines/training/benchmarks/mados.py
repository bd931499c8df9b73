"""MADOS: 2,803 crops of 174 Sentinel-2 scenes with marine debris and oil spills; one of PANGAEA's sets.

Bands are Rayleigh-corrected reflectances of ACOLITE, a file each in folders `10`, `20` and `60`, named by wavelength,
which differs by a few nanometres between the two satellites. Coarser bands are repeated onto the 10 m grid. Facts are
those of PANGAEA's public reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.band_files import read_bands
from pipelines.training.benchmarks.errors import LayoutError, SampleError
from pipelines.training.benchmarks.folder import check_part, read_split_list
from pipelines.training.benchmarks.image_format import ImageFormat, check_same_size, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLASSES: Final = (
    "Marine Debris",
    "Dense Sargassum",
    "Sparse Floating Algae",
    "Natural Organic Material",
    "Ship",
    "Oil Spill",
    "Marine Water",
    "Sediment-Laden Water",
    "Foam",
    "Turbid Water",
    "Shallow Water",
    "Waves & Wakes",
    "Oil Platform",
    "Jellyfish",
    "Sea snot",
)
TABLE: Final = {0: IGNORE} | {index + 1: index for index in range(len(CLASSES))}

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""In order of wavelength, which is how the files are told apart."""

FORM: Final = ImageFormat(bands=BANDS, modality="ms", unit="reflectance", gsd_m=10.0, types=("float32", "float64"))


class Mados(IndexedBenchmark):
    """Entries are `Scene_0_4`: scene and crop."""

    info = BenchmarkInfo(
        name="pangaea-mados",
        title="MADOS (Marine Debris and Oil Spill)",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=SEGMENTATION,
        home="https://doi.org/10.5281/zenodo.10664073",
        licence="CC BY 4.0",
        layout="""\
MADOS/
  splits/train_X.txt, val_X.txt, test_X.txt        (Scene_0_4, ...)
  Scene_0/10/Scene_0_L2R_cl_4.tif, Scene_0_L2R_rhorc_492_4.tif, ...
  Scene_0/20/Scene_0_L2R_rhorc_704_4.tif, ...
  Scene_0/60/Scene_0_L2R_rhorc_443_4.tif""",
        citation=(
            "Kikaki et al.: Detecting Marine pollutants and Sea Surface features with Deep learning in Sentinel-2 "
            "imagery, ISPRS J. Photogrammetry and Remote Sensing 210, 2024"
        ),
    )

    def _list(self) -> Sequence[str]:
        check_part(self.root, ("splits",), self.info)
        path = self.root / "splits" / f"{self.split}_X.txt"
        entries = read_split_list(path, self.info, self.split)
        wrong = [entry for entry in entries if not re.fullmatch(r"Scene_\d+_\d+", entry)]
        if wrong:
            raise LayoutError(f"{self.info.title}: lines of {path} must be Scene_N_M, got {wrong[:3]}; get it again")
        return entries

    def _read(self, entry: str) -> Sample:
        scene, _, crop = entry.rpartition("_")
        paths = self._band_paths(scene, crop)
        image = image_of(read_bands(paths), paths[0], FORM)
        path = self.root / scene / "10" / f"{scene}_L2R_cl_{crop}.tif"
        mask = read_code_mask(path, TABLE)
        check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=(image,), target=MaskTarget(mask=mask))

    def _band_paths(self, scene: str, crop: str) -> list[Path]:
        found = sorted(
            (int(path.name.split("_")[-2]), path)
            for path in (self.root / scene).glob(f"[126]0/{scene}_L2R_rhorc_*_{crop}.tif")
            if path.name.split("_")[-2].isdigit()
        )
        wavelengths = [wavelength for wavelength, _ in found]
        if not len(set(wavelengths)) == len(wavelengths) == len(BANDS):
            raise SampleError(
                self.root / scene,
                f"crop {crop} must have bands of {len(BANDS)} wavelengths, a file each, got {wavelengths}",
                "get the scene again",
            )
        return [path for _, path in found]
