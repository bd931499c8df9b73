"""CDD (Lebedev et al.): 16,000 pairs of Google Earth images of 256 x 256 pixels that differ by season and by change.

The masks are JPEG files, so that values near 0 and 255 occur beside these two; 128 and above is change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.change_pairs import CLASSES, change_sample
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_grey
from pipelines.training.benchmarks.measures import CHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.benchmarks.sample import Sample

CHANGED_FROM: Final = 128
"""Half of the range of 8 bits."""

FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", types=("uint8",))


class Cdd(IndexedBenchmark):
    """The subset of real, season-varying images; entries are file names."""

    info = BenchmarkInfo(
        name="cdd",
        title="CDD (season-varying change detection)",
        task="change",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=CHANGE,
        home="https://doi.org/10.5194/isprs-archives-XLII-2-565-2018",
        licence="none stated by the authors; Google Earth terms for the images",
        layout="""\
ChangeDetectionDataset/Real/subset/    (the root may be any of these)
  train/A/00000.jpg, train/B/00000.jpg, train/OUT/00000.jpg, ...
  val/..., test/...""",
        citation=(
            "Lebedev et al.: Change Detection in Remote Sensing Images Using Conditional Adversarial Networks, "
            "ISPRS Archives XLII-2, 2018"
        ),
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        above = ("", "Real/subset/", "ChangeDetectionDataset/Real/subset/")
        self.base = check_part(self.root, tuple(f"{folder}{self.split}" for folder in above), self.info)
        for folder in ("B", "OUT"):
            check_part(self.base, (folder,), self.info)
        return file_names(check_part(self.base, ("A",), self.info), (".jpg",))

    def _read(self, entry: str) -> Sample:
        label = self.base / "OUT" / entry
        stored = read_grey(label)
        if stored.dtype != np.uint8:
            raise SampleError(label, f"masks must be uint8, got {stored.dtype}", "get the file again")
        return change_sample(
            sample_id=entry.removesuffix(".jpg"),
            before=self.base / "A" / entry,
            after=self.base / "B" / entry,
            form=FORM,
            label=label,
            mask=(stored >= CHANGED_FROM).astype(np.int64),
        )
