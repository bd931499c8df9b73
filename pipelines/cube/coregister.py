"""How scenes are held against a reference, and what is known of one afterwards."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from pipelines.physics.shift import ShiftOptions

if TYPE_CHECKING:
    from pipelines.physics.shift import Shift

Action = Literal["measure", "gate", "correct"]

COREGISTERED_GROUPS: Final = ("l8", "modis", "s2", "vhr")
"""Groups whose scenes are compared with one of their own; speckle leaves a radar scene nothing to hold on to."""

BANDS: Final[dict[str, tuple[str, ...]]] = {
    "s2": ("B04", "B03", "B02", "B08", "B11"),
    "l8": ("SR_B4", "SR_B3", "SR_B5"),
    "modis": ("B01", "B04", "B02"),
    "vhr": ("red", "green", "nir"),
}
"""Bands to compare, the first that the cube holds: visible ones keep the sign of their contrasts over the year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoregisterOptions:
    """What is done about scenes that lie beside the reference."""

    action: Action = "measure"
    """`measure` records the shift; `gate` skips a scene beyond `max_shift_m` as misregistered; `correct` reads its
    rasters moved back, bilinear. A scene whose shift cannot be told is let through by each, with a note."""

    max_shift_m: float | None = None
    """Largest shift let through by the gate, metres; half a pixel of the grid where None."""

    shift: ShiftOptions = field(default_factory=ShiftOptions)

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"an action is one of {list(get_args(Action))}, got {self.action!r}; use one of them")
        if self.max_shift_m is not None and not (math.isfinite(self.max_shift_m) and self.max_shift_m > 0):
            raise ValueError(f"max_shift_m is a positive length, got {self.max_shift_m}; leave it out for half a pixel")

    def limit_m(self, resolution: float) -> float:
        """Returns the largest shift that the gate lets through.

        Args:
            resolution: Side of a pixel of the grid, metres.
        """
        return resolution / 2 if self.max_shift_m is None else self.max_shift_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where a scene lies against the reference."""

    reference: str
    """Scene ids of the reference date."""

    band: str
    shift: Shift
    resolution: float
    """Side of a pixel of the grid, metres."""

    applied: bool = False
    """Whether the rasters were read moved back by the shift."""

    @property
    def shift_x_m(self) -> float:
        """How far east the scene's features lie of the reference's, NaN where that could not be told."""
        return self.shift.cols_px * self.resolution

    @property
    def shift_y_m(self) -> float:
        """How far north, likewise."""
        return 0.0 - self.shift.rows_px * self.resolution

    @property
    def length_m(self) -> float:
        """Length of the shift."""
        return math.hypot(self.shift_x_m, self.shift_y_m)

    @property
    def note(self) -> str:
        """What a reader should know of a scene that is in the cube though nobody can say how it lies, else ''."""
        if self.shift.is_measured:
            return ""
        return f"its shift against {self.reference} could not be told: {self.shift.problem}"

    @property
    def record(self) -> dict[str, object]:
        """What was measured and done, JSON-able; a number that is not known is null."""
        known = {
            "shift_x_m": self.shift_x_m,
            "shift_y_m": self.shift_y_m,
            "spread_m": self.shift.spread_px * self.resolution,
        }
        return {
            "reference": self.reference,
            "band": self.band,
            **{name: None if math.isnan(value) else round(value, 4) for name, value in known.items()},
            "num_windows": self.shift.num_windows,
            "applied": self.applied,
            "problem": self.shift.problem,
        }

    def as_applied(self) -> Registration:
        """Returns the registration of a scene that is read moved back."""
        return dataclasses.replace(self, applied=True)
