"""What a caller may choose about composites."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from pipelines.composite.period import EPOCH, period_of

Method = Literal["best-pixel", "median", "medoid", "first-valid", "mean"]
RadarMethod = Literal["mean", "median", "first-valid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What makes an observation the best pixel of its period."""

    distance: float = 1.0
    """Weight of the distance to clouds."""

    timing: float = 0.5
    """Weight of the nearness to the middle of the period."""

    reach_px: int = 50
    """Distance from a cloud, in pixels, from which on it no longer counts."""

    def __post_init__(self) -> None:
        if self.distance < 0 or self.timing < 0 or self.reach_px < 1:
            raise ValueError(f"weights are not negative and reach_px at least 1, got {self}; correct them")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeOptions:
    """How the dates of a group become one image a period."""

    period: str = "month"
    """`month`, `quarter`, `year`, a number of days such as `10d`, or `solar-day`."""

    method: Method = "median"
    """Of groups that clouds cover."""

    radar_method: RadarMethod = "mean"
    """Of groups that hold power: no cloud tells its dates apart."""

    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"a method is one of {list(get_args(Method))}, got {self.method!r}; use one of them")
        if self.radar_method not in get_args(RadarMethod):
            raise ValueError(
                f"a radar_method is one of {list(get_args(RadarMethod))}, got {self.radar_method!r}; use one of them"
            )
        period_of(EPOCH, self.period)  # refuses an unknown length
