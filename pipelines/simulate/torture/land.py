"""The pixels that entries are made of: simulated land, and a field whose value is known at every place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.schema import Reason
from pipelines.simulate.region import simulate_region
from pipelines.simulate.spec import RegionSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.uint16]
    Floats = NDArray[np.float32]
    Coordinates = NDArray[np.float64]

OPTICAL: Final = ("B02", "B04", "B11")
RADAR: Final = ("VV", "VH")
BAND_M: Final = {"B02": 10, "B04": 10, "B11": 20, "SCL": 20, "VV": 10, "VH": 10}
"""Pixel side of a band's files."""

OFFSET: Final = 1000
"""Of products of baseline 04.00 and later whose offset nobody took out."""

SCALE: Final = 1e-4

CLASS_REASON: Final = {0: Reason.NODATA, 3: Reason.CLOUD_SHADOW, 8: Reason.CLOUD, 9: Reason.CLOUD, 11: Reason.SNOW}
"""Bits of the scene classification's classes that are planted here."""

FIELD_WAVES_M: Final = (2100.0, 2700.0)
"""Wave lengths of the field along x and y: long enough that bilinear interpolation between 10 m pixels is within half
a step, short enough that a fiftieth of a pixel shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """One clear optical and one radar scene of 1280 m x 1280 m."""

    counts: dict[str, Counts]
    """By optical band at its own resolution, 10000 times reflectance, no offset, none of them 0."""

    classes: NDArray[np.uint8]
    """Scene classification at 20 m with a planted cloud, its shadow and snow."""

    power: dict[str, Floats]
    """Linear power by polarisation."""

    def shifted(self, columns: int) -> Land:
        """Returns the land moved round by 20 m columns: the same values elsewhere, so that no two dates are alike."""
        return Land(
            counts={b: np.roll(dn, columns * 20 // BAND_M[b], axis=1) for b, dn in self.counts.items()},
            classes=np.roll(self.classes, columns, axis=1),
            power={band: np.roll(values, 2 * columns, axis=1) for band, values in self.power.items()},
        )


def make_land(seed: int, size: int = 128) -> Land:
    """Returns the land of a seed.

    Args:
        seed: Any non-negative integer.
        size: Pixels a side at 10 m.
    """
    spec = RegionSpec(seed=seed, size=size, num_dates=6, cloud_cover=(0.0, 0.0), num_changes=(0, 0))
    scenes = simulate_region(spec).acquisitions
    optical = next(scene for scene in scenes if scene.group == "s2" and all((dn > 0).all() for dn in _bands(scene)))
    radar = next(scene for scene in scenes if scene.group == "s1" and np.isfinite(scene.bands["VV"]).all())
    offset = 0 if optical.offset_applied else OFFSET
    counts = {band: np.clip(optical.bands[band].astype("int32") - offset, 1, 20000) for band in OPTICAL}
    classes = np.asarray(optical.bands["SCL"], dtype="uint8").copy()
    classes[4:10, 6:14], classes[11:15, 9:14], classes[40:44, 30:36] = 9, 3, 11
    return Land(
        counts={band: dn.astype("uint16") for band, dn in counts.items()},
        classes=classes,
        power={band: np.asarray(radar.bands[band], dtype="float32") for band in RADAR},
    )


def _bands(scene: object) -> list[Counts]:
    bands: dict[str, Counts] = scene.bands  # type: ignore[attr-defined]
    return [bands[band] for band in OPTICAL]


def field_counts(x: Coordinates, y: Coordinates, band: str) -> Coordinates:
    """Returns the counts of the field at coordinates in metres, unrounded, 1500 to 4500, of a phase by band."""
    phase = 0.7 * OPTICAL.index(band)
    waves = np.sin(2 * np.pi * x / FIELD_WAVES_M[0] + phase) * np.cos(2 * np.pi * y / FIELD_WAVES_M[1])
    return np.asarray(3000.0 + 1500.0 * waves)


def on_ten_metres(plane: NDArray[np.generic], band: str) -> NDArray[np.generic]:
    """Returns a plane with every pixel repeated to 10 m."""
    times = BAND_M[band] // 10
    return plane.repeat(times, axis=0).repeat(times, axis=1)


def class_reasons(classes: NDArray[np.integer] | None, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Returns the bits that a classification sets (y, x) at 10 m; `not_masked` everywhere where there is none."""
    if classes is None:
        return np.full(shape, int(Reason.NOT_MASKED), dtype="uint16")
    table = np.zeros(256, dtype="uint16")
    for value, reason in CLASS_REASON.items():
        table[value] = int(reason)
    return np.asarray(on_ten_metres(table[classes], "SCL"), dtype="uint16")
