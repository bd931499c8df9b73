"""Videos laid out as the MOT Challenge lays them out.

<split>/<sequence>/seqinfo.ini states name, imDir, frameRate, seqLength, imWidth, imHeight and imExt; frames are
imDir/000001.jpg onward; gt/gt.txt has a line an object and frame: frame, id, left, top, width, height, flag, class,
visibility. Frames, ids, classes and pixels are counted from 1, so that 1 is taken off left and top. Flag 0 marks an
object that must not count.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.errors import LayoutError, SampleError, SplitError
from pipelines.training.benchmarks.folder import check_inside, read_text
from pipelines.training.benchmarks.sample import TrackTarget

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.training.benchmarks.info import BenchmarkInfo

FIELDS: Final = 9
AGAIN: Final = "correct the line, or get the file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """What seqinfo.ini states of a sequence."""

    folder: Path
    name: str
    pictures: str
    """Folder of the frames, inside `folder`."""

    suffix: str
    num_frames: int
    height: int
    width: int

    def picture(self, frame: int) -> Path:
        """Path of a frame, counted from 1."""
        return self.folder / self.pictures / f"{frame:06d}{self.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLine:
    """One line of gt.txt."""

    id: int
    box: tuple[float, float, float, float]
    label: int
    ignore: bool


def read_videos(folder: Path, info: BenchmarkInfo, split: str) -> tuple[Video, ...]:
    """All sequences of a split, by name.

    Raises:
        SplitError: The split's folder is missing or holds no sequence.
        LayoutError: A seqinfo.ini is missing or damaged.
    """
    if not folder.is_dir():
        raise SplitError(f"{info.title}: split {split!r} is in {folder}, which is not there; get it from {info.home}")
    found = tuple(read_video(inner, info) for inner in sorted(folder.iterdir()) if inner.is_dir())
    if not found:
        raise SplitError(f"{info.title}: split {split!r} must hold a sequence, {folder} holds none; get it again")
    return found


def read_video(folder: Path, info: BenchmarkInfo) -> Video:
    """What a sequence's seqinfo.ini states.

    Raises:
        LayoutError: It is missing or damaged.
    """
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        stated = parser["Sequence"]
        video = Video(
            folder=folder,
            name=folder.name,
            pictures=check_inside(stated.get("imDir", "img1"), path),
            suffix=check_inside(stated.get("imExt", ".jpg"), path),
            num_frames=int(stated["seqLength"]),
            height=int(stated["imHeight"]),
            width=int(stated["imWidth"]),
        )
    except (KeyError, ValueError, configparser.Error) as error:
        raise LayoutError(
            f"{info.title}: {path} must state seqLength, imWidth and imHeight under [Sequence] "
            f"({type(error).__name__}: {error}); get it again, laid out so:\n{info.layout}"
        ) from error
    if min(video.num_frames, video.height, video.width) < 1:
        raise LayoutError(f"{info.title}: {path} must state positive numbers, got {video}; get it again")
    return video


def read_tracks(video: Video, num_classes: int) -> dict[int, tuple[TrackLine, ...]]:
    """Objects by frame.

    Raises:
        SampleError: gt.txt is missing or empty, or a line breaks a rule.
    """
    path = video.folder / "gt" / "gt.txt"
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise SampleError(path, "must hold at least one object, it is empty", "get the set's annotations again")
    found: dict[int, list[TrackLine]] = {}
    seen: set[tuple[int, int]] = set()
    for row, line in enumerate(lines, 1):
        frame, track = _line(line, f"line {row}", path, video, num_classes)
        if (frame, track.id) in seen:
            raise SampleError(
                path, f"line {row}: id {track.id} must stand once in frame {frame}, it is there twice", AGAIN
            )
        seen.add((frame, track.id))
        found.setdefault(frame, []).append(track)
    return {frame: tuple(tracks) for frame, tracks in found.items()}


def track_target(frame: int, tracks: tuple[TrackLine, ...]) -> TrackTarget:
    """The objects of one frame."""
    return TrackTarget(
        frame=frame,
        ids=np.array([track.id for track in tracks], dtype=np.int64),
        boxes=np.array([track.box for track in tracks], dtype=np.float32).reshape(-1, 4),
        labels=np.array([track.label for track in tracks], dtype=np.int64),
        ignore=np.array([track.ignore for track in tracks], dtype=np.bool_),
    )


def _line(line: str, where: str, path: Path, video: Video, num_classes: int) -> tuple[int, TrackLine]:
    try:
        values = [float(field) for field in line.split(",")]
    except ValueError as error:
        raise SampleError(path, f"{where} must be numbers and commas, got {line!r}", AGAIN) from error
    if len(values) != FIELDS or not np.all(np.isfinite(values)):
        raise SampleError(path, f"{where} must have {FIELDS} finite numbers, got {line!r}", AGAIN)
    frame, identity, left, top, width, height, flag, kind, _ = values
    if frame != int(frame) or not 1 <= frame <= video.num_frames:
        raise SampleError(path, f"{where}: frame must be 1 to {video.num_frames}, got {frame:g}", AGAIN)
    if kind != int(kind) or not 1 <= kind <= num_classes:
        raise SampleError(path, f"{where}: class must be 1 to {num_classes}, got {kind:g}", AGAIN)
    if identity != int(identity) or identity < 0:
        raise SampleError(path, f"{where}: id must be a whole number of at least 0, got {identity:g}", AGAIN)
    box = _box((left - 1, top - 1, left - 1 + width, top - 1 + height), where, path, video)
    return int(frame), TrackLine(id=int(identity), box=box, label=int(kind) - 1, ignore=flag == 0)


def _box(
    corners: tuple[float, float, float, float], where: str, path: Path, video: Video
) -> tuple[float, float, float, float]:
    """The box as stated: one of an object that leaves the picture sticks out, and is scored so."""
    left, top, right, bottom = corners
    if right <= left or bottom <= top:
        raise SampleError(path, f"{where}: a box must have a width and a height, got {corners}", AGAIN)
    if right <= 0 or bottom <= 0 or left >= video.width or top >= video.height:
        inside = f"{video.width} x {video.height}"
        raise SampleError(path, f"{where}: a box must reach into the picture of {inside}, got {corners}", AGAIN)
    return corners
