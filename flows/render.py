"""Places rendered ahead of training: simulated ones in processes, and those of a user's own cubes."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from flows.train_config import Kind, RenderConfig
    from pipelines.training.places import Place
    from pipelines.training.places.place_file import PlaceEntry

RENDERER: Final = 3
"""Raised when a simulator or the form of places changes what the same numbers give; older places are rendered anew."""

OBJECT_CLASSES: Final = ("ship", "vehicle", "building", "aircraft")
"""What boxes' classes number."""

BLOCKS_APART: Final = 2
"""Simulated places of different ground lie on blocks that do not touch."""

GROUND_OF: Final[Mapping[Kind, int]] = {"series": 0, "slc": 0, "vhr": 1, "video": 1}
"""Kinds of one number show the same land where seeds are equal: they are trained on or held out together."""

LEAST_VISIBLE: Final = 0.3
"""Objects of which less is seen, below trees or bridges or beyond an edge, are not asked for."""

_SAVE_EVERY: Final = 16
"""Places after which the index is written, so that a run that is stopped keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSpec:
    """One simulated place."""

    kind: Kind
    seed: int
    size: int
    dates: int

    @property
    def id(self) -> str:
        """Of the place."""
        return f"{self.kind}-{self.seed:06d}"

    @property
    def source(self) -> str:
        """What the place is made from, as the index keeps it."""
        return json.dumps(asdict(self) | {"renderer": RENDERER}, sort_keys=True)


def place_specs(kinds: Mapping[Kind, RenderConfig]) -> list[PlaceSpec]:
    """Returns the places that a configuration asks for."""
    return [
        PlaceSpec(kind=kind, seed=wanted.seed + number, size=wanted.size, dates=wanted.dates)
        for kind, wanted in kinds.items()
        for number in range(wanted.places)
    ]


def render_places(
    specs: Sequence[PlaceSpec], folder: Path, *, workers: int, on_place: Callable[[int, int], None] | None = None
) -> int:
    """Renders places into a store and returns how many were made; those that are there already are kept.

    Args:
        specs: What is wanted.
        folder: Of the store; it may hold others.
        workers: Processes.
        on_place: Takes the number that is there and the number wanted.

    Raises:
        PlaceStoreError: The folder holds an index of something else.
    """
    from pipelines.training.places.place_file import place_path
    from pipelines.training.places.store import INDEX, read_index, write_index

    folder.mkdir(parents=True, exist_ok=True)
    known = read_index(folder) if (folder / INDEX).exists() else {}
    kept = {
        name: entry
        for name, entry in known.items()
        if place_path(folder, name).is_file() and place_path(folder, name).stat().st_size == entry.size
    }
    missing = [spec for spec in specs if spec.id not in kept or kept[spec.id].source != spec.source]
    done = len(specs) - len(missing)
    if on_place is not None:
        on_place(done, len(specs))
    try:
        for made, entry in enumerate(_rendered(missing, folder, workers), start=1):
            kept[entry.id] = entry
            if made % _SAVE_EVERY == 0:
                write_index(folder, kept.values())
            if on_place is not None:
                on_place(done + made, len(specs))
    finally:
        write_index(folder, kept.values())
    return len(missing)


def _rendered(specs: Sequence[PlaceSpec], folder: Path, workers: int) -> Any:
    if not specs:
        return
    with ProcessPoolExecutor(min(workers, len(specs)), mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(render_file, spec, folder) for spec in specs]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            for task in tasks:
                task.cancel()


def render_file(spec: PlaceSpec, folder: Path) -> PlaceEntry:
    """Renders one place into its file and returns its entry."""
    from pipelines.training.places.place_file import write_place_file

    return write_place_file(render_place(spec), folder, source=spec.source)


def render_place(spec: PlaceSpec) -> Place:
    """Returns one simulated place; equal specs give equal places."""
    make = {"series": _series, "slc": _slc, "vhr": _vhr, "video": _video}[spec.kind]
    return make(spec)


def _place(spec: PlaceSpec, **parts: Any) -> Place:
    from pipelines.training.places import Place

    block = (BLOCKS_APART * spec.seed, BLOCKS_APART * GROUND_OF[spec.kind])
    return Place(id=spec.id, kind=spec.kind, seed=spec.seed, block=block, **parts)


def _series(spec: PlaceSpec) -> Place:
    from pipelines.simulate import RegionSpec, simulate_region, to_cube
    from pipelines.training import scene_arrays

    region = simulate_region(RegionSpec(seed=spec.seed, size=spec.size, num_dates=spec.dates))
    scene = scene_arrays(
        to_cube(region), land_cover=region.land_cover, change=region.change, change_epoch=region.change_epoch
    )
    targets = {"land_cover": scene.land_cover, "change": scene.change, "change_epoch": scene.change_epoch}
    return _place(spec, series={"ms": scene.ms, "sar_l2": scene.sar}, targets=targets, gsd_m=region.spec.resolution)


def _slc(spec: PlaceSpec) -> Place:
    from pipelines.legend import LAND_COVER_CODES
    from pipelines.simulate.slc import SlcSpec, simulate_slc
    from pipelines.training.places.physical import complex_channels
    from pipelines.training.scene_arrays import class_indices

    scene = simulate_slc(SlcSpec(seed=spec.seed, size=spec.size, num_dates=spec.dates))
    days = scene.first_day_of_year + scene.day
    images = _images(
        complex_channels(scene.scattering), day=(days / 365.25) % 1, age=(scene.day.max() - scene.day) / 365.25
    )
    targets = {"land_cover": class_indices(scene.land_cover, LAND_COVER_CODES)}
    return _place(spec, series={"sar_l1": images}, targets=targets, gsd_m=scene.spec.gsd_m)


def _images(
    pixels: npt.NDArray[np.float32],
    *,
    day: npt.NDArray[np.floating[Any]],
    age: npt.NDArray[np.floating[Any]],
    valid: npt.NDArray[np.bool_] | None = None,
) -> Any:
    from pipelines.training.scene_arrays import SensorArrays

    dates, channels = pixels.shape[:2]
    known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(1)) if valid is None else valid
    return SensorArrays(
        pixels=np.where(known[:, None], pixels, 0).astype(np.float16),
        valid=known,
        observed=known,
        present=np.ones((dates, channels), bool),
        day=day.astype(np.float32),
        age=age.astype(np.float32),
    )


def _optical(frames: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64]) -> Any:
    """Red, green and blue of one or more moments; the day of the year of an aerial image is not known."""
    from pipelines.inference.channels import OPTICAL_BANDS, optical_channels

    channels = optical_channels(frames, OPTICAL_BANDS, valid)
    years = seconds / 31_557_600.0
    return _images(channels.pixels, day=np.full(len(frames), 0.5), age=years.max() - years, valid=channels.valid)


def is_seen(entry: Any) -> bool:
    """Returns whether enough of a planted object is seen for it to be found."""
    return bool(entry.visible >= LEAST_VISIBLE)


def box_rows(objects: Sequence[Any]) -> npt.NDArray[np.float32]:
    """Returns boxes (n, 6), as places have them, of planted objects."""
    rows = [
        [one.cx, one.cy, one.length_px, one.width_px, one.angle_rad, OBJECT_CLASSES.index(one.kind)] for one in objects
    ]
    return np.array(rows, np.float32).reshape(-1, 6)


def _vhr(spec: PlaceSpec) -> Place:
    from pipelines.legend import LAND_COVER_CODES
    from pipelines.simulate.vhr import SCENE_CLASSES, VhrSpec, simulate_vhr
    from pipelines.training.scene_arrays import IGNORE, class_indices

    scene = simulate_vhr(VhrSpec(seed=spec.seed, size=spec.size))
    targets = {
        "height_m": np.where(scene.valid, scene.height_m, np.float32(np.nan)).astype(np.float32),
        "land_cover": np.where(scene.valid, class_indices(scene.land_cover, LAND_COVER_CODES), np.uint8(IGNORE)),
        "boxes": box_rows([one for one in scene.objects if is_seen(one)]),
        "scene_class": np.array([SCENE_CLASSES.index(scene.scene_class)], np.int16),
    }
    images = _optical(scene.reflectance[None], scene.valid[None], np.zeros(1))
    return _place(spec, series={"optical": images}, targets=targets, gsd_m=scene.spec.gsd_m)


def _video(spec: PlaceSpec) -> Place:
    from pipelines.simulate.video import VideoSpec, simulate_video

    scene = simulate_video(VideoSpec(seed=spec.seed, size=spec.size, num_frames=spec.dates))
    seen = [
        (int(frame), int(track.id), one)
        for track in scene.tracks
        for frame, one in zip(track.frames, track.objects, strict=True)
        if is_seen(one)
    ]
    frames = np.asarray(scene.frames)
    seconds = scene.spec.frame_interval_s * np.arange(len(frames), dtype=np.float64)
    targets = {
        "boxes": box_rows([one for _, _, one in seen]),
        "box_frame": np.array([frame for frame, _, _ in seen], np.int16),
        "box_track": np.array([track for _, track, _ in seen], np.int32),
    }
    images = _optical(frames, np.asarray(np.isfinite(frames).all(1)), seconds)
    return _place(spec, series={"optical": images}, targets=targets, gsd_m=float(scene.spec.gsd_m))


def cube_places(uri: str, folder: Path, *, name: str, block_px: int = 256) -> int:
    """Adds the places of a cube to a store, a place a block of ground, and returns their number.

    Args:
        uri: Of the cube, as `open_cube` takes it.
        folder: Of the store.
        name: Start of the places' ids.
        block_px: Pixels along a block.

    Raises:
        CubeError: There is no cube.
        PlaceError: It holds neither Sentinel-2 nor Sentinel-1.
    """
    from pipelines.cube import CubeError, open_cube
    from pipelines.training.places import places_of_cube, write_place

    cube: dict[Any, Any] = {}
    missing: list[CubeError] = []
    for group in ("s2", "s1"):
        try:
            cube[group] = open_cube(uri, group, chunks={"band": -1})
        except CubeError as error:  # a cube of one sensor has no other group
            missing.append(error)
    if not cube:
        raise missing[0]
    count = 0
    for place in places_of_cube(cube, name=name, block_px=block_px):
        write_place(place, folder, source=f"{uri} {block_px}")
        count += 1
    return count
