"""Lines along which vehicles, ships and aircraft move, and who is on them at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.simulate.vhr.movers import make_aircraft, make_ship, make_vehicle
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    from numpy.typing import NDArray

LaneKind = Literal["vehicle", "ship", "aircraft"]

SPREAD_MPS: Final = 0.15
"""Relative difference between the movers of one lane; nobody overtakes, see `Lane.movers`."""

WAKE_LENGTHS: Final = 1.6
FASTEST_WITHOUT_WAKE_MPS: Final = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One thing that moves along a lane at its own constant speed."""

    solid: Solid
    """At rest at the origin, seed, paint and size its own."""

    start_m: float
    """Distance along the lane at time 0; negative: not there yet."""

    speed_mps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A line of traffic in one direction."""

    kind: LaneKind
    points: NDArray[np.float64]
    """(n, 2) x and y in metres, in the direction of travel."""

    speed_mps: float
    """Tracks, town and country roads have 18 to 72 km/h; harbours and rivers 4 to 11 knots; taxiways 12 knots."""

    spacing_m: float
    """Mean distance between two movers."""

    deck_m: float = 0.0
    """Height of the road: a bridge carries its traffic."""

    largest_m: float = 60.0
    """Longest ship or aircraft that fits."""

    @property
    def length_m(self) -> float:
        """Length of the line."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())

    def movers(self, rng: np.random.Generator, duration_s: float) -> tuple[Mover, ...]:
        """Returns who is on the lane between time 0 and `duration_s`, in order, each as fast as the lane or slower.

        A mover that is faster than the one before it is set back, so that none drives through another.
        """
        place, found = self.length_m, []
        end = -duration_s * self.speed_mps * (1.0 + SPREAD_MPS)
        ahead_m, ahead_mps = math.inf, 0.0
        while place > end:
            solid = _drawn(rng, self)
            place -= float(rng.uniform(0.35, 1.65)) * self.spacing_m + solid.length_m
            speed = self.speed_mps * float(rng.uniform(1.0 - SPREAD_MPS, 1.0 + SPREAD_MPS))
            if place + speed * duration_s > ahead_m + ahead_mps * duration_s:
                speed = max(ahead_mps - 0.01, 0.1)
            found.append(Mover(solid=solid, start_m=place, speed_mps=speed))
            ahead_m, ahead_mps = place - solid.length_m, speed
        return tuple(found)

    def at(self, mover: Mover, time_s: float) -> tuple[Solid, ...]:
        """Returns a mover where it is at a time, with its wake; nothing before the start and after the end."""
        place = mover.start_m + mover.speed_mps * time_s
        if not 0.0 <= place <= self.length_m:
            return ()
        x, y, angle = position(self.points, place)
        solid = mover.solid
        here = _moved(solid, x, y, angle, self.deck_m)
        if self.kind != "ship" or mover.speed_mps < FASTEST_WITHOUT_WAKE_MPS:
            return (here,)
        wake = WAKE_LENGTHS * solid.length_m
        back = 0.5 * (wake + 0.9 * solid.length_m)
        foam = Solid(
            kind="wake", cx=x - back * math.cos(angle), cy=y - back * math.sin(angle), length_m=wake,
            width_m=1.8 * solid.width_m, angle_rad=angle, height_m=0.02, material="foam", gain=0.5, seed=solid.seed + 1,
        )  # fmt: skip
        return here, foam


def position(points: NDArray[np.float64], place_m: float) -> tuple[float, float, float]:
    """Returns x, y and heading (from +x towards +y) at a distance along a line of points (n, 2)."""
    steps = np.diff(points, axis=0)
    lengths = np.hypot(*steps.T)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    row = int(np.clip(np.searchsorted(starts, place_m, side="right") - 1, 0, len(steps) - 1))
    share = (place_m - starts[row]) / lengths[row]
    x, y = points[row] + share * steps[row]
    return float(x), float(y), math.atan2(steps[row][1], steps[row][0])


def beside(points: NDArray[np.float64], offset_m: float) -> NDArray[np.float64]:
    """Returns a line moved to its right (in the direction of travel, y down) by a distance."""
    steps = np.gradient(points, axis=0)
    normal = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / np.hypot(*steps.T)[:, None]
    return np.asarray(points + offset_m * normal)


def _drawn(rng: np.random.Generator, lane: Lane) -> Solid:
    if lane.kind == "vehicle":
        return make_vehicle(rng)
    return make_ship(rng, lane.largest_m) if lane.kind == "ship" else make_aircraft(rng, lane.largest_m)


def _moved(solid: Solid, x: float, y: float, angle_rad: float, base_m: float) -> Solid:
    return Solid(
        kind=solid.kind, cx=x, cy=y, length_m=solid.length_m, width_m=solid.width_m, angle_rad=angle_rad,
        height_m=solid.height_m, material=solid.material, gain=solid.gain, style=solid.style, base_m=base_m,
        seed=solid.seed,
    )  # fmt: skip
