"""AIR-MOT and AIR-HSAO: objects that move in videos of satellites.

Neither set has a public description of its files: the papers say what was annotated, not how it is stored. Both are
read in the layout of the MOT Challenge (`mot.py`), which the trackers compared in the papers take. Whether a copy from
the authors already has it, and in which order AIR-MOT numbers its classes, could not be verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.folder import check_root, check_split
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.mot import TrackLine, Video, read_tracks, read_videos, track_target
from pipelines.training.benchmarks.photograph import read_rgb
from pipelines.training.benchmarks.sample import Sample

if TYPE_CHECKING:
    from pathlib import Path

METRICS: Final = ("mota", "idf1", "hota")
LICENCE: Final = "none stated; the data are given by the paper's authors"
LAYOUT: Final = """\
{name}/
  {{train,test}}/<sequence>/seqinfo.ini
  {{train,test}}/<sequence>/img1/000001.jpg ...
  {{train,test}}/<sequence>/gt/gt.txt"""


class _Frames:
    """Frames of a split in order; the annotations of one sequence are held at a time."""

    def __init__(self, root: Path, split: str, info: BenchmarkInfo) -> None:
        check_split(split, info)
        check_root(root, info)
        self.num_classes = len(info.classes)
        self.videos = read_videos(root / split, info, split)
        self.frames = tuple(
            (number, frame) for number, video in enumerate(self.videos) for frame in range(1, video.num_frames + 1)
        )
        self._held: tuple[int, dict[int, tuple[TrackLine, ...]]] | None = None

    def sample(self, index: int) -> Sample:
        """Reads a frame."""
        number, frame = self.frames[index]
        video = self.videos[number]
        if self._held is None or self._held[0] != number:
            self._held = (number, read_tracks(video, self.num_classes))
        image = read_rgb(video.picture(frame))
        _check_size(image.size, video, video.picture(frame))
        return Sample(
            id=f"{video.name}/{frame:06d}",
            images=(image,),
            target=track_target(frame, self._held[1].get(frame, ())),
            sequence=video.name,
        )


class AirMotDataset:
    """AIR-MOT: aeroplanes and ships."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="air-mot",
        title="AIR-MOT",
        task="tracking",
        classes=("airplane", "ship"),
        splits=("train", "test"),
        metrics=METRICS,
        home="https://doi.org/10.1109/TGRS.2022.3152250",
        licence=LICENCE,
        layout=LAYOUT.format(name="AIR-MOT"),
        citation="He et al. 2022, Multi-object tracking in satellite videos with graph-based multitask modeling",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split."""
        self._frames = _Frames(root, split, self.info)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames.frames)

    def __getitem__(self, index: int) -> Sample:
        """Reads a frame."""
        return self._frames.sample(index)


class AirHsaoDataset:
    """AIR-HSAO: fast objects in the air."""

    info: ClassVar[BenchmarkInfo] = BenchmarkInfo(
        name="air-hsao",
        title="AIR-HSAO",
        task="tracking",
        classes=("airplane",),
        splits=("train", "test"),
        metrics=METRICS,
        home="https://doi.org/10.1109/TPAMI.2025.3643453",
        licence=LICENCE,
        layout=LAYOUT.format(name="AIR-HSAO"),
        citation="Ren et al. 2024, Motion-guided multi-object tracking model for high-speed aerial objects, IEEE TGRS",
        paper_run=True,
    )

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split."""
        self._frames = _Frames(root, split, self.info)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames.frames)

    def __getitem__(self, index: int) -> Sample:
        """Reads a frame."""
        return self._frames.sample(index)


def _check_size(size: tuple[int, int], video: Video, path: Path) -> None:
    if size != (video.height, video.width):
        raise SampleError(
            path,
            f"must be {video.width} x {video.height} as seqinfo.ini states, got {size[1]} x {size[0]}",
            "get the frames again",
        )
