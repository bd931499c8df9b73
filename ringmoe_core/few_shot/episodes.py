"""Episodes: small tasks drawn from a labelled set, each with its own classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSpec:
    """n-way k-shot."""

    num_ways: int = 5
    """Classes of an episode, at least 2."""

    num_shots: int = 1
    """Examples of each class to learn from, at least 1."""

    num_queries: int = 15
    """Others of each class to be told apart, at least 1."""

    def __post_init__(self) -> None:
        if self.num_ways < 2 or min(self.num_shots, self.num_queries) < 1:  # noqa: PLR2004 - a choice has two sides
            raise ValueError(
                f"an episode has two classes or more with one example and one query each, got {self.num_ways} classes, "
                f"{self.num_shots} and {self.num_queries}; raise them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Rows of a labelled set; the class of a row is its place in `classes`."""

    classes: npt.NDArray[np.int64]
    """(way,) labels in the set."""

    support: npt.NDArray[np.int64]
    """(way, shot) rows to learn from."""

    query: npt.NDArray[np.int64]
    """(way, query) rows to tell apart, none of them in `support`."""


def draw_episodes(labels: npt.ArrayLike, spec: EpisodeSpec, *, num_episodes: int, seed: int) -> list[Episode]:
    """Episodes drawn without replacement within each; equal arguments give equal episodes.

    Args:
        labels: (row,) integer class of each row; negative ones are not drawn.
        spec: n-way k-shot.
        num_episodes: how many, at least 1.
        seed: of the draws; the first episodes do not depend on how many follow.

    Raises:
        ValueError: too few classes have enough rows; says which.
    """
    table = np.asarray(labels)
    if num_episodes < 1:
        raise ValueError(f"one episode or more is drawn, got {num_episodes}; raise it")
    wanted = spec.num_shots + spec.num_queries
    known, counts = np.unique(table[table >= 0], return_counts=True)
    usable = known[counts >= wanted]
    if len(usable) < spec.num_ways:
        short = {int(label): int(count) for label, count in zip(known, counts, strict=True) if count < wanted}
        raise ValueError(
            f"{spec.num_ways} classes must have {wanted} rows each, got {len(usable)} (too few rows: {short}); lower "
            "the ways, shots or queries"
        )
    rows = {int(label): np.flatnonzero(table == label) for label in usable}
    return [_draw(rows, spec, np.random.default_rng([seed, index])) for index in range(num_episodes)]


def _draw(rows: dict[int, npt.NDArray[np.int64]], spec: EpisodeSpec, generator: np.random.Generator) -> Episode:
    classes = generator.choice(np.array(sorted(rows), dtype=np.int64), spec.num_ways, replace=False)
    drawn = np.stack(
        [generator.choice(rows[int(label)], spec.num_shots + spec.num_queries, replace=False) for label in classes]
    )
    return Episode(classes=classes, support=drawn[:, : spec.num_shots], query=drawn[:, spec.num_shots :])
