"""Windows of a training split, drawn anew at each step: a function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import (
    IGNORE,
    BoxesTarget,
    HeightTarget,
    MaskTarget,
    RotatedTarget,
    Sample,
    TrackTarget,
)
from pipelines.training.protocols.inputs import SampleImages, sample_images
from pipelines.training.protocols.windows import Span, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.protocols.lesson import Lesson

MAX_DRAWS: Final = 20
"""Windows tried for one of a batch until one has something to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """A window of a sample, with what is true in it."""

    images: SampleImages
    window: Window
    target: Target


class Draws:
    """Windows of samples, a function of seed and step."""

    def __init__(self, lesson: Lesson) -> None:
        """Starts with every chosen sample."""
        self._lesson = lesson
        self._chosen = list(lesson.chosen)
        self.skipped: list[str] = []

    def batch(self, step: int) -> list[Cut]:
        """The windows of a step.

        Raises:
            ValueError: No sample is left that can be used.
        """
        rng = np.random.default_rng((self._lesson.settings.seed, 2, step))
        return [self._draw(rng) for _ in range(self._lesson.settings.batch)]

    def _draw(self, rng: np.random.Generator) -> Cut:
        cut = None
        for _ in range(MAX_DRAWS):
            cut = self._cut(rng)
            if _teaches(cut.target):
                break
        assert cut is not None
        return cut

    def _cut(self, rng: np.random.Generator) -> Cut:
        while self._chosen:
            index = self._chosen[int(rng.integers(len(self._chosen)))]
            try:
                sample = self._lesson.benchmark[index]
                images = sample_images(sample, self._lesson.trained, pair=self._lesson.benchmark.info.task == "change")
            except (SampleError, ValueError) as error:
                self.skipped.append(str(error))
                self._chosen.remove(index)
                continue
            window = _drawn_window(images.size, self._lesson.settings.window, rng)
            return Cut(images=images, window=window, target=cut_target(sample, window))
        raise ValueError(self._lesson.nothing(self.skipped))


def _drawn_window(size: tuple[int, int], side: int, rng: np.random.Generator) -> Window:
    found = []
    for length in size:
        start = int(rng.integers(max(1, length - side + 1)))
        stop = min(length, start + side)
        found.append(Span(start=start, stop=stop, kept_start=start, kept_stop=stop))
    return Window(rows=found[0], columns=found[1])


def cut_target(sample: Sample, window: Window) -> Target:
    """What is true in a window; objects belong to it by their centre."""
    target = sample.target
    rows, columns = window.read
    corner = np.array([columns.start, rows.start], dtype=np.float32)
    match target:
        case MaskTarget():
            return MaskTarget(mask=target.mask[rows, columns])
        case HeightTarget():
            return HeightTarget(height_m=target.height_m[rows, columns])
        case BoxesTarget() | TrackTarget():
            centre = (target.boxes[:, :2] + target.boxes[:, 2:]) / 2
            mine = _inside(centre, window)
            boxes = target.boxes[mine] - np.tile(corner, 2)
            return BoxesTarget(boxes=boxes, labels=target.labels[mine], ignore=target.ignore[mine])
        case RotatedTarget():
            mine = _inside(target.corners.mean(axis=1), window)
            return RotatedTarget(
                corners=target.corners[mine] - corner, labels=target.labels[mine], ignore=target.ignore[mine]
            )
        case _:
            return target


def _inside(centre: NDArray[np.floating[Any]], window: Window) -> NDArray[np.bool_]:
    return np.array([window.owns(float(x), float(y)) for x, y in centre], dtype=np.bool_)


def _teaches(target: Target) -> bool:
    """Whether a head learns anything from it; images without an object teach what is none."""
    match target:
        case MaskTarget():
            return bool(np.any(target.mask != IGNORE))
        case HeightTarget():
            return bool(np.isfinite(target.height_m).any())
        case _:
            return True


def alike(cuts: list[Cut]) -> list[list[Cut]]:
    """Windows by size and modalities, so that each group is one batch of the model."""
    groups: dict[tuple[object, ...], list[Cut]] = {}
    for cut in cuts:
        rows, columns = cut.window.read
        key = (cut.images.modalities, rows.stop - rows.start, columns.stop - columns.start)
        groups.setdefault(key, []).append(cut)
    return list(groups.values())
