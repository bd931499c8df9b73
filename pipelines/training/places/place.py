"""Place: one piece of ground with its images of every sensor and what is known to be true of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.inference.channels import MODALITY_BANDS
from pipelines.training.places.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from pipelines.training.scene_arrays import SensorArrays

Kind = Literal["series", "slc", "vhr", "video"]
KINDS: Final[tuple[Kind, ...]] = ("series", "slc", "vhr", "video")
"""Series of Sentinel-1 and -2; complex quad-pol radar; one image of very high resolution; frames of a video."""

CHANNELS: Final[Mapping[str, int]] = {"sar_l1": 8} | {str(name): len(bands) for name, bands in MODALITY_BANDS.items()}
"""Channels of each modality, in the model's order: `sar_l1` is I and Q of HH, HV, VH, VV."""

BOX_COLUMNS: Final = 6
"""cx, cy, width, height in pixels (pixel edges, x right, y down), angle in radians from +x towards +y, class."""

PLANES: Final = ("land_cover", "change", "change_epoch", "height_m")
"""Targets with one value a pixel, (y, x)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One piece of ground, its images on one grid, its truth."""

    id: str
    """Lower case letters, digits, '.', '_' and '-'; the name of its file."""

    kind: Kind
    series: Mapping[str, SensorArrays]
    """By modality; equal sizes, dates of their own."""

    gsd_m: float
    """Metres a pixel, above 0."""

    targets: Mapping[str, npt.NDArray[np.generic]]
    """`land_cover` uint8 (y, x), index into the classes, 255 unknown; `change` uint8 and `change_epoch` int16 (y, x);
    `height_m` float32 (y, x), NaN unknown; `boxes` float32 (n, 6), see `BOX_COLUMNS`, with `box_frame` int16 (n,) and
    `box_track` int32 (n,) for videos; `scene_class` int16 (1,)."""

    block: tuple[int, int]
    """Row and column in the grid of blocks that training and test ground is kept apart by."""

    seed: int | None = None
    """Of the simulation; None for real ground."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.id):
            raise PlaceError(f"a place's id is lower case letters, digits and ._-, got {self.id!r}; rename it")
        if self.kind not in KINDS:
            raise PlaceError(f"a place's kind is one of {KINDS}, got {self.kind!r}; choose one")
        if not (np.isfinite(self.gsd_m) and self.gsd_m > 0):
            raise PlaceError(f"gsd_m is above 0, got {self.gsd_m} of {self.id}; give metres a pixel")
        if not self.series:
            raise PlaceError(f"a place has images of at least one modality, got none in {self.id}; add some")
        for name, sensor in self.series.items():
            _check_sensor(sensor, f"{self.id}, {name}", CHANNELS.get(name), self.shape)
        _check_targets(self.targets, self.id, self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = next(iter(self.series.values())).pixels.shape[-2:]
        return int(height), int(width)


def _check_sensor(sensor: SensorArrays, where: str, channels: int | None, shape: tuple[int, int]) -> None:
    if channels is None:
        raise PlaceError(f"modalities are {sorted(CHANNELS)}, got {where}; rename it")
    dates = sensor.pixels.shape[0]
    wanted = {
        "pixels": (dates, channels, *shape),
        "valid": (dates, *shape),
        "observed": (dates, *shape),
        "present": (dates, channels),
        "day": (dates,),
        "age": (dates,),
    }
    for name, expected in wanted.items():
        found = getattr(sensor, name).shape
        if found != expected or not dates:
            raise PlaceError(f"{name} of {where} has shape {expected}, got {found}; give (date, channel, y, x)")
    used = (sensor.valid | sensor.observed)[:, None] & sensor.present[..., None, None]
    bad = int((~np.isfinite(sensor.pixels) & used).sum())
    if bad:
        raise PlaceError(f"a valid pixel is finite, got {bad} that are not in {where}; mark them as not valid")


def _check_targets(targets: Mapping[str, npt.NDArray[np.generic]], where: str, shape: tuple[int, int]) -> None:
    for name in PLANES:
        if name in targets and targets[name].shape != shape:
            raise PlaceError(f"{name} of {where} has shape {shape}, got {targets[name].shape}; cut it alike")
    boxes = targets.get("boxes")
    if boxes is None:
        return
    if boxes.ndim != 2 or boxes.shape[1] != BOX_COLUMNS or not np.isfinite(boxes.astype(np.float64)).all():  # noqa: PLR2004
        raise PlaceError(f"boxes of {where} are finite (n, {BOX_COLUMNS}), got {boxes.shape}; see BOX_COLUMNS")
    for name in ("box_frame", "box_track"):
        if name in targets and targets[name].shape != (len(boxes),):
            raise PlaceError(f"{name} of {where} has one value a box ({len(boxes)}), got {targets[name].shape}")
