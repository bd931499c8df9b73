"""What every task's metric offers: images stream in, numbers and their intervals come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction


class Metric(Protocol):
    """Counts one image at a time; the results do not depend on their order."""

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts an image.

        Args:
            prediction: Of the task's kind.
            target: What is true.
            image: Its id, distinct.
            unit: What is resampled as one: a scene or a video; the image itself where empty.
        """

    def compute(self) -> dict[str, float]:
        """The numbers over all images so far; NaN where nothing counted."""

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The 95 % interval of each number of `compute`; None where there is none."""

    def held_bytes(self) -> int:
        """Bytes that are kept between images."""


@runtime_checkable
class ByClass(Protocol):
    """A metric that also tells each class by itself."""

    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """Measure -> value of each class, (class,); NaN where there is none."""
