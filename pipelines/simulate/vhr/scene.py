"""A simulated aerial image and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.texture import fractal_field, generator
from pipelines.simulate.vhr.canvas import Canvas
from pipelines.simulate.vhr.ground import OVERSAMPLING, Frame
from pipelines.simulate.vhr.layouts import LAYOUTS
from pipelines.simulate.vhr.light import draw_sun, lit_reflectance, shade
from pipelines.simulate.vhr.objects import OBJECT_KINDS, PlantedObject, wrapped
from pipelines.simulate.vhr.sensor import block_mean, draw_sky, nearest, observe
from pipelines.simulate.vhr.spec import SCENE_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import BoolArray, ByteArray
    from pipelines.simulate.texture import FloatArray
    from pipelines.simulate.vhr.layout import Layout
    from pipelines.simulate.vhr.spec import VhrSpec

CLASS_DRAW, LAYOUT_DRAW, TRAFFIC_DRAW, LIGHT_DRAW = 0, 1, 2, 3
"""Children of the seed, so that a pair can share its layout and a video its light."""

BORDER_CHANCE: Final = 0.04
"""Chance that the swath ends inside the image."""

KIND_OF: Final = {
    "building": "building",
    "tank": "building",
    "vehicle": "vehicle",
    "ship": "ship",
    "aircraft": "aircraft",
}
"""Which solids are objects to be found; a tank counts as a building."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVhr:
    """One image and its truth."""

    spec: VhrSpec
    reflectance: FloatArray = field(repr=False)
    """(3, y, x) red, green, blue, unit 1; NaN where not valid."""

    valid: BoolArray = field(repr=False)
    """(y, x)."""

    height_m: FloatArray = field(repr=False)
    """Height of the top surface above the ground (y, x), mean of each pixel; vehicles and ships have theirs too."""

    land_cover: ByteArray = field(repr=False)
    """WorldCover codes (y, x) of what is seen from above; a vehicle has that of the ground below it."""

    shadow: FloatArray = field(repr=False)
    """Share of the direct sunlight that is kept off (y, x), 0 to 1."""

    objects: tuple[PlantedObject, ...] = field(repr=False)
    """All whose centre lies in the image and of which anything is seen; see `PlantedObject.visible`."""

    scene_class: str
    """One of `SCENE_CLASSES`."""

    sun_azimuth_deg: float
    """From north (up) clockwise."""

    sun_elevation_deg: float


def scene_class_of(spec: VhrSpec) -> str:
    """Returns the kind of scene of a spec."""
    return spec.scene_class or str(generator(spec.seed, "vhr", CLASS_DRAW).choice(SCENE_CLASSES))


def make_layout(spec: VhrSpec) -> Layout:
    """Returns the place of a spec, before light and traffic."""
    frame = Frame(size=spec.size, gsd_m=spec.gsd_m)
    return LAYOUTS[scene_class_of(spec)](generator(spec.seed, "vhr", LAYOUT_DRAW), frame).layout()


def simulate_vhr(spec: VhrSpec) -> SimulatedVhr:
    """Returns the image and the truth of a spec; equal specs give equal bytes."""
    layout = make_layout(spec)
    canvas = Canvas(layout.ground)
    for solid in layout.solids:
        canvas.add(solid)
    rng = generator(spec.seed, "vhr", TRAFFIC_DRAW)
    for lane in layout.lanes:
        for mover in lane.movers(rng, 0.0):
            for solid in lane.at(mover, 0.0):
                canvas.add(solid)
    return render(spec, canvas, generator(spec.seed, "vhr", LIGHT_DRAW))


def render(
    spec: VhrSpec, canvas: Canvas, rng: np.random.Generator, shift_px: tuple[float, float] = (0.0, 0.0)
) -> SimulatedVhr:
    """Returns a canvas lit and seen; the truth stays where it is, the image moves by `shift_px` (x, y)."""
    sun, sky = draw_sun(rng), draw_sky(rng)
    grain = make_grain(rng, canvas.frame)
    shaded = shade(canvas, sun)
    seen = observe(rng, lit_reflectance(canvas, shaded, sun, grain), sky, shift_px)
    valid = _swath(rng, spec.size)
    seen[:, ~valid] = np.nan
    objects = planted_objects(canvas, shaded, valid)
    return SimulatedVhr(
        spec=spec,
        reflectance=seen,
        valid=valid,
        height_m=block_mean(canvas.top_m),
        land_cover=nearest(canvas.cover),
        shadow=block_mean(shaded),
        objects=tuple(entry for entry in objects.values() if _is_inside(entry, valid)),
        scene_class=scene_class_of(spec),
        sun_azimuth_deg=sun.azimuth_deg,
        sun_elevation_deg=sun.elevation_deg,
    )


def make_grain(rng: np.random.Generator, frame: Frame) -> FloatArray:
    """Returns unit-variance noise (y, x): half of it fine, half in clumps of a few metres."""
    shape = (frame.fine, frame.fine)
    fine = rng.standard_normal(shape, dtype=np.float32)
    clumped = fractal_field(rng, shape, exponent=2.4, longest_px=6.0 * frame.scale)
    return np.asarray(np.float32(0.8) * fine + np.float32(0.6) * clumped, dtype=np.float32)


def planted_objects(
    canvas: Canvas, shaded: FloatArray, valid: BoolArray | None = None, *, hidden: bool = False
) -> dict[int, PlantedObject]:
    """Returns what is seen of the objects on a canvas, by their number there.

    Args:
        canvas: The top surface.
        shaded: Share of the direct light that is kept off, on fine pixels.
        valid: Pixels (y, x) inside the swath, outside of which nothing is seen; None where all are.
        hidden: Whether objects of which nothing is seen are among them.
    """
    count = len(canvas.seen) + 1
    in_swath = True if valid is None else np.repeat(np.repeat(valid, OVERSAMPLING, axis=0), OVERSAMPLING, axis=1)
    owner = np.where(in_swath, canvas.owner + 1, 0).ravel()
    pixels = np.bincount(owner, minlength=count)[1:]
    dark = np.bincount(owner, shaded.ravel(), minlength=count)[1:]
    per_m = 1.0 / canvas.frame.gsd_m
    found = {}
    for number, seen in enumerate(canvas.seen):
        kind = KIND_OF.get(seen.solid.kind)
        if kind is None or (pixels[number] == 0 and not hidden):
            continue
        assert kind in OBJECT_KINDS
        solid = seen.solid
        found[number] = PlantedObject(
            kind=kind,
            cx=solid.cx * per_m,
            cy=solid.cy * per_m,
            length_px=solid.length_m * per_m,
            width_px=solid.width_m * per_m,
            angle_rad=wrapped(solid.angle_rad),
            height_m=solid.base_m + solid.height_m,
            visible=float(pixels[number] / max(seen.pixels, 1)),
            shaded=float(dark[number] / max(pixels[number], 1)),
        )
    return found


def _is_inside(entry: PlantedObject, valid: BoolArray) -> bool:
    rows, cols = valid.shape
    return 0 <= entry.cx < cols and 0 <= entry.cy < rows and bool(valid[int(entry.cy), int(entry.cx)])


def _swath(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """Returns the pixels inside the swath (y, x): all, or in a few images those on one side of a slanted edge."""
    slant, edge, side = rng.uniform(-0.2, 0.2), rng.uniform(0.05, 0.25), rng.choice([-1.0, 1.0])
    if rng.random() >= BORDER_CHANCE:
        return np.ones((size, size), dtype=bool)
    line = (np.arange(size) + 0.5) / size - 0.5
    return np.asarray(side * (line[None, :] + slant * line[:, None]) < 0.5 - edge, dtype=bool)
