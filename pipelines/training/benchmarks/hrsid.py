"""HRSID: ships in 5,604 radar pictures of 800 x 800 pixels, annotated as COCO does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pipelines.training.benchmarks.coco_file import CocoFile, read_coco
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.folder import check_part, check_root, check_split
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.photograph import read_amplitude
from pipelines.training.benchmarks.sample import Sample


class HrsidDataset:
    """Upright boxes on 8-bit amplitude; pictures of Sentinel-1, TerraSAR-X and TanDEM-X of 0.5, 1 and 3 m."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="hrsid",
        title="HRSID",
        task="detection",
        classes=("ship",),
        splits=("train", "test"),
        metrics=("map50", "map"),
        home="https://github.com/chaozhong2010/HRSID",
        licence="none stated in the authors' repository",
        layout="""\
HRSID_JPG/
  annotations/{train2017,test2017}.json
  JPEGImages/P0001_0_800_7200_8000.jpg ...""",
        citation="Wei et al. 2020, HRSID, doi:10.1109/ACCESS.2020.3005861",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split; its one annotation file is read here, the pictures when asked for."""
        check_split(split, self.info)
        check_root(root, self.info)
        self._pictures = check_part(root, ("JPEGImages",), self.info)
        self._path = check_part(root, ("annotations",), self.info) / f"{split}2017.json"
        self._file: CocoFile = read_coco(self._path, self.info, split)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._file.images)

    def __getitem__(self, index: int) -> Sample:
        """Reads a picture and its boxes."""
        entry = self._file.images[index]
        path = self._pictures / entry.name
        image = read_amplitude(path)
        if image.size != (entry.height, entry.width):
            raise SampleError(
                path,
                f"must be {entry.width} x {entry.height} as {self._path.name} states, "
                f"got {image.size[1]} x {image.size[0]}",
                "check that both are of one copy",
            )
        return Sample(id=Path(entry.name).stem, images=(image,), target=self._file.target(index, self.info.classes))
