"""Harbours, airports and rivers with bridges. Distances in metres are rules of thumb."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.vhr.lanes import Lane, beside
from pipelines.simulate.vhr.layout import Site
from pipelines.simulate.vhr.layouts.town import stack_crates
from pipelines.simulate.vhr.movers import make_aircraft, make_ship
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    from pipelines.simulate.vhr.ground import Frame

WATERS = ("clear_water", "turbid_water", "green_water")
DECK_M = 6.5
"""Height of a bridge's roadway; clear height over small waterways is 5 to 7 m."""


def harbour(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns a quay with sheds and stacks, moored ships, jetties with boats, and ships under way."""
    site = Site(rng, frame, str(rng.choice(WATERS)))
    angle = float(rng.uniform(0, 2 * np.pi))
    middle, share = site.side_m / 2, float(rng.uniform(-0.12, 0.18)) * site.side_m
    _, across = site.ground.along(middle, middle, angle)
    land = across < share
    site.ground.fill(land, "concrete")
    site.patches({"concrete": 0.45, "old_asphalt": 0.3, "asphalt": 0.15, "gravel": 0.1}, 40.0, where=land)
    site.ground.fill(land & (across > share - 1.0), "old_asphalt")
    site.reserve(~land | (across > share - 4.0))

    def place(u: float, v: float) -> tuple[float, float]:
        return site.at(u, v, angle)

    site.road(np.array([place(u, share - 14.0) for u in np.linspace(-0.75, 0.75, 7) * site.side_m]), 7.0, speed_mps=7.0)
    for u in np.arange(-0.6 * site.side_m, 0.6 * site.side_m, 38.0):
        x, y = place(u + rng.normal(0, 3), share - rng.uniform(34, 42))
        if rng.random() < 0.55:  # noqa: PLR2004
            site.building(x, y, rng.uniform(18, 34), rng.uniform(12, 22), angle, hall=True)
        else:
            stack_crates(site, x, y, angle)
    _quay(site, place, share, angle)
    for _ in range(int(site.side_m**2 / 900.0)):
        x, y = rng.uniform(0, site.side_m, 2)
        if site.free(x, y):
            site.park(x, y, angle, truck_chance=0.4)
    lane = np.array([place(u, share + rng.uniform(30.0, 45.0)) for u in (-0.8 * site.side_m, 0.8 * site.side_m)])
    site.lanes.append(Lane(kind="ship", points=lane, speed_mps=4.0, spacing_m=60.0, largest_m=0.35 * site.side_m))
    site.lanes.append(
        Lane(kind="ship", points=beside(lane[::-1], -28.0), speed_mps=5.5, spacing_m=70.0, largest_m=20.0)
    )
    return site


def _quay(site: Site, place: object, share: float, angle: float) -> None:
    """Moors ships along the quay and boats at jetties."""
    rng = site.rng
    assert callable(place)
    u = -0.6 * site.side_m
    while u < 0.6 * site.side_m:
        if rng.random() < 0.5:  # noqa: PLR2004
            ship = make_ship(rng, 0.45 * site.side_m)
            x, y = place(u + ship.length_m / 2, share + ship.width_m / 2 + 0.8)
            site.moor(ship, x, y, angle + (np.pi if rng.random() < 0.5 else 0.0))  # noqa: PLR2004
            u += ship.length_m + rng.uniform(3, 12)
            continue
        length = float(rng.uniform(14, 26))
        x, y = place(u + 5.0, share + length / 2)
        site.solids.append(
            Solid(
                kind="crate",
                cx=x,
                cy=y,
                length_m=length,
                width_m=2.0,
                angle_rad=angle + np.pi / 2,
                height_m=0.6,
                material="wood_deck",
            )
        )
        for row in np.arange(4.0, length - 1.0, 3.6):
            for side in (-1.0, 1.0):
                if rng.random() < 0.6:  # noqa: PLR2004
                    boat = make_ship(rng, 8.0)
                    x, y = place(u + 5.0 + side * (1.4 + boat.length_m / 2), share + row)
                    site.moor(boat, x, y, angle + (0.0 if side > 0 else np.pi) + rng.normal(0, 0.04))
        u += 26.0


def airport(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns an apron with aircraft before a terminal, a taxiway and grass."""
    site = Site(rng, frame, "meadow")
    site.patches({"meadow": 0.5, "dry_grass": 0.3, "lawn": 0.2}, 30.0)
    angle = float(rng.uniform(0, 2 * np.pi))
    middle, side = site.side_m / 2, site.side_m

    def place(u: float, v: float) -> tuple[float, float]:
        return site.at(u, v, angle)

    _, across = site.ground.along(middle, middle, angle)
    apron = (across > -0.08 * side) & (across < 0.30 * side)
    site.ground.fill(apron, "concrete")
    joints = np.mod(across, 7.5) < 0.3  # noqa: PLR2004 slabs of 7.5 m
    site.ground.gain[apron & joints] *= np.float32(0.85)
    terminal = place(rng.uniform(-0.2, 0.2) * side, 0.38 * side)
    site.building(*terminal, float(rng.uniform(0.4, 0.8) * side), 0.13 * side, angle, hall=True)
    taxi = np.array([place(u, -0.24 * side) for u in np.linspace(-0.8, 0.8, 9) * side])
    distance, _ = site.ground.distance_to(taxi)
    site.ground.fill(distance < 9.0, "old_asphalt")  # noqa: PLR2004
    site.ground.fill(distance < 0.2, "marking", gain=0.9)  # noqa: PLR2004
    site.reserve(distance < 16.0)  # noqa: PLR2004
    largest = float(rng.choice([12.0, 20.0, 38.0, 60.0])) if side > 100 else 20.0  # noqa: PLR2004
    site.lanes.append(Lane(kind="aircraft", points=taxi, speed_mps=6.0, spacing_m=1.6 * side, largest_m=largest))
    u = -0.6 * side
    while u < 0.6 * side:
        plane = make_aircraft(rng, largest)
        u += plane.width_m / 2 + 4.0
        if rng.random() < 0.75:  # noqa: PLR2004
            site.moor(plane, *place(u, 0.30 * side - plane.length_m / 2 - 6.0), angle + np.pi / 2 + rng.normal(0, 0.05))
        u += plane.width_m / 2 + 2.0
    for _ in range(int(side / 8.0)):
        x, y = place(rng.uniform(-0.6, 0.6) * side, rng.uniform(0.22, 0.30) * side)
        site.park(x, y, angle + float(rng.choice([0.0, np.pi / 2])), truck_chance=0.4)
    road = np.array([place(u, 0.49 * side) for u in np.linspace(-0.8, 0.8, 9) * side])
    site.road(road, 7.0, speed_mps=9.0, spacing_m=35.0)
    return site


def river(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns a river with wooded banks, a bridge with traffic, barges and boats."""
    site = Site(rng, frame, "meadow")
    site.patches({"meadow": 0.4, "crop_pale": 0.15, "dry_grass": 0.2, "lawn": 0.15, "soil": 0.1}, 45.0)
    angle = float(rng.uniform(0, np.pi))
    course = site.line(
        angle, float(rng.uniform(-0.1, 0.1) * site.side_m), bend_m=float(rng.uniform(0.03, 0.10)) * site.side_m
    )
    width = float(rng.uniform(0.16, 0.30) * site.side_m)
    distance, _ = site.ground.distance_to(course)
    edge = distance + 1.2 * site.field(12.0)
    water = edge < width / 2
    site.ground.fill(edge < width / 2 + 2.5, str(rng.choice(["mud", "sand", "reed", "gravel"])))
    site.reserve(edge < width / 2 + 1.0)
    bridge = site.line(angle + np.pi / 2 + float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.2) * site.side_m))
    site.road(bridge, 8.0, speed_mps=float(rng.uniform(11, 20)), spacing_m=40.0)
    site.ground.fill(water, str(rng.choice(WATERS)))
    step = bridge[-1] - bridge[0]
    turn, centre = float(np.arctan2(step[1], step[0])), bridge[len(bridge) // 2]
    site.solids.append(
        Solid(
            kind="deck",
            cx=float(centre[0]),
            cy=float(centre[1]),
            length_m=float(np.hypot(*step)),
            width_m=8.6,
            angle_rad=turn,
            height_m=DECK_M,
            material="asphalt",
        )
    )
    site.lanes = [replace(lane, deck_m=DECK_M) for lane in site.lanes]
    for line, offset in ((course, width / 5), (course[::-1], width / 5)):
        site.lanes.append(
            Lane(
                kind="ship",
                points=beside(line, offset),
                speed_mps=float(rng.uniform(2, 5)),
                spacing_m=70.0,
                largest_m=0.3 * site.side_m,
            )
        )
    _banks(site, distance, width)
    return site


def _banks(site: Site, distance: np.ndarray, width: float) -> None:
    """Plants trees, the more the nearer to the bank, and a few houses."""
    rng, scale = site.rng, site.frame.scale
    for x, y in rng.uniform(0, site.side_m, (int(site.side_m**2 / 45.0), 2)):
        near = float(distance[int(y * scale), int(x * scale)]) - width / 2
        if site.free(x, y) and rng.random() < np.exp(-max(near, 0.0) / 9.0) * 0.8 + 0.03:
            site.tree(float(x), float(y), needle=0.05)
    for _ in range(4):
        x, y = rng.uniform(0, site.side_m, 2)
        site.building(float(x), float(y), rng.uniform(8, 14), rng.uniform(7, 10), rng.uniform(0, np.pi))
