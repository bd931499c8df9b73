"""How well few labelled maps do in telling classes apart pixel by pixel, over many episodes.

Legend: N maps, D channels, H, W pixels, K classes of an episode and the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ringmoe_core.few_shot.dense import masked_means, pixel_rows
from ringmoe_core.few_shot.linear_probe import fit_linear_probe
from ringmoe_core.few_shot.protocol import EpisodeScores
from ringmoe_core.few_shot.prototypes import Prototypes
from ringmoe_core.heads.class_loss import IGNORE

if TYPE_CHECKING:
    import numpy.typing as npt

    from ringmoe_core.few_shot.episodes import EpisodeSpec

PIXELS_A_CLASS = 200
"""Drawn from the labelled maps for a linear probe."""


def evaluate_dense_episodes(
    maps_NDHW: Tensor,
    mask_NHW: Tensor,
    spec: EpisodeSpec,
    *,
    num_episodes: int = 100,
    seed: int = 0,
    classifier: str = "prototype",
    penalty: float = 1.0,
) -> EpisodeScores:
    """Mean intersection over union of an episode's classes on its query maps, against everything else there.

    An episode takes `num_ways` classes, for each `num_shots` maps that hold it, and then as many others as
    `num_queries` for each. All labelled pixels of the support maps teach: those of other classes are the rest. A query
    map that holds several of the classes counts once.

    Args:
        maps_NDHW: features of a frozen model.
        mask_NHW: class of each pixel, 255 where not known.
        spec: n-way k-shot, in maps.
        num_episodes: how many.
        seed: of the draws.
        classifier: `prototype` (cosine) or `linear`.
        penalty: of the linear probe.

    Raises:
        ValueError: too few maps hold enough classes, or another classifier.
    """
    if classifier not in {"prototype", "linear"}:
        raise ValueError(f"classifier must be prototype or linear, got {classifier!r}; choose one of them")
    holders = _holders(mask_NHW, spec)
    values = np.full(num_episodes, np.nan)
    for index in range(num_episodes):
        generator = np.random.default_rng([seed, index])
        classes, support, query = _draw(holders, spec, generator)
        if not query:
            continue
        truth = _relabel(mask_NHW, classes)
        found = _predict(maps_NDHW, truth, support, query, len(classes) + 1, classifier, penalty, index)
        values[index] = _mean_iou(found, truth[query], len(classes))
    return EpisodeScores(values=values, num_skipped=int(np.isnan(values).sum()))


def _holders(mask_NHW: Tensor, spec: EpisodeSpec) -> dict[int, npt.NDArray[np.int64]]:
    """Maps that hold each class, of classes that enough maps hold."""
    present = [set(mask.unique().tolist()) - {IGNORE} for mask in mask_NHW]
    labels = sorted(set().union(*present)) if present else []
    holders = {label: np.array([row for row, held in enumerate(present) if label in held]) for label in labels}
    enough = {label: rows for label, rows in holders.items() if len(rows) > spec.num_shots}
    if len(enough) < spec.num_ways:
        counts = {label: len(rows) for label, rows in holders.items()}
        raise ValueError(
            f"{spec.num_ways} classes must lie in more than {spec.num_shots} maps each, got maps a class {counts}; "
            "lower the ways or shots"
        )
    return enough


def _draw(
    holders: dict[int, npt.NDArray[np.int64]], spec: EpisodeSpec, generator: np.random.Generator
) -> tuple[list[int], list[int], list[int]]:
    """Classes, support maps, query maps; a class whose other maps all support another class has no query."""
    classes = [int(label) for label in generator.choice(np.array(sorted(holders)), spec.num_ways, replace=False)]
    support: set[int] = set()
    for label in classes:
        support |= {int(row) for row in generator.choice(holders[label], spec.num_shots, replace=False)}
    query: set[int] = set()
    for label in classes:
        others = np.array([row for row in holders[label] if row not in support], dtype=np.int64)
        drawn = generator.choice(others, min(spec.num_queries, len(others)), replace=False) if len(others) else others
        query |= {int(row) for row in drawn}
    return classes, sorted(support), sorted(query)


def _relabel(mask_NHW: Tensor, classes: list[int]) -> Tensor:
    """Place of each pixel's class in `classes`; one more for the rest, 255 where not known."""
    truth_NHW = torch.full_like(mask_NHW, len(classes), dtype=torch.int64)
    for place, label in enumerate(classes):
        truth_NHW[mask_NHW == label] = place
    truth_NHW[mask_NHW == IGNORE] = IGNORE
    return truth_NHW


def _predict(  # noqa: PLR0917 - one call
    maps_NDHW: Tensor,
    truth_NHW: Tensor,
    support: list[int],
    query: list[int],
    num_classes: int,
    classifier: str,
    penalty: float,
    seed: int,
) -> Tensor:
    """Class of each pixel of the query maps; classes that the support lacks (the rest may) are never predicted."""
    maps, truth = maps_NDHW[support], truth_NHW[support]
    means_KD, seen_K = masked_means(maps, truth, num_classes)
    own = seen_K.nonzero().squeeze(1)
    rows_PD = maps_NDHW[query].permute(0, 2, 3, 1).flatten(0, 2)
    if classifier == "prototype":
        place_P = Prototypes(means_KD=means_KD[own], metric="cosine").predict(rows_PD)
    else:
        vectors, labels = pixel_rows(maps, truth, num_classes, most_per_class=PIXELS_A_CLASS, seed=seed)
        probe = fit_linear_probe(vectors, torch.searchsorted(own, labels), len(own), penalty=penalty)
        place_P = probe.predict(rows_PD)
    return own[place_P].reshape(len(query), *maps_NDHW.shape[2:])


def _mean_iou(found: Tensor, truth: Tensor, num_classes: int) -> float:
    """Over the classes, not the rest; NaN where no query pixel is known."""
    known = truth != IGNORE
    values = []
    for label in range(num_classes):
        hit, wanted = (found == label) & known, truth == label
        union = int((hit | wanted).sum())
        if union:
            values.append(int((hit & wanted).sum()) / union)
    return float(np.mean(values)) if values else float("nan")
