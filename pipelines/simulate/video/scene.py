"""A simulated video: one place, one light, things that move through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.texture import generator
from pipelines.simulate.vhr.canvas import Canvas
from pipelines.simulate.vhr.light import Sun, cast_shadow, draw_sun, lit_reflectance, shade
from pipelines.simulate.vhr.scene import make_grain, make_layout, planted_objects
from pipelines.simulate.vhr.sensor import Sky, draw_sky, observe
from pipelines.simulate.video.tracks import PlantedTrack, make_tracks, shifted

if TYPE_CHECKING:
    from pipelines.simulate.texture import FloatArray
    from pipelines.simulate.vhr.lanes import Lane, Mover
    from pipelines.simulate.vhr.layout import Layout
    from pipelines.simulate.vhr.objects import PlantedObject
    from pipelines.simulate.vhr.solids import Solid
    from pipelines.simulate.video.spec import VideoSpec

SHAKE_PX: Final = 0.2
LARGEST_SHAKE_PX: Final = 0.8
SHAKE_MEMORY: Final = 0.6
"""What is left of the camera's shake after stabilisation: standard deviation, bound and correlation of two frames."""

FLICKER: Final = 0.004
"""Standard deviation of the brightness of a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVideo:
    """Frames and their truth."""

    spec: VideoSpec
    frames: FloatArray = field(repr=False)
    """Reflectance (time, 3, y, x) in red, green, blue."""

    tracks: tuple[PlantedTrack, ...] = field(repr=False)
    """Everything that is a vehicle, ship or aircraft, moving or not."""

    shake_px: FloatArray
    """(time, 2): content of a frame lies right of and below the first layout by it (x, y)."""

    scene_class: str
    sun_azimuth_deg: float
    sun_elevation_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What is the same in all frames."""

    still: Canvas
    shaded: FloatArray
    grain: FloatArray
    sun: Sun
    sky: Sky


def simulate_video(spec: VideoSpec) -> SimulatedVideo:
    """Returns the frames and the tracks of a spec; equal specs give equal bytes."""
    layout = make_layout(spec.place)
    rng = generator(spec.seed, "video", 1)
    duration = spec.frame_interval_s * (spec.num_frames - 1)
    traffic = [(lane, mover) for lane in layout.lanes for mover in lane.movers(rng, duration)]
    stage = _make_stage(layout, rng)
    shake = _shake(rng, spec.num_frames)
    images, seen = [], []
    for index in range(spec.num_frames):
        solids = _moved(traffic, index * spec.frame_interval_s)
        image, objects = _frame(stage, rng, solids, (float(shake[index, 0]), float(shake[index, 1])))
        images.append(image)
        seen.append(objects)
    first = len(stage.still.seen)
    speeds = {first + number: mover.speed_mps for number, (_, mover) in enumerate(traffic)}
    return SimulatedVideo(
        spec=spec,
        frames=np.stack(images),
        tracks=make_tracks(seen, speeds, spec.size),
        shake_px=shake,
        scene_class=str(spec.place.scene_class),
        sun_azimuth_deg=stage.sun.azimuth_deg,
        sun_elevation_deg=stage.sun.elevation_deg,
    )


def _make_stage(layout: Layout, rng: np.random.Generator) -> _Stage:
    still = Canvas(layout.ground)
    for solid in layout.solids:
        still.add(solid)
    sun, sky = draw_sun(rng), draw_sky(rng)
    return _Stage(still=still, shaded=shade(still, sun), grain=make_grain(rng, still.frame), sun=sun, sky=sky)


def _moved(traffic: list[tuple[Lane, Mover]], time_s: float) -> list[tuple[Solid, ...]]:
    """Returns what is where at a time, in the order of the traffic: a mover and its wake, or nothing."""
    return [lane.at(mover, time_s) for lane, mover in traffic]


def _frame(
    stage: _Stage, rng: np.random.Generator, solids: list[tuple[Solid, ...]], shift_px: tuple[float, float]
) -> tuple[FloatArray, dict[int, PlantedObject]]:
    """Returns an image (3, y, x), and the objects in it by a number that is the same in all frames."""
    canvas = stage.still.copy()
    first = len(canvas.seen)
    number_of = dict(zip(range(first), range(first), strict=True))
    for row, parts in enumerate(solids):
        if parts:
            number_of[len(canvas.seen)] = first + row
        for part in parts:
            canvas.add(part)
    moving = np.where(canvas.owner >= first, canvas.top_m, np.float32(0.0))
    shadow = cast_shadow(moving, canvas.top_m, canvas.frame.scale, stage.sun)
    shaded = np.maximum(stage.shaded, shadow.astype(np.float32))
    light = lit_reflectance(canvas, shaded, stage.sun, stage.grain)
    image = observe(rng, light * np.float32(1.0 + rng.normal(0.0, FLICKER)), stage.sky, shift_px)
    objects = planted_objects(canvas, shaded, hidden=True)
    return image, {number_of[key]: shifted(entry, shift_px) for key, entry in objects.items()}


def _shake(rng: np.random.Generator, num_frames: int) -> FloatArray:
    """Returns the shift (time, 2) of each frame, a first-order Markov chain, never `LARGEST_SHAKE_PX` or more."""
    steps = rng.normal(0.0, SHAKE_PX, (num_frames, 2))
    for index in range(1, num_frames):
        steps[index] = SHAKE_MEMORY * steps[index - 1] + np.sqrt(1.0 - SHAKE_MEMORY**2) * steps[index]
    return np.clip(steps, -LARGEST_SHAKE_PX, LARGEST_SHAKE_PX).astype(np.float32)
