"""Two images of one place, with buildings that came and went between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.landscape import BUILT, WATER
from pipelines.simulate.texture import generator
from pipelines.simulate.vhr.canvas import Canvas
from pipelines.simulate.vhr.ground import COVER_OF
from pipelines.simulate.vhr.materials import MATERIAL_NAMES, material_index
from pipelines.simulate.vhr.movers import make_vehicle
from pipelines.simulate.vhr.scene import SimulatedVhr, make_layout, render
from pipelines.simulate.vhr.sensor import nearest

if TYPE_CHECKING:
    from pipelines.simulate.landscape import BoolArray, ByteArray
    from pipelines.simulate.vhr.layout import Layout
    from pipelines.simulate.vhr.solids import Solid
    from pipelines.simulate.vhr.spec import VhrSpec

NO_CHANGE, NEW_BUILDING, DEMOLISHED = 0, 1, 2
"""Codes of the change truth."""

PAIR_DRAW: Final = 10
LEAST_AREA_M2: Final = 30.0
"""Smaller sheds neither come nor go."""

DECOYS: Final = (2, 6)
"""Least and largest number of patches of ground that change without any building."""

STAYS_PARKED: Final = 0.35
SHIFT_PX: Final = 0.6
"""Largest misregistration of the second image on either axis."""

SEASON_SPREAD: Final = 0.18
"""Log-normal spread between two dates of the brightness of each kind of surface (growth, wetness, view)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVhrPair:
    """One place at two dates: other sun, traffic, parked cars, haze and brightness; some buildings new or gone."""

    before: SimulatedVhr
    after: SimulatedVhr
    change: ByteArray = field(repr=False)
    """(y, x): 0 no change, 1 new building, 2 demolished, over the footprint as it is seen from above."""

    shift_px: tuple[float, float]
    """The second image's content lies right of and below the truth by it (x, y)."""


def simulate_vhr_pair(spec: VhrSpec) -> SimulatedVhrPair:
    """Returns two images of the place of a spec; equal specs give equal bytes.

    The layout is that of `simulate_vhr`. Where it has fewer buildings than `spec.changes` asks for, all of them change.
    """
    layout = make_layout(spec)
    rng = generator(spec.seed, "vhr", PAIR_DRAW)
    new, gone = _changing(rng, spec, layout)
    shift = (float(rng.uniform(-SHIFT_PX, SHIFT_PX)), float(rng.uniform(-SHIFT_PX, SHIFT_PX)))
    first = _canvas(spec, layout, absent=new, epoch=0)
    second = _canvas(spec, layout, absent=gone, epoch=1)
    change = np.zeros((spec.size, spec.size), dtype=np.uint8)
    change[_footprints(second, new)] = NEW_BUILDING
    change[_footprints(first, gone)] = DEMOLISHED
    return SimulatedVhrPair(
        before=render(spec, first, generator(spec.seed, "vhr", PAIR_DRAW + 1)),
        after=render(spec, second, generator(spec.seed, "vhr", PAIR_DRAW + 2), shift),
        change=change,
        shift_px=shift,
    )


def _changing(rng: np.random.Generator, spec: VhrSpec, layout: Layout) -> tuple[frozenset[int], frozenset[int]]:
    """Returns the groups of new and of demolished buildings."""
    side = spec.size * spec.gsd_m
    candidates = [
        solid.group
        for solid in layout.solids
        if solid.kind == "building"
        and solid.length_m * solid.width_m >= LEAST_AREA_M2
        and 0 < solid.cx < side
        and 0 < solid.cy < side
    ]
    count = min(int(rng.integers(spec.changes[0], spec.changes[1] + 1)), len(candidates))
    chosen = rng.permutation(np.array(candidates, dtype=np.int64))[:count]
    is_new = rng.random(count) < 0.6  # noqa: PLR2004 towns grow
    return frozenset(chosen[is_new].tolist()), frozenset(chosen[~is_new].tolist())


def _canvas(spec: VhrSpec, layout: Layout, *, absent: frozenset[int], epoch: int) -> Canvas:
    """Returns the place at one of the two dates."""
    rng = generator(spec.seed, "vhr", PAIR_DRAW + 3 + epoch)
    canvas = Canvas(layout.ground)
    for solid in layout.solids:
        if solid.group in absent and solid.kind == "building":
            _clear(rng, canvas, layout, solid)
    if epoch:
        _resurface(rng, canvas, layout)
    for solid in layout.solids:
        if solid.group in absent and solid.kind == "building":
            continue
        standing = _parked(rng, solid) if solid.kind == "vehicle" and epoch else solid
        if standing is not None:
            canvas.add(standing)
    for lane in layout.lanes:
        for mover in lane.movers(rng, 0.0):
            for solid in lane.at(mover, 0.0):
                canvas.add(solid)
    season = np.exp(rng.normal(0.0, SEASON_SPREAD, len(MATERIAL_NAMES))).astype(np.float32)
    canvas.gain *= season[canvas.material]
    return canvas


def _clear(rng: np.random.Generator, canvas: Canvas, layout: Layout, solid: Solid) -> None:
    """Leaves soil, gravel or grass, larger than the building, where there is none."""
    margin = float(rng.uniform(0.5, 5.0))
    place = layout.ground.box(solid.cx, solid.cy, solid.length_m + margin, solid.width_m + margin, solid.angle_rad)
    _repaint(rng, canvas, place)


def _repaint(rng: np.random.Generator, canvas: Canvas, place: BoolArray) -> None:
    name = str(rng.choice(["soil", "gravel", "dry_grass", "lawn", "old_asphalt"]))
    canvas.material[place] = material_index(name)
    canvas.gain[place] = np.float32(np.exp(rng.normal(0.0, 0.2)))
    canvas.cover[place] = COVER_OF.get(name, BUILT)


def _resurface(rng: np.random.Generator, canvas: Canvas, layout: Layout) -> None:
    """Changes some ground that no building has to do with: a yard paved, a lawn dug up; never water."""
    side = canvas.frame.width_m
    for _ in range(int(rng.integers(DECOYS[0], DECOYS[1] + 1))):
        x, y = rng.uniform(0.0, side, 2)
        length, width = rng.uniform(5.0, 18.0, 2)
        place = layout.ground.box(float(x), float(y), float(length), float(width), float(rng.uniform(0, np.pi)))
        _repaint(rng, canvas, place & (canvas.cover != WATER))


def _parked(rng: np.random.Generator, solid: Solid) -> Solid | None:
    """Returns who is parked in the place of a vehicle at the second date: the same, another one or nobody."""
    draw = rng.random()
    if draw < STAYS_PARKED:
        return solid
    if draw < 0.5 + STAYS_PARKED / 2:
        other = make_vehicle(rng, truck_chance=0.05)
        return replace(other, cx=solid.cx, cy=solid.cy, angle_rad=solid.angle_rad)
    return None


def _footprints(canvas: Canvas, groups: frozenset[int]) -> BoolArray:
    """Returns the pixels (y, x) in which a building of the groups is on top."""
    numbers = [
        number
        for number, seen in enumerate(canvas.seen)
        if seen.solid.kind == "building" and seen.solid.group in groups
    ]
    seen = np.isin(canvas.owner, numbers).astype(np.uint8)
    return np.asarray(nearest(seen) > 0)
