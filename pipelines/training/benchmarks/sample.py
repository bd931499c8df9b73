"""One sample of a benchmark: images as the set scales them, and what is true of them.

Dims: (band, y, x) of pixels, n objects. Boxes are in pixels at pixel edges: x right, y down, the first pixel spans 0 to
1 in both. Labels are indices into `BenchmarkInfo.classes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Modality = Literal["optical", "sar_l1", "sar_l2", "ms", "dem"]
Unit = Literal["reflectance", "digital_number", "power", "db", "amplitude", "complex", "metre"]

IGNORE: Final = 255
"""Mask value of a pixel that must not count."""

NUM_PIXEL_DIMS: Final = 3
NUM_SIDES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchmarkImage:
    """One image of a sample, unnormalised."""

    pixels: NDArray[np.float32]
    """(band, y, x), values as the set's own documentation scales them, in `unit`."""

    bands: tuple[str, ...]
    """The set's band names, in the order of `pixels`."""

    valid: NDArray[np.bool_]
    """(y, x), True means usable."""

    modality: Modality

    unit: Unit
    """Of `pixels`; "complex" means that the bands are pairs of I and Q."""

    gsd_m: float | None = None
    """Ground sample distance, where the set states it."""

    time: str = ""
    """ISO date or time, where the set states it."""

    peak: float | None = None
    """Largest value of the stored type (255 of 8 bits), for "digital_number": what brings it to [0, 1]."""

    reflectance_at_peak: float | None = None
    """Reflectance that `peak` stands for, linear from 0, where the set documents it; None: it is not known."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != NUM_PIXEL_DIMS or self.pixels.shape[0] != len(self.bands):
            raise ValueError(f"pixels must be (band, y, x) of bands {self.bands}, got {self.pixels.shape}")
        if self.pixels.dtype != np.float32 or self.valid.dtype != np.bool_:
            raise ValueError(f"pixels must be float32 and valid bool, got {self.pixels.dtype}, {self.valid.dtype}")
        if self.valid.shape != self.pixels.shape[1:]:
            raise ValueError(f"valid must be (y, x) of {self.pixels.shape}, got {self.valid.shape}")
        if self.reflectance_at_peak is not None and not (self.peak and self.reflectance_at_peak > 0):
            raise ValueError(
                f"reflectance at the peak is positive and needs a peak, got {self.reflectance_at_peak}, {self.peak}"
            )
        if self.unit == "complex" and len(self.bands) % 2:
            raise ValueError(f"complex images have pairs of I and Q, got {len(self.bands)} bands")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTarget:
    """One class for the image."""

    label: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsTarget:
    """Any number of classes for the image."""

    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskTarget:
    """A class for each pixel."""

    mask: NDArray[np.int64]
    """(y, x), IGNORE where it must not count."""

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.int64:  # noqa: PLR2004 y and x
            raise ValueError(f"mask must be (y, x) int64, got {self.mask.shape} {self.mask.dtype}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxesTarget:
    """Upright boxes."""

    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom."""

    labels: NDArray[np.int64]
    """(n,)"""

    ignore: NDArray[np.bool_]
    """(n,), difficult or crowd: neither a hit nor a miss."""

    def __post_init__(self) -> None:
        check_objects(self.boxes.shape, (NUM_SIDES,), self.labels, self.ignore)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotatedTarget:
    """Boxes that turn with the object."""

    corners: NDArray[np.float32]
    """(n, 4, 2): x and y of the corners in order around the box."""

    labels: NDArray[np.int64]
    """(n,)"""

    ignore: NDArray[np.bool_]
    """(n,), difficult: neither a hit nor a miss."""

    def __post_init__(self) -> None:
        check_objects(self.corners.shape, (NUM_SIDES, 2), self.labels, self.ignore)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeightTarget:
    """Height above ground for each pixel."""

    height_m: NDArray[np.float32]
    """(y, x), NaN does not count."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackTarget:
    """Upright boxes of one frame, with identities that last through `Sample.sequence`."""

    frame: int
    """Counted from 1, as the set does."""

    ids: NDArray[np.int64]
    """(n,)"""

    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom."""

    labels: NDArray[np.int64]
    """(n,)"""

    ignore: NDArray[np.bool_]
    """(n,)"""

    def __post_init__(self) -> None:
        check_objects(self.boxes.shape, (NUM_SIDES,), self.labels, self.ignore)
        if self.ids.shape != self.labels.shape or len(np.unique(self.ids)) != len(self.ids):
            raise ValueError(f"frame {self.frame}: ids must be one an object and differ, got {self.ids.tolist()}")


Target = ClassTarget | LabelsTarget | MaskTarget | BoxesTarget | RotatedTarget | HeightTarget | TrackTarget


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Images of one place and what is true of it."""

    id: str
    """Distinct within a split, stable between copies of the set: a file's stem as a rule."""

    images: tuple[BenchmarkImage, ...]
    """Change: before and after. Several modalities: one each, of one size. Else one."""

    target: Target

    sequence: str = ""
    """The video's name, for frames of one."""

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError(f"sample {self.id}: must have at least one image")


def check_objects(
    shape: tuple[int, ...], per_object: tuple[int, ...], labels: NDArray[np.int64], ignore: NDArray[np.bool_]
) -> None:
    """Checks that objects, labels and ignore flags are of one length.

    Raises:
        ValueError: They are not, or their types are not int64 and bool.
    """
    num = shape[0] if shape else 0
    if shape != (num, *per_object) or labels.shape != (num,) or ignore.shape != (num,):
        raise ValueError(
            f"objects must be (n, {', '.join(map(str, per_object))}) with n labels and n ignore flags, "
            f"got {shape}, {labels.shape}, {ignore.shape}"
        )
    if labels.dtype != np.int64 or ignore.dtype != np.bool_:
        raise ValueError(f"labels must be int64 and ignore bool, got {labels.dtype}, {ignore.dtype}")
