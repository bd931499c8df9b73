"""Many dates to one image a period: best pixel, median, medoid or the first usable one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.composite.build import CompositeResult, composite_cube
    from pipelines.composite.image import CompositeImage, Observations, composite_image
    from pipelines.composite.options import CompositeOptions, Weights
    from pipelines.composite.period import Period, gather, period_of, solar_day

__all__ = [
    "CompositeImage",
    "CompositeOptions",
    "CompositeResult",
    "Observations",
    "Period",
    "Weights",
    "composite_cube",
    "composite_image",
    "gather",
    "period_of",
    "solar_day",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "build": ["CompositeResult", "composite_cube"],
        "image": ["CompositeImage", "Observations", "composite_image"],
        "options": ["CompositeOptions", "Weights"],
        "period": ["Period", "gather", "period_of", "solar_day"],
    },
)
