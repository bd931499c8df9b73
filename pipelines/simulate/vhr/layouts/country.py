"""Forest, farmland, open ground and wetland."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.landscape import BARE, CROP, GRASS
from pipelines.simulate.parcels import parcel_ids, zone_ids
from pipelines.simulate.vhr.layout import Site
from pipelines.simulate.vhr.materials import draw_gain
from pipelines.simulate.vhr.movers import make_ship
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    from pipelines.simulate.texture import FloatArray
    from pipelines.simulate.vhr.ground import Frame

CROPS = {"crop_green": 0.28, "crop_pale": 0.17, "crop_ripe": 0.17, "soil": 0.22, "meadow": 0.16}


def forest(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns a closed forest with gaps, a track or road, and perhaps a house."""
    site = Site(rng, frame, "meadow")
    site.patches({"meadow": 0.4, "dry_grass": 0.3, "soil": 0.2, "reed": 0.1}, 20.0)
    angle, needle = float(rng.uniform(0, np.pi)), float(rng.choice([0.1, 0.5, 0.9]))
    track = site.line(angle, float(rng.uniform(-0.3, 0.3) * site.side_m), bend_m=6.0)
    if rng.random() < 0.5:  # noqa: PLR2004
        site.road(track, 6.0, speed_mps=14.0, spacing_m=90.0)
    else:
        site.road(track, 3.2, speed_mps=0.0, material=str(rng.choice(["gravel", "soil"])), marked=False)
    if rng.random() < 0.4:  # noqa: PLR2004
        x, y = rng.uniform(0.2, 0.8, 2) * site.side_m
        site.building(float(x), float(y), 11.0, 8.0, angle)
        site.park(float(x + 8), float(y + 4), angle)
    gaps = site.field(40.0) > rng.uniform(0.7, 1.6)
    site.reserve(gaps)
    pitch = float(rng.uniform(4.6, 6.2))
    for x in np.arange(0, site.side_m, pitch):
        for y in np.arange(0, site.side_m, pitch):
            at_x, at_y = x + rng.normal(0, 0.35 * pitch), y + rng.normal(0, 0.35 * pitch)
            if site.free(float(at_x), float(at_y)):
                site.tree(float(at_x), float(at_y), width_m=float(pitch * rng.uniform(0.9, 1.7)), needle=needle)
    return site


def farmland(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns fields with drilling rows and tramlines, hedges, a farm and a lane."""
    site = Site(rng, frame, "meadow")
    shape = (frame.fine, frame.fine)
    smallest = int((30.0 * frame.scale) ** 2)
    ids = parcel_ids(rng, shape, zone_ids(rng, shape) % 2, smallest_px=smallest, largest_px=6 * smallest)
    for number in range(int(ids.max()) + 1):
        mask = ids == number
        crop = str(rng.choice(list(CROPS), p=list(CROPS.values())))
        rows = _rows(site, float(rng.uniform(0, np.pi)), crop)
        site.ground.fill(mask, crop, cover=GRASS if crop == "meadow" else CROP, pattern=rows)
    border = np.zeros(shape, dtype=bool)
    border[1:] |= ids[1:] != ids[:-1]
    border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    angle = float(rng.uniform(0, np.pi))
    lane = site.line(angle, float(rng.uniform(-0.35, 0.35) * site.side_m), bend_m=4.0)
    if rng.random() < 0.6:  # noqa: PLR2004
        site.road(lane, 5.5, speed_mps=16.0, spacing_m=70.0)
    else:
        site.road(lane, 3.5, speed_mps=5.0, spacing_m=90.0, material="gravel", marked=False)
    if rng.random() < 0.6:  # noqa: PLR2004
        _farm(site, angle)
    ys, xs = np.nonzero(border)
    for row in rng.choice(len(ys), min(len(ys), int(len(ys) / (7.0 * frame.scale))), replace=False) if len(ys) else ():
        x, y = xs[row] / frame.scale, ys[row] / frame.scale
        if site.free(float(x), float(y)) and rng.random() < 0.5:  # noqa: PLR2004
            site.tree(float(x), float(y), needle=0.02)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, site.side_m, 2)
        if site.free(float(x), float(y)):
            site.park(float(x), float(y), angle, truck_chance=0.6)
    return site


def _rows(site: Site, angle: float, crop: str) -> FloatArray:
    """Returns brightness (y, x): rows of 0.75 to 3 m, tramlines every 24 m, and a soil that varies over 20 m."""
    _, across = site.ground.along(site.side_m / 2, site.side_m / 2, angle)
    depth = 0.10 if crop != "meadow" else 0.03
    rows = 1.0 + depth * np.sin(2 * np.pi * across / float(site.rng.uniform(1.6, 3.0)))
    if crop != "meadow":
        rows[np.mod(across, 24.0) < 0.6] *= 1.25  # noqa: PLR2004
    return np.asarray(rows * np.exp(0.12 * site.field(20.0)), dtype=np.float32)


def _farm(site: Site, angle: float) -> None:
    rng = site.rng
    x, y = rng.uniform(0.2, 0.8, 2) * site.side_m
    site.ground.fill(site.ground.box(float(x), float(y), 46.0, 34.0, angle) & ~site.taken, "gravel")
    for dx, dy, length in ((-12.0, -8.0, 14.0), (12.0, -8.0, 24.0), (0.0, 11.0, 20.0)):
        at_x = x + np.cos(angle) * dx - np.sin(angle) * dy
        at_y = y + np.sin(angle) * dx + np.cos(angle) * dy
        site.building(float(at_x), float(at_y), length, rng.uniform(8, 13), angle, hall=length > 16)  # noqa: PLR2004
    for _ in range(3):
        site.park(float(x + rng.normal(0, 6)), float(y + rng.normal(0, 4)), angle, truck_chance=0.4)


def bare(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns a pit or building ground: soil, sand and gravel, mounds, tracks and trucks."""
    site = Site(rng, frame, "soil")
    site.patches({"soil": 0.3, "sand": 0.32, "gravel": 0.2, "mud": 0.05, "dry_grass": 0.13}, 50.0)
    site.ground.cover[site.ground.cover != GRASS] = BARE
    site.ground.gain *= np.exp(0.10 * site.field(8.0))
    angle = float(rng.uniform(0, np.pi))
    site.road(site.line(angle, float(rng.uniform(-0.3, 0.3) * site.side_m), bend_m=8.0), 6.0, speed_mps=6.0,
              spacing_m=80.0, material="sand", marked=False)  # fmt: skip
    for _ in range(int(site.side_m**2 / 900.0)):
        x, y = rng.uniform(0, site.side_m, 2)
        if not site.free(float(x), float(y)):
            continue
        kind = rng.random()
        if kind < 0.45:  # noqa: PLR2004
            _mound(site, float(x), float(y))
        elif kind < 0.65:  # noqa: PLR2004
            site.park(float(x), float(y), float(rng.uniform(0, np.pi)), truck_chance=0.8)
        elif kind < 0.7:  # noqa: PLR2004
            site.building(float(x), float(y), rng.uniform(6, 14), rng.uniform(3, 8), angle, hall=True)
        else:
            site.tree(float(x), float(y), width_m=float(rng.uniform(1.5, 4.0)))
    return site


def _mound(site: Site, x: float, y: float) -> None:
    material = str(site.rng.choice(["sand", "gravel", "soil"]))
    width = float(site.rng.uniform(6, 18))
    site.solids.append(
        Solid(
            kind="mound",
            cx=x,
            cy=y,
            length_m=width,
            width_m=width * float(site.rng.uniform(0.6, 1.0)),
            angle_rad=float(site.rng.uniform(0, np.pi)),
            height_m=0.3 * width,
            material=material,
            gain=draw_gain(site.rng, material),
        )
    )


def wetland(rng: np.random.Generator, frame: Frame) -> Site:
    """Returns reed with pools, mud, grass and bushes, a dyke road and a few boats."""
    site = Site(rng, frame, "reed")
    field = site.field(60.0)
    for material, low in (("mud", 0.15), ("green_water", 0.55)):
        site.ground.fill(field > low, material)
    dry = field < rng.uniform(-1.6, -0.7)
    site.ground.fill(dry, "meadow")
    site.ground.gain[field < 0] *= np.exp(0.15 * site.field(9.0))[field < 0]
    angle = float(rng.uniform(0, np.pi))
    pools = field > 0.55  # noqa: PLR2004
    site.reserve(pools)
    if rng.random() < 0.6:  # noqa: PLR2004
        site.road(site.line(angle, float(rng.uniform(-0.4, 0.4) * site.side_m)), 4.5, speed_mps=9.0, spacing_m=90.0,
                  material=str(rng.choice(["gravel", "old_asphalt"])), marked=False)  # fmt: skip
    site.trees(int(site.side_m**2 / 260.0), needle=0.02)
    ys, xs = np.nonzero(pools)
    for _ in range(int(rng.integers(1, 6))):
        if len(ys):
            row = int(rng.integers(len(ys)))
            site.moor(make_ship(rng, 9.0), xs[row] / frame.scale, ys[row] / frame.scale, rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.5:  # noqa: PLR2004
        x, y = rng.uniform(0.2, 0.8, 2) * site.side_m
        site.building(float(x), float(y), 8.0, 6.0, angle)
    return site
