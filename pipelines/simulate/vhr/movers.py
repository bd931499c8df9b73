"""Vehicles, ships and aircraft at the origin, with the sizes of real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.simulate.vhr.materials import CAR_PAINTS, draw_gain, draw_material
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    import numpy as np

TRUCK_CHANCE: Final = 0.12

AIRCRAFT_SIZES_M: Final = (
    (11.0, 11.0, 3.0),
    (18.0, 20.0, 5.5),
    (31.0, 29.0, 10.5),
    (37.6, 34.1, 11.8),
    (58.8, 60.3, 17.4),
)
"""Length, span and height: a small propeller aircraft, a business jet, a regional jet, an A320, an A330 (makers'
airport planning documents, rounded)."""


def make_vehicle(rng: np.random.Generator, *, truck_chance: float = TRUCK_CHANCE) -> Solid:
    """Returns a car of 3.8 to 5.2 m or a truck of 7 to 16.5 m (the largest length that European Union law allows)."""
    seed = int(rng.integers(1 << 31))
    if rng.random() < truck_chance:
        material = draw_material(rng, {"white_paint": 0.5, "grey_paint": 0.2, "blue_paint": 0.15, "orange_paint": 0.15})
        return Solid(
            kind="vehicle", cx=0.0, cy=0.0, length_m=float(rng.uniform(7.0, 16.5)), width_m=2.5, angle_rad=0.0,
            height_m=float(rng.uniform(2.8, 4.0)), material=material, gain=draw_gain(rng, material), style="truck",
            seed=seed,
        )  # fmt: skip
    material = draw_material(rng, CAR_PAINTS)
    return Solid(
        kind="vehicle", cx=0.0, cy=0.0, length_m=float(rng.uniform(3.8, 5.2)), width_m=float(rng.uniform(1.7, 2.05)),
        angle_rad=0.0, height_m=float(rng.uniform(1.4, 1.9)), material=material, gain=draw_gain(rng, material),
        style="car", seed=seed,
    )  # fmt: skip


def make_ship(rng: np.random.Generator, largest_m: float) -> Solid:
    """Returns a boat, barge or cargo ship of 5 m up to a largest length, 0.15 to 0.33 times as wide."""
    seed = int(rng.integers(1 << 31))
    length = float(min(largest_m, 5.0 + rng.gamma(1.2, 0.35 * largest_m)))
    style = "boat" if length < 22 else str(rng.choice(["cargo", "barge", "boat"], p=[0.5, 0.35, 0.15]))  # noqa: PLR2004
    shares = {"white_paint": 0.55, "grey_paint": 0.15, "blue_paint": 0.15, "black_paint": 0.15}
    if style != "boat":
        shares = {"rust": 0.35, "black_paint": 0.25, "blue_paint": 0.15, "grey_paint": 0.25}
    material = draw_material(rng, shares)
    slender = {"boat": (0.26, 0.33), "cargo": (0.14, 0.18), "barge": (0.13, 0.2)}[style]
    return Solid(
        kind="ship", cx=0.0, cy=0.0, length_m=length, width_m=length * float(rng.uniform(*slender)), angle_rad=0.0,
        height_m=1.2 + 0.16 * length, material=material, gain=draw_gain(rng, material), style=style, seed=seed,
    )  # fmt: skip


def make_aircraft(rng: np.random.Generator, largest_m: float) -> Solid:
    """Returns an aircraft of at most a length."""
    seed = int(rng.integers(1 << 31))
    fitting = [size for size in AIRCRAFT_SIZES_M if size[0] <= largest_m] or [AIRCRAFT_SIZES_M[0]]
    length, span, height = fitting[int(rng.integers(len(fitting)))]
    material = draw_material(rng, {"white_paint": 0.7, "silver_paint": 0.2, "grey_paint": 0.1})
    return Solid(
        kind="aircraft", cx=0.0, cy=0.0, length_m=length, width_m=span, angle_rad=0.0, height_m=height,
        material=material, gain=draw_gain(rng, material), seed=seed,
    )  # fmt: skip
