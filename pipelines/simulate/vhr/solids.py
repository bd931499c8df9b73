"""Things that stand on the ground of an aerial image, and what each covers when seen from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.simulate.landscape import BARE, BUILT, TREE, WATER
from pipelines.simulate.vhr.materials import material_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.simulate.landscape import BoolArray, ByteArray
    from pipelines.simulate.texture import FloatArray

SolidKind = Literal["building", "tank", "tree", "deck", "vehicle", "ship", "aircraft", "crate", "mound", "wake"]

COVER_OF_KIND: Final[dict[SolidKind, int | None]] = {
    "building": BUILT, "tank": BUILT, "tree": TREE, "deck": BUILT, "vehicle": None, "ship": WATER, "aircraft": None,
    "crate": BUILT, "mound": BARE, "wake": WATER,
}  # fmt: skip
"""What land cover a thing is; None leaves that of the ground (a car on a meadow makes no town)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """One thing, in metres from the upper left corner of the image."""

    kind: SolidKind
    cx: float
    cy: float
    length_m: float
    width_m: float
    angle_rad: float
    height_m: float
    material: str
    gain: float = 1.0
    style: str = ""
    """Of the roof ("flat", "gable", "hip"), the hull ("boat", "cargo", "barge"), the vehicle ("car", "truck")."""

    base_m: float = 0.0
    """Height of what it stands on."""

    seed: int = 0
    """Of its own details."""

    group: int = -1
    """Building that it belongs to in a pair, -1 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a solid covers, on its own grid of fine pixels."""

    mask: BoolArray
    top_m: FloatArray
    """Height above ground, continued smoothly outside the mask."""

    material: ByteArray
    gain: FloatArray


def stamp(solid: Solid, x: FloatArray, y: FloatArray) -> Stamp:
    """Returns what a solid covers.

    Args:
        solid: The thing.
        x: Metres from its centre to the right (1, x).
        y: Metres down (y, 1).
    """
    cosine, sine = np.float32(np.cos(solid.angle_rad)), np.float32(np.sin(solid.angle_rad))
    u, v = cosine * x + sine * y, -sine * x + cosine * y
    return _SHAPES[solid.kind](solid, np.asarray(u, dtype=np.float32), np.asarray(v, dtype=np.float32))


def _rng(solid: Solid) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(solid.seed))


def _plain(solid: Solid, mask: BoolArray, top: FloatArray | float) -> Stamp:
    return Stamp(
        mask=mask,
        top_m=np.broadcast_to(np.asarray(solid.base_m + top, dtype=np.float32), mask.shape).copy(),
        material=np.full(mask.shape, material_index(solid.material), dtype=np.uint8),
        gain=np.full(mask.shape, solid.gain, dtype=np.float32),
    )


def _inside(u: FloatArray, v: FloatArray, length_m: float, width_m: float) -> BoolArray:
    return np.asarray((np.abs(u) <= length_m / 2) & (np.abs(v) <= width_m / 2), dtype=bool)


def _paint(drawn: Stamp, place: BoolArray, material: str, *, gain: float = 1.0, top_m: float | None = None) -> None:
    place = place & drawn.mask
    drawn.material[place] = material_index(material)
    drawn.gain[place] = gain
    if top_m is not None:
        drawn.top_m[place] = top_m


def _building(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    rng = _rng(solid)
    mask = _inside(u, v, solid.length_m, solid.width_m)
    if rng.random() < 0.25 and solid.length_m > 9:  # noqa: PLR2004 an L-shaped house
        mask &= ~((u > solid.length_m * 0.15) & (v > solid.width_m * 0.1))
    if solid.style == "flat":
        drawn = _plain(solid, mask, solid.height_m)
        for _ in range(int(solid.length_m * solid.width_m / 160.0)):  # a lantern or a fan every 160 square metres
            at_u, at_v = rng.uniform(-0.42, 0.42, 2) * (solid.length_m, solid.width_m)
            unit = _inside(u - at_u, v - at_v, rng.uniform(1.0, 3.0), rng.uniform(1.0, 2.0))
            _paint(drawn, unit, "metal_roof" if rng.random() < 0.5 else "dark_roof", top_m=solid.height_m)  # noqa: PLR2004
        return drawn
    rise = 0.32 * solid.height_m
    across = 1.0 - np.abs(v) / (solid.width_m / 2)
    if solid.style == "hip":
        across = np.minimum(across, (solid.length_m / 2 - np.abs(u)) / (solid.width_m / 2))
    drawn = _plain(solid, mask, np.asarray(solid.height_m - rise + rise * across, dtype=np.float32))
    _paint(drawn, _inside(u - 0.2 * solid.length_m, v + 0.15 * solid.width_m, 0.9, 0.9), "brown_roof")
    return drawn


def _tank(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    return _plain(solid, np.asarray(np.hypot(u, v) <= solid.length_m / 2, dtype=bool), solid.height_m)


def _tree(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    rng = _rng(solid)
    radius = solid.length_m / 2
    turn = np.arctan2(v, u)
    ragged = 1.0 + 0.13 * np.sin(3 * turn + rng.uniform(0, 6.3)) + 0.09 * np.sin(7 * turn + rng.uniform(0, 6.3))
    distance = np.hypot(u, v) / (radius * ragged)
    bumps = 0.06 * np.sin(u * rng.uniform(2, 4) + rng.uniform(0, 6)) * np.sin(v * rng.uniform(2, 4) + rng.uniform(0, 6))
    sharp = 0.75 if solid.material == "needleleaf" else 0.45
    top = solid.height_m * (1.0 - sharp * distance**2 + bumps)
    drawn = _plain(solid, np.asarray(distance <= 1.0, dtype=bool), np.maximum(top, 0.2 * solid.height_m))
    speckled = 1.0 + np.float32(0.18) * rng.standard_normal(u.shape, dtype=np.float32)
    drawn.gain[:] *= np.maximum(speckled, np.float32(0.4))
    return drawn


def _deck(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    drawn = _plain(solid, _inside(u, v, solid.length_m, solid.width_m), solid.height_m)
    edge = np.abs(v) > solid.width_m / 2 - 0.6
    _paint(drawn, edge, "concrete")
    _paint(drawn, (np.abs(v) < 0.15) & (np.mod(u, 8.0) < 4.0), "marking")  # noqa: PLR2004 dashes of 4 m
    return drawn


def _vehicle(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    drawn = _plain(solid, _inside(u, v, solid.length_m, solid.width_m), solid.height_m)
    if solid.style == "truck":
        cab = u > solid.length_m / 2 - 2.2
        _paint(drawn, cab, "red_paint" if _rng(solid).random() < 0.3 else "white_paint")  # noqa: PLR2004
        _paint(drawn, np.abs(u - (solid.length_m / 2 - 2.3)) < 0.25, "black_paint")  # noqa: PLR2004 gap behind the cab
        return drawn
    length = solid.length_m
    _paint(drawn, (u > 0.10 * length) & (u < 0.24 * length) & (np.abs(v) < 0.42 * solid.width_m), "glass")
    _paint(drawn, (u < -0.28 * length) & (u > -0.38 * length) & (np.abs(v) < 0.42 * solid.width_m), "glass")
    low = (u > 0.24 * length) | (u < -0.40 * length)
    drawn.top_m[low] = solid.base_m + 0.65 * solid.height_m
    return drawn


def _ship(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    rng = _rng(solid)
    length, width = solid.length_m, solid.width_m
    forward = np.clip((u - 0.22 * length) / (0.28 * length), 0.0, 1.0)
    aft = np.clip((-u - 0.42 * length) / (0.08 * length), 0.0, 1.0)
    half = width / 2 * (1.0 - forward**1.7) * (1.0 - 0.25 * aft**2)
    mask = (np.abs(u) <= length / 2) & (np.abs(v) <= half)
    deck_m = 0.35 * solid.height_m
    drawn = _plain(solid, np.asarray(mask, dtype=bool), deck_m)
    inner = np.abs(v) <= half - 0.05 * width
    bridge_at = -0.32 * length if solid.style != "boat" else -0.05 * length
    if solid.style == "cargo":
        _paint(drawn, inner, "rust", gain=1.0)
        paints = ("red_paint", "blue_paint", "orange_paint", "green_paint", "grey_paint", "white_paint")
        for step in np.arange(-0.2, 0.3, 6.5 / length):
            for side in (-0.3, 0.0, 0.3):
                if rng.random() < 0.8:  # noqa: PLR2004 some slots are empty
                    crate = _inside(u - step * length, v - side * width, 5.9, 0.28 * width)
                    _paint(drawn, crate & inner, str(rng.choice(paints)), top_m=0.7 * solid.height_m)
    elif solid.style == "barge":
        _paint(drawn, _inside(u - 0.05 * length, v, 0.62 * length, 0.72 * width), str(rng.choice(["gravel", "rust"])))
    else:
        _paint(drawn, inner, "wood_deck" if rng.random() < 0.5 else "white_paint")  # noqa: PLR2004
    house = _inside(u - bridge_at, v, 0.2 * length, 0.7 * width)
    _paint(drawn, house, "white_paint", top_m=solid.height_m)
    _paint(drawn, _inside(u - bridge_at - 0.08 * length, v, 0.03 * length, 0.6 * width), "glass", top_m=solid.height_m)
    return drawn


def _aircraft(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    length, span = solid.length_m, solid.width_m
    body = 0.11 * length
    taper = np.clip((-u - 0.25 * length) / (0.25 * length), 0.0, 1.0)
    nose = np.clip((u - 0.40 * length) / (0.10 * length), 0.0, 1.0)
    fuselage = (np.abs(u) <= length / 2) & (np.abs(v) <= body / 2 * (1.0 - 0.8 * taper) * np.sqrt(1.0 - 0.9 * nose**2))
    out = np.abs(v) / (span / 2)
    lead = 0.14 * length - 0.30 * length * out
    wing = (out <= 1.0) & (u <= lead) & (u >= lead - length * (0.20 - 0.13 * out))
    tail_out = np.abs(v) / (0.19 * span)
    tail_lead = -0.36 * length - 0.10 * length * tail_out
    tail = (tail_out <= 1.0) & (u <= tail_lead) & (u >= tail_lead - 0.09 * length * (1.0 - 0.4 * tail_out))
    outwards = np.asarray(np.abs(v) - 0.32 * span / 2, dtype=np.float32)
    engine = _inside(u - 0.06 * length, outwards, 0.09 * length, 0.05 * span)
    mask = np.asarray(fuselage | wing | tail | engine, dtype=bool)
    drawn = _plain(solid, mask, 0.45 * solid.height_m)
    _paint(drawn, wing & ~fuselage, "silver_paint", gain=solid.gain)
    drawn.top_m[fuselage] = solid.base_m + 0.6 * solid.height_m
    fin = (np.abs(v) < 0.25) & (u < -0.34 * length)  # noqa: PLR2004 half metre thick
    colour = str(_rng(solid).choice(["red_paint", "blue_paint", "green_paint", "white_paint"]))
    _paint(drawn, fin, colour, top_m=solid.base_m + solid.height_m)
    return drawn


def _crate(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    return _plain(solid, _inside(u, v, solid.length_m, solid.width_m), solid.height_m)


def _mound(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    distance = np.hypot(u / (solid.length_m / 2), v / (solid.width_m / 2))
    return _plain(
        solid, np.asarray(distance < 1.0, dtype=bool), solid.height_m * np.maximum(1.0 - distance, 0.0) + 0.05
    )


def _wake(solid: Solid, u: FloatArray, v: FloatArray) -> Stamp:
    """Foam behind a ship: the solid's centre lies half its length behind the stern."""
    behind = 0.5 - u / solid.length_m
    half = solid.width_m / 2 * (0.35 + 0.65 * behind)
    spotted = _rng(solid).random(u.shape, dtype=np.float32) > behind
    arms = np.abs(np.abs(v) - half) < 0.12 * solid.width_m
    core = np.abs(v) < 0.35 * half
    mask = (np.abs(u) <= solid.length_m / 2) & (arms | core) & spotted
    return _plain(solid, np.asarray(mask, dtype=bool), 0.02)


_SHAPES: Final[dict[SolidKind, Callable[[Solid, FloatArray, FloatArray], Stamp]]] = {
    "building": _building, "tank": _tank, "tree": _tree, "deck": _deck, "vehicle": _vehicle, "ship": _ship,
    "aircraft": _aircraft, "crate": _crate, "mound": _mound, "wake": _wake,
}  # fmt: skip
