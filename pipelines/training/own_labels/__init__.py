"""A user's own labels: read, laid on a grid, divided into spatial folds, learnt, and what was learnt is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.training.own_labels.accuracy import Accuracy, accuracy
    from pipelines.training.own_labels.crossing import Crossing, cross_validate
    from pipelines.training.own_labels.errors import LabelError
    from pipelines.training.own_labels.folds import Folds, spatial_folds
    from pipelines.training.own_labels.label_file import Labels, read_labels
    from pipelines.training.own_labels.label_pixels import LabelPixels, label_pixels
    from pipelines.training.own_labels.point_table import PointTable, read_points

__all__ = [
    "Accuracy",
    "Crossing",
    "Folds",
    "LabelError",
    "LabelPixels",
    "Labels",
    "PointTable",
    "accuracy",
    "cross_validate",
    "label_pixels",
    "read_labels",
    "read_points",
    "spatial_folds",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "accuracy": ["Accuracy", "accuracy"],
        "crossing": ["Crossing", "cross_validate"],
        "errors": ["LabelError"],
        "folds": ["Folds", "spatial_folds"],
        "label_file": ["Labels", "read_labels"],
        "label_pixels": ["LabelPixels", "label_pixels"],
        "point_table": ["PointTable", "read_points"],
    },
)
