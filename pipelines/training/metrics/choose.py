"""Which metric belongs to which task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.training.metrics.classification import ClassMetric
from pipelines.training.metrics.detection import BoxMetric
from pipelines.training.metrics.height import HeightMetric
from pipelines.training.metrics.masks import MaskMetric
from pipelines.training.metrics.multi_label import LabelsMetric
from pipelines.training.metrics.rotated import RotatedMetric
from pipelines.training.metrics.tracking import TrackMetric

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.training.benchmarks.info import Task
    from pipelines.training.metrics.metric import Metric
    from pipelines.training.metrics.resampling import Resampling


def metric_for(task: Task, num_classes: int, resampling: Resampling) -> Metric:
    """An empty metric of a task.

    Args:
        task: Of the benchmark.
        num_classes: Of the benchmark; 0 for height.
        resampling: How intervals are drawn.
    """
    makers: dict[Task, Callable[[], Metric]] = {
        "classification": lambda: ClassMetric(num_classes, resampling),
        "multi_label": lambda: LabelsMetric(num_classes, resampling),
        "segmentation": lambda: MaskMetric(num_classes, resampling),
        "change": lambda: MaskMetric(num_classes, resampling, change=True),
        "height": lambda: HeightMetric(resampling),
        "detection": lambda: BoxMetric(num_classes, resampling),
        "rotated_detection": lambda: RotatedMetric(num_classes, resampling),
        "tracking": lambda: TrackMetric(num_classes, resampling),
    }
    return makers[task]()
