"""Claim: what is asked, of which arms, at what size, and what a null will be called; written before it is run."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SEEDS = 2
"""Without a second seed nothing is known of the spread that pairs are judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One arm against another, by the mean of the metric over conditions, seeds and scenes."""

    arm: str
    against: str
    conditions: tuple[str, ...] = ()
    """Those that count; empty is all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An experiment of the registry."""

    name: str
    question: str
    arms: tuple[str, ...]
    conditions: tuple[str, ...]
    """What each arm is tried under, such as shares of cloud or numbers of labels."""

    primary: Contrast
    """The one that is tested, named beforehand; Holm's correction runs over those of all claims."""

    others: tuple[Contrast, ...] = ()
    """Told with their intervals, tested by nothing."""

    seeds: int
    minutes: float
    """About how many CPU minutes an arm and a seed take."""

    metric: str
    """One, larger is better."""

    stop_rule: str
    wording_null: str
    """Sentence for a null; `{smallest}` is the smallest effect that would have been found."""

    runner: str
    """Module of `experiments.runners` with `SETTING`, `TINY`, `prepare(seed, setting)` and `run(arm, seed, setting)`;
    '' where the rows come from elsewhere (`source`)."""

    source: str = ""
    """File that the rows were imported from."""

    caveat: str = ""
    """What speaks against reading too much into it."""

    def __post_init__(self) -> None:
        if self.seeds < LEAST_SEEDS:
            raise ValueError(f"a claim needs at least {LEAST_SEEDS} seeds, got {self.seeds}; add some")
        if not self.conditions or len(set(self.arms)) != len(self.arms):
            raise ValueError(f"{self.name} needs conditions and arms named once, got {self.conditions}, {self.arms}")
        for contrast in (self.primary, *self.others):
            strange = {contrast.arm, contrast.against} - set(self.arms) or set(contrast.conditions) - set(
                self.conditions
            )
            if strange:
                raise ValueError(f"contrasts of {self.name} name its own arms and conditions, got {sorted(strange)}")
        if "{smallest}" not in self.wording_null:
            raise ValueError(f"the null of {self.name} must say what would have been found; put {{smallest}} into it")
        if bool(self.runner) == bool(self.source):
            raise ValueError(f"{self.name} is either run or imported, got {self.runner!r} and {self.source!r}")
