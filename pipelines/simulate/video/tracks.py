"""Where each vehicle, ship and aircraft of a video is in every frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.simulate.vhr.objects import ObjectKind, PlantedObject

TRACKED: Final = ("vehicle", "ship", "aircraft")
"""Buildings are no tracks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedTrack:
    """One object through a video."""

    id: int
    """From 1 on, unique in the video."""

    kind: ObjectKind
    frames: tuple[int, ...]
    """Indices of the frames in which its centre lies in the image, ascending; it may be hidden there
    (`PlantedObject.visible` 0)."""

    objects: tuple[PlantedObject, ...] = field(repr=False)
    """One a frame of `frames`, in the frame's own pixels: camera shake included."""

    speed_mps: float
    """Over ground; 0 for what is parked or moored."""


def make_tracks(
    frames: Sequence[Mapping[int, PlantedObject]], speeds: Mapping[int, float], size: int
) -> tuple[PlantedTrack, ...]:
    """Returns the tracks of objects that are the same number in every frame.

    Args:
        frames: Objects by number, one mapping a frame.
        speeds: Metres a second of those that move.
        size: Of the image in pixels.
    """
    tracks: list[PlantedTrack] = []
    numbers = sorted({number for frame in frames for number, entry in frame.items() if entry.kind in TRACKED})
    for number in numbers:
        seen = [
            (index, frame[number])
            for index, frame in enumerate(frames)
            if number in frame and 0 <= frame[number].cx < size and 0 <= frame[number].cy < size
        ]
        if not any(entry.visible > 0 for _, entry in seen):
            continue
        tracks.append(
            PlantedTrack(
                id=len(tracks) + 1,
                kind=seen[0][1].kind,
                frames=tuple(index for index, _ in seen),
                objects=tuple(entry for _, entry in seen),
                speed_mps=speeds.get(number, 0.0),
            )
        )
    return tuple(tracks)


def shifted(entry: PlantedObject, shift_px: tuple[float, float]) -> PlantedObject:
    """Returns an object moved right and down by (x, y) pixels."""
    return replace(entry, cx=entry.cx + shift_px[0], cy=entry.cy + shift_px[1])
