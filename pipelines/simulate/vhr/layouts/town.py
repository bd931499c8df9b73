"""Housing estates, works and large car parks. Distances in metres are rules of thumb of town planning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.landscape import BUILT
from pipelines.simulate.vhr.layout import Site
from pipelines.simulate.vhr.materials import draw_gain
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    from pipelines.simulate.vhr.ground import Frame

WORN_PAINT = 2.4
"""Factor on asphalt under a thin white line of half a pixel."""


def grid_points(site: Site, angle_rad: float, pitch_u: float, pitch_v: float) -> list[tuple[float, float]]:
    """Returns the points (x, y) in metres of a turned grid that covers the image, shifted at random."""
    reach = 0.8 * site.side_m
    start_u, start_v = site.rng.uniform(0, pitch_u), site.rng.uniform(0, pitch_v)
    return [
        site.at(u, v, angle_rad)
        for u in np.arange(-reach + start_u, reach, pitch_u)
        for v in np.arange(-reach + start_v, reach, pitch_v)
    ]


def residential(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns streets with houses on either side, gardens, trees and parked cars."""
    site = Site(rng, frame, "lawn")
    site.patches({"lawn": 0.4, "meadow": 0.25, "dry_grass": 0.15, "soil": 0.08, "paving": 0.12}, 14.0)
    angle, pitch = float(rng.uniform(0, np.pi)), float(rng.uniform(46.0, 64.0))
    offsets = np.arange(-0.8 * site.side_m + rng.uniform(0, pitch), 0.8 * site.side_m, pitch)
    site.road(site.line(angle + np.pi / 2, float(rng.uniform(-0.3, 0.3) * site.side_m)), 7.0, speed_mps=11.0)
    for offset in offsets:
        street = site.line(angle, float(offset), bend_m=float(rng.uniform(0, 3)))
        site.road(street, 6.0, speed_mps=8.0, spacing_m=90.0)
    lot = float(rng.uniform(13.0, 20.0))
    for offset in offsets:
        for side in (-1.0, 1.0):
            _lots(site, angle, float(offset), side, lot)
    site.trees(int(site.side_m**2 / 220.0))
    return site


def _lots(site: Site, angle: float, offset: float, side: float, lot: float) -> None:
    """Adds the houses on one side of a street, with drives, cars and trees."""
    rng = site.rng

    def place(u: float, v: float) -> tuple[float, float]:
        return site.at(u, v, angle)

    for u in np.arange(-0.75 * site.side_m, 0.75 * site.side_m, lot):
        back = rng.uniform(12.0, 15.0)
        x, y = place(u + rng.normal(0, 0.8), offset + side * back)
        if rng.random() < 0.93:  # noqa: PLR2004 some lots are empty
            site.building(x, y, rng.uniform(8.5, lot - 2.5), rng.uniform(7.0, 10.0), angle + rng.normal(0, 0.03))
        if rng.random() < 0.6:  # noqa: PLR2004 a drive
            x, y = place(u + lot / 2, offset + side * 7.5)
            site.ground.fill(site.ground.box(x, y, 3.0, 8.0, angle) & ~site.taken, "paving")
            if rng.random() < 0.6:  # noqa: PLR2004
                site.park(x, y, angle + np.pi / 2)
        if rng.random() < 0.35:  # noqa: PLR2004 at the kerb
            x, y = place(u + rng.uniform(0, lot), offset + side * 2.1)
            site.park(x, y, angle)
        if rng.random() < 0.3:  # noqa: PLR2004 street trees hang over the kerb
            site.tree(*place(u + rng.uniform(0, lot), offset + side * 5.0))


def industrial(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns halls on sealed yards with trucks, tanks and crates."""
    site = Site(rng, frame, "old_asphalt")
    site.patches({"old_asphalt": 0.35, "concrete": 0.25, "asphalt": 0.2, "gravel": 0.1, "dry_grass": 0.1}, 45.0)
    angle = float(rng.uniform(0, np.pi))
    site.road(site.line(angle, float(rng.uniform(-0.35, 0.35) * site.side_m)), 9.0, speed_mps=11.0, spacing_m=70.0)
    for x, y in grid_points(site, angle, float(rng.uniform(45, 70)), float(rng.uniform(38, 58))):
        kind = rng.random()
        if kind < 0.62:  # noqa: PLR2004
            site.building(x, y, rng.uniform(22, 52), rng.uniform(16, 34), angle, hall=True)
        elif kind < 0.78:  # noqa: PLR2004
            _tanks(site, x, y)
        else:
            stack_crates(site, x, y, angle)
    for x, y in rng.uniform(0, site.side_m, (int(site.side_m**2 / 420.0), 2)):
        if site.free(x, y):
            site.park(x, y, angle + float(rng.choice([0.0, np.pi / 2])), truck_chance=0.35)
    site.trees(int(site.side_m**2 / 900.0))
    return site


def _tanks(site: Site, x: float, y: float) -> None:
    width = float(site.rng.uniform(7.0, 16.0))
    for dx in (-0.6, 0.6):
        for dy in (-0.6, 0.6):
            cx, cy = x + dx * width, y + dy * width
            if not site.free(cx, cy):
                continue
            material = str(site.rng.choice(["white_roof", "metal_roof", "grey_roof", "rust"]))
            site.solids.append(
                Solid(
                    kind="tank",
                    cx=cx,
                    cy=cy,
                    length_m=width,
                    width_m=width,
                    angle_rad=0.0,
                    height_m=float(site.rng.uniform(5, 14)),
                    material=material,
                    gain=draw_gain(site.rng, material),
                )
            )
            site.reserve(site.ground.box(cx, cy, width, width, 0.0))


def stack_crates(site: Site, x: float, y: float, angle: float) -> None:
    """Adds a stack of containers (6.1 or 12.2 m by 2.44 m by 2.6 m, ISO 668)."""
    rng = site.rng
    if not site.free(x, y):
        return
    for row in range(int(rng.integers(2, 7))):
        for column in range(int(rng.integers(1, 4))):
            cx = x + np.cos(angle) * 12.6 * column - np.sin(angle) * 2.7 * row
            cy = y + np.sin(angle) * 12.6 * column + np.cos(angle) * 2.7 * row
            if not site.free(float(cx), float(cy)):
                continue
            material = str(rng.choice(["red_paint", "blue_paint", "rust", "green_paint", "grey_paint", "orange_paint"]))
            site.solids.append(
                Solid(
                    kind="crate",
                    cx=float(cx),
                    cy=float(cy),
                    length_m=float(rng.choice([6.1, 12.2])),
                    width_m=2.44,
                    angle_rad=angle,
                    height_m=2.6 * int(rng.integers(1, 4)),
                    material=material,
                    gain=draw_gain(rng, material),
                )
            )


def parking(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns rows of bays (2.5 m by 5 m, lanes of 6 m) around a hall, with tree islands."""
    site = Site(rng, frame, "asphalt")
    site.patches({"asphalt": 0.55, "old_asphalt": 0.45}, 60.0)
    angle = float(rng.uniform(0, np.pi))
    side = float(rng.choice([-1.0, 1.0]))
    hall = 0.28 * site.side_m
    x, y = site.at(0.0, 0.42 * side * site.side_m, angle)
    site.building(x, y, float(rng.uniform(0.5, 0.9) * site.side_m), hall, angle, hall=True)
    site.road(site.line(angle, -side * 0.42 * site.side_m), 8.0, speed_mps=11.0, spacing_m=45.0)
    verge, _ = site.ground.distance_to(site.line(angle, -side * 0.36 * site.side_m))
    site.ground.fill(verge < 3.0, "lawn")  # noqa: PLR2004 6 m wide
    filled = float(rng.uniform(0.3, 0.9))
    for v in np.arange(-0.8 * site.side_m, 0.8 * site.side_m, 16.0):
        for u in np.arange(-0.8 * site.side_m, 0.8 * site.side_m, 2.5):
            for bay in (0.0, 5.2):
                x, y = site.at(u, v + bay, angle)
                if site.free(x, y):
                    _bay(site, x, y, angle, filled)
    site.trees(int(site.side_m**2 / 2500.0))
    return site


def _bay(site: Site, x: float, y: float, angle: float, filled: float) -> None:
    """Marks one parking bay and parks a car, plants a tree or leaves it empty."""
    edge_x, edge_y = x + 1.25 * np.cos(angle), y + 1.25 * np.sin(angle)
    scale, size = site.frame.scale, site.frame.fine
    for step in np.arange(-2.4, 2.4, 0.5 / scale):  # a line of one fine pixel: bays are many
        col, row = int((edge_x - step * np.sin(angle)) * scale), int((edge_y + step * np.cos(angle)) * scale)
        if 0 <= col < size and 0 <= row < size:
            site.ground.gain[row, col] = WORN_PAINT
    if site.rng.random() < filled:
        site.park(x, y, angle + np.pi / 2, truck_chance=0.01)
    elif site.rng.random() < 0.05:  # noqa: PLR2004
        site.ground.fill(site.ground.box(x, y, 2.4, 4.8, angle), "lawn", cover=BUILT)
        site.tree(x, y, width_m=float(site.rng.uniform(3, 6)))
