"""A model laid over a cube without seams: channels, epochs, windows on one lattice, blended and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.inference import channels, epochs
    from pipelines.inference.errors import InferenceError
    from pipelines.inference.options import InferenceOptions, PredictionRef
    from pipelines.inference.prediction import predict
    from pipelines.inference.store import open_prediction

__all__ = [
    "InferenceError",
    "InferenceOptions",
    "PredictionRef",
    "channels",
    "epochs",
    "open_prediction",
    "predict",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submodules=["channels", "epochs"],
    submod_attrs={
        "errors": ["InferenceError"],
        "options": ["InferenceOptions", "PredictionRef"],
        "prediction": ["predict"],
        "store": ["open_prediction"],
    },
)
