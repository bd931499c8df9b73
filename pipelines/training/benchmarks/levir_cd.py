"""LEVIR-CD: 637 pairs of Google Earth images of 1024 x 1024 pixels at 0.5 m, with new and lost buildings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.change_pairs import CLASSES, change_sample
from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import CHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.benchmarks.sample import Sample

TABLE: Final = {0: 0, 255: 1}
FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.5, types=("uint8",))


class LevirCd(IndexedBenchmark):
    """Entries are file names; the three archives may be unpacked each in its folder or all in one."""

    info = BenchmarkInfo(
        name="levir-cd",
        title="LEVIR-CD",
        task="change",
        classes=CLASSES,
        splits=("train", "val", "test"),
        metrics=CHANGE,
        home="https://justchenhao.github.io/LEVIR/",
        licence="academic use only, no commercial use; Google Earth terms for the images",
        layout="""\
LEVIR-CD/
  train/A/train_1.png, train/B/train_1.png, train/label/train_1.png, ...
  val/A/val_1.png, ...
  test/A/test_1.png, ...
(or A/, B/ and label/ of all three together)""",
        citation=(
            "Chen, Shi: A Spatial-Temporal Attention-Based Method and a New Dataset for Remote Sensing Image Change "
            "Detection, Remote Sensing 12(10), 2020"
        ),
        paper_run=True,
    )

    def _list(self) -> Sequence[str]:
        self.base = self.root / self.split if (self.root / self.split).is_dir() else self.root
        for folder in ("B", "label"):
            check_part(self.base, (folder,), self.info)
        names = file_names(check_part(self.base, ("A",), self.info), (".png",))
        return [name for name in names if self.base != self.root or name.startswith(f"{self.split}_")]

    def _read(self, entry: str) -> Sample:
        label = self.base / "label" / entry
        return change_sample(
            sample_id=entry.removesuffix(".png"),
            before=self.base / "A" / entry,
            after=self.base / "B" / entry,
            form=FORM,
            label=label,
            mask=read_code_mask(label, TABLE),
        )
