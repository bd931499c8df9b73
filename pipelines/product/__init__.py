"""Products: class, change and confidence layers from a prediction, and their accuracy; array arithmetic only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.product.accuracy import block_confusions, confusion, coverage, f1, overall_accuracy
    from pipelines.product.area import ClassArea, area_by_class
    from pipelines.product.change_layers import change
    from pipelines.product.errors import ProductError
    from pipelines.product.landcover import land_cover
    from pipelines.product.own import own_classes
    from pipelines.product.reasons import ProductReason
    from pipelines.product.score import Score

__all__ = [
    "ClassArea",
    "ProductError",
    "ProductReason",
    "Score",
    "area_by_class",
    "block_confusions",
    "change",
    "confusion",
    "coverage",
    "f1",
    "land_cover",
    "overall_accuracy",
    "own_classes",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "accuracy": ["block_confusions", "confusion", "coverage", "f1", "overall_accuracy"],
        "area": ["ClassArea", "area_by_class"],
        "change_layers": ["change"],
        "errors": ["ProductError"],
        "landcover": ["land_cover"],
        "own": ["own_classes"],
        "reasons": ["ProductReason"],
        "score": ["Score"],
    },
)
