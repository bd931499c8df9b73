"""Metrics of the benchmarks' tasks: images stream in, numbers with their intervals come out."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.metrics.choose import metric_for
    from pipelines.training.metrics.metric import Metric
    from pipelines.training.metrics.prediction import Prediction
    from pipelines.training.metrics.resampling import Resampling

__all__ = ["Metric", "Prediction", "Resampling", "metric_for"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "choose": ["metric_for"],
        "metric": ["Metric"],
        "prediction": ["Prediction"],
        "resampling": ["Resampling"],
    },
)
