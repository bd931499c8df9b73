"""What the use of experts says: which are dead, which bank has collapsed, what modalities share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from flows.routing import BankRow

DEAD_SHARE: Final = 0.001
"""An expert is dead below this share of the tokens of every modality that may take it."""

COLLAPSED_SHARE: Final = 0.95
"""A bank has collapsed, for a modality, where one of several experts takes more than this share of its tokens."""

ALIKE_BITS: Final = 0.05
APART_BITS: Final = 0.5
"""Modalities use a bank alike below the one and hardly share it above the other."""

MODALITY_TITLES: Final = {"optical": "Sentinel-2 RGB", "sar_l2": "Sentinel-1", "ms": "Sentinel-2", "sar_l1": "SAR-L1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the verdict."""

    about: Literal["dead", "collapse", "sharing"]
    state: Literal["good", "note", "bad"]
    text: str
    cases: tuple[str, ...] = ()
    """Where, for `dead` and `collapse`."""


def verdict(rows: Sequence[BankRow], divergences: Sequence[float]) -> tuple[Finding, ...]:
    """Returns what there is to say of the rows of a study and of its `divergence_bits`."""
    found = [_dead(rows), _collapse(rows)]
    if divergences:
        found.append(_sharing(rows, divergences))
    return tuple(found)


def divergence_bits(rows: Sequence[BankRow]) -> tuple[float, ...]:
    """Returns, layer by layer, how differently modalities use the collaborative bank, 0 (the same) to 1 (disjoint).

    The Jensen-Shannon divergence with logarithms to base 2 (Lin 1991, DOI 10.1109/18.61115, equation 3.4 with equal
    weights) of the shares of tokens that each expert gets, the mean over pairs of modalities. Empty without a bank of
    several experts or with one modality.
    """
    layers: dict[int, list[npt.NDArray[np.float64]]] = {}
    for row in rows:
        if row.bank == "collaborative" and len(row.utilisation) > 1:
            layers.setdefault(row.layer, []).append(np.array(row.utilisation, dtype=np.float64))
    pairs = [list(combinations(layers[layer], 2)) for layer in sorted(layers)]
    return tuple(float(np.mean([_jensen_shannon(*pair) for pair in some])) for some in pairs if some)


def _jensen_shannon(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    middle = (first + second) / 2
    return float(max(0.0, _bits(middle) - (_bits(first) + _bits(second)) / 2))


def _bits(shares: npt.NDArray[np.float64]) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())


def _dead(rows: Sequence[BankRow]) -> Finding:
    """The collaborative experts serve every modality, the specialised ones their own."""
    largest: dict[str, float] = {}
    for row in rows:
        for expert, share in enumerate(row.utilisation, start=1):
            owner = f", {MODALITY_TITLES.get(row.modality, row.modality)}" if row.bank == "specialised" else ""
            name = f"layer {row.layer}, {row.bank}{owner}, expert {expert}"
            largest[name] = max(share, largest.get(name, 0.0))
    cases = tuple(name for name, share in largest.items() if share < DEAD_SHARE)
    if not cases:
        text = f"No dead expert: each of {len(largest)} takes at least {DEAD_SHARE:.1%} of some sensor's tokens."
        return Finding(about="dead", state="good", text=text)
    text = f"{len(cases)} of {len(largest)} experts dead: below {DEAD_SHARE:.1%} of the tokens of every sensor."
    return Finding(about="dead", state="bad", text=text, cases=cases)


def _collapse(rows: Sequence[BankRow]) -> Finding:
    several = [row for row in rows if len(row.utilisation) > 1]
    if not several:
        return Finding(about="collapse", state="note", text="No bank has more than one expert, so none can collapse.")
    over = [row for row in several if max(row.utilisation) > COLLAPSED_SHARE]
    if not over:
        worst = max(several, key=lambda row: max(row.utilisation))
        text = f"No bank has collapsed: the busiest expert takes {max(worst.utilisation):.0%} ({_where(worst)})."
        return Finding(about="collapse", state="good", text=text)
    text = (
        f"{len(over)} of {len(several)} banks collapsed, counted by layer and sensor: one expert takes more than "
        f"{COLLAPSED_SHARE:.0%} of the tokens."
    )
    cases = tuple(f"{_where(row)}: {max(row.utilisation):.1%}" for row in over)
    return Finding(about="collapse", state="bad", text=text, cases=cases)


def _sharing(rows: Sequence[BankRow], divergences: Sequence[float]) -> Finding:
    mean = float(np.mean(divergences))
    names = list(dict.fromkeys(MODALITY_TITLES.get(row.modality, row.modality) for row in rows))
    who = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    how = "alike" if mean < ALIKE_BITS else "and hardly share them" if mean > APART_BITS else "in part differently"
    text = (
        f"{who} use the collaborative experts {how}: Jensen-Shannon divergence {mean:.2f} bit, "
        f"{min(divergences):.2f} to {max(divergences):.2f} by layer (0: same use, 1: no expert in common)."
    )
    return Finding(about="sharing", state="note", text=text)


def _where(row: BankRow) -> str:
    return f"layer {row.layer}, {row.bank}, {MODALITY_TITLES.get(row.modality, row.modality)}"
