"""From rows to what may be said: paired differences, their intervals, what would have been found, the words for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.optimize import brentq

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from experiments.claim import Claim, Contrast
    from experiments.row import Row

ALPHA = 0.05
POWER = 0.80
DRAWS = 4000
FEW_SEEDS = 2
LEAST_P = 0.001
"""Smaller ones are told as such: a t test over a handful of seeds knows no more digits."""

STEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One contrast, told."""

    contrast: Contrast
    mean: float
    low: float
    high: float
    """95 % interval, seeds and scenes drawn again."""

    spread: float
    """Standard deviation over seeds of the difference that scenes and conditions were averaged in."""

    smallest: float
    """Effect that these seeds would have found in 80 of 100 tries, in the metric's units."""

    p: float
    """Two-sided, paired t over seeds."""

    num_seeds: int
    num_scenes: int


def paired(rows: Sequence[Row], contrast: Contrast) -> NDArray[np.float64]:
    """Returns differences (seed, scene), over the seeds and scenes that both arms have.

    Arms are compared condition by condition and the differences averaged: a condition under which one arm has no
    measure of a scene counts for neither.

    Raises:
        ValueError: There are none.
    """
    tables = [_table(rows, name, contrast.conditions) for name in (contrast.arm, contrast.against)]
    found: dict[tuple[int, int], list[float]] = {}
    for key in sorted(set(tables[0]) & set(tables[1])):
        found.setdefault(key[:2], []).append(tables[0][key] - tables[1][key])
    seeds = sorted({seed for seed, _ in found})
    scenes = sorted(set.intersection(*[{scene for own, scene in found if own == seed} for seed in seeds] or [set()]))
    if not scenes:
        raise ValueError(f"{contrast.arm!r} and {contrast.against!r} share no seed and scene; run both arms")
    return np.array([[float(np.mean(found[seed, scene])) for scene in scenes] for seed in seeds])


def shared(rows: Sequence[Row], contrast: Contrast) -> bool:
    """Returns whether both arms of a contrast have a seed and scene in common, as in a run that has come far enough."""
    try:
        paired(rows, contrast)
    except ValueError:
        return False
    return True


def difference(rows: Sequence[Row], contrast: Contrast, *, seed: int = 0) -> Difference:
    """Returns a contrast with its interval; p is NaN with fewer than two seeds."""
    table = paired(rows, contrast)
    num_seeds, num_scenes = table.shape
    random = np.random.default_rng(seed)
    of_seeds = random.integers(num_seeds, size=(DRAWS, num_seeds, 1))
    of_scenes = random.integers(num_scenes, size=(DRAWS, 1, num_scenes))
    low, high = np.quantile(table[of_seeds, of_scenes].mean(axis=(1, 2)), [ALPHA / 2, 1 - ALPHA / 2])
    by_seed = table.mean(axis=1)
    enough = num_seeds >= FEW_SEEDS
    spread = float(by_seed.std(ddof=1)) if enough else float("nan")
    return Difference(
        contrast=contrast,
        mean=float(table.mean()),
        low=float(low),
        high=float(high),
        spread=spread,
        smallest=smallest_effect(num_seeds) * spread if enough else float("nan"),
        p=_p_value(by_seed) if enough else float("nan"),
        num_seeds=num_seeds,
        num_scenes=num_scenes,
    )


def smallest_effect(num_seeds: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Returns the effect, in standard deviations of the paired difference, that a two-sided paired t test finds.

    The non-centrality d sqrt(n) at which a non-central t with n - 1 degrees of freedom leaves the acceptance region in
    `power` of all cases (Cohen 1988, chapter 2).

    Args:
        num_seeds: n, at least 2.
        alpha: Level of the test.
        power: Chance of finding it.
    """
    freedom, root = num_seeds - 1, math.sqrt(num_seeds)
    bound = float(stats.t.ppf(1 - alpha / 2, freedom))
    share = (np.arange(STEPS) + 0.5) / STEPS
    scale = np.sqrt(stats.chi2.ppf(share, freedom) / freedom)  # scipy's non-central t fails where few seeds matter

    def missing(effect: float) -> float:
        shift = effect * root
        found = stats.norm.cdf(shift - bound * scale) + stats.norm.cdf(-shift - bound * scale)
        return float(found.mean()) - power

    return float(brentq(missing, 1e-3, 100.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Returns p-values corrected for having asked several questions (Holm, Scandinavian Journal of Statistics 1979).

    Args:
        p_values: By claim; NaN stays NaN and counts as no question.
    """
    asked = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    corrected: dict[str, float] = {name: float("nan") for name in p_values}
    largest = 0.0
    for rank, (p, name) in enumerate(asked):
        largest = max(largest, min(1.0, (len(asked) - rank) * p))
        corrected[name] = largest
    return corrected


def wording(claim: Claim, found: Difference, corrected: float) -> str:
    """Returns the sentence that the rule allows: an effect with its interval, or the claim's own null."""
    if math.isnan(corrected):
        return f"Too few seeds ({found.num_seeds}) to say anything."
    if corrected < ALPHA:
        pair = (found.contrast.arm, found.contrast.against)
        better, worse = pair if found.mean > 0 else pair[::-1]
        stated = f"p = {corrected:.3f}" if corrected >= LEAST_P else f"p < {LEAST_P}"
        return (
            f"{better} is better than {worse} by {abs(found.mean):.4f} {claim.metric} "
            f"(95 % interval of the difference {found.low:+.4f} to {found.high:+.4f}, {stated} after Holm)."
        )
    return claim.wording_null.format(smallest=f"{found.smallest:.4f} {claim.metric}")


def _table(rows: Sequence[Row], arm: str, conditions: tuple[str, ...]) -> dict[tuple[int, int, str], float]:
    """The measures of an arm by seed, scene and condition."""
    return {
        (row.seed, row.scene, row.condition): row.value
        for row in rows
        if row.arm == arm and (not conditions or row.condition in conditions) and not math.isnan(row.value)
    }


def _p_value(by_seed: NDArray[np.float64]) -> float:
    if np.ptp(by_seed) == 0:
        return 1.0 if by_seed[0] == 0 else 0.0
    return float(stats.ttest_1samp(by_seed, 0.0).pvalue)
