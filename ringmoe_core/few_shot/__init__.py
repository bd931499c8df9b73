"""Classes that were never trained on, told apart by a few examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.few_shot.dense import masked_means, pixel_rows
    from ringmoe_core.few_shot.dense_protocol import evaluate_dense_episodes
    from ringmoe_core.few_shot.episodes import Episode, EpisodeSpec, draw_episodes
    from ringmoe_core.few_shot.linear_probe import LinearProbe, fit_linear_probe
    from ringmoe_core.few_shot.protocol import EpisodeScores, evaluate_episodes
    from ringmoe_core.few_shot.prototypes import Prototypes, fit_prototypes

__all__ = [
    "Episode",
    "EpisodeScores",
    "EpisodeSpec",
    "LinearProbe",
    "Prototypes",
    "draw_episodes",
    "evaluate_dense_episodes",
    "evaluate_episodes",
    "fit_linear_probe",
    "fit_prototypes",
    "masked_means",
    "pixel_rows",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dense": ["masked_means", "pixel_rows"],
        "dense_protocol": ["evaluate_dense_episodes"],
        "episodes": ["Episode", "EpisodeSpec", "draw_episodes"],
        "linear_probe": ["LinearProbe", "fit_linear_probe"],
        "protocol": ["EpisodeScores", "evaluate_episodes"],
        "prototypes": ["Prototypes", "fit_prototypes"],
    },
)
