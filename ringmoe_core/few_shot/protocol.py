"""How well few examples do, over many episodes.

Legend: N vectors, D channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch
from torch import Tensor

from ringmoe_core.few_shot.episodes import draw_episodes
from ringmoe_core.few_shot.linear_probe import fit_linear_probe
from ringmoe_core.few_shot.prototypes import fit_prototypes

if TYPE_CHECKING:
    import numpy.typing as npt

    from ringmoe_core.few_shot.episodes import Episode, EpisodeSpec

NORMAL_95: Final = 1.959964
"""Quantile of the normal distribution of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeScores:
    """One score an episode."""

    values: npt.NDArray[np.float64]
    """(episode,), 0 to 1; NaN where an episode had nothing to score."""

    num_skipped: int = 0
    """Episodes without a score."""

    @property
    def mean(self) -> float:
        """Over the episodes; NaN where there is none."""
        return float(np.nanmean(self.values)) if self._count else math.nan

    @property
    def half_width(self) -> float:
        """Of the 95 % interval of the mean; NaN of fewer than two episodes.

        It tells how well these data determine the mean over episodes. Episodes of one set share its images, so it is no
        interval for other sets.
        """
        if self._count < 2:  # noqa: PLR2004 - a deviation needs two
            return math.nan
        return NORMAL_95 * float(np.nanstd(self.values, ddof=1)) / math.sqrt(self._count)

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval of the mean."""
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def _count(self) -> int:
        return int(np.isfinite(self.values).sum())


Classifier = Literal["prototype", "euclidean", "linear"]
"""Nearest class mean by cosine or by distance, or regularised logistic regression."""


def evaluate_episodes(
    vectors_ND: Tensor,
    labels: npt.ArrayLike,
    spec: EpisodeSpec,
    *,
    num_episodes: int = 600,
    seed: int = 0,
    classifier: Classifier = "prototype",
    penalty: float = 1.0,
) -> EpisodeScores:
    """Overall accuracy on the queries of each episode; classes are equally frequent there.

    Args:
        vectors_ND: features of a frozen model.
        labels: (N,) class of each; negative ones are not drawn.
        spec: n-way k-shot.
        num_episodes: 600 is what the literature takes.
        seed: of the draws.
        classifier: what learns from the examples.
        penalty: of the linear probe.

    Raises:
        ValueError: too few classes have enough rows, or another classifier.
    """
    if classifier not in {"prototype", "euclidean", "linear"}:
        raise ValueError(f"classifier must be prototype, euclidean or linear, got {classifier!r}; choose one of them")
    episodes = draw_episodes(labels, spec, num_episodes=num_episodes, seed=seed)
    values = [_accuracy(vectors_ND, episode, classifier, penalty) for episode in episodes]
    return EpisodeScores(values=np.array(values))


def _accuracy(vectors_ND: Tensor, episode: Episode, classifier: str, penalty: float) -> float:
    ways, shots = episode.support.shape
    support, query = (vectors_ND[torch.from_numpy(rows.reshape(-1))] for rows in (episode.support, episode.query))
    labels_N = torch.arange(ways).repeat_interleave(shots)
    truth_N = torch.arange(ways).repeat_interleave(episode.query.shape[1])
    found_N = predict_few(support, labels_N, query, ways, classifier=classifier, penalty=penalty)
    return float((found_N == truth_N).double().mean())


def predict_few(
    support_ND: Tensor,
    labels_N: Tensor,
    query_ND: Tensor,
    num_classes: int,
    *,
    classifier: str = "prototype",
    penalty: float = 1.0,
) -> Tensor:
    """Class of each query, learned from a few labelled vectors; arguments as of `evaluate_episodes`."""
    if classifier == "linear":
        return fit_linear_probe(support_ND, labels_N, num_classes, penalty=penalty).predict(query_ND)
    metric: Literal["cosine", "euclidean"] = "cosine" if classifier == "prototype" else "euclidean"
    return fit_prototypes(support_ND, labels_N, num_classes, metric=metric).predict(query_ND)
