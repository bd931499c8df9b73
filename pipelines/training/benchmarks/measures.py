"""What is reported of each task, the headline first: the names that benchmarks of a task share."""

from __future__ import annotations

from typing import Final

CLASSIFICATION: Final = ("overall_accuracy", "macro_f1", "mean_class_accuracy")
MULTI_LABEL: Final = ("mean_average_precision", "macro_f1", "micro_f1")
SEGMENTATION: Final = ("mean_iou", "overall_accuracy", "macro_f1")
CHANGE: Final = ("f1", "iou", "precision", "recall", "overall_accuracy")
HEIGHT: Final = ("rmse_m", "mae_m", "delta_1", "delta_2", "delta_3")
