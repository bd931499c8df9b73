"""One labelled region as the arrays that training draws from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pipelines.inference.channels import Channels, age_years, day_fraction, ms_channels, sar_channels
from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES
from pipelines.schema import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

IGNORE = 255
"""Index of a pixel without a label, in both targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorArrays:
    """All dates of one modality of a region, normalised, as `inference.channels` makes them."""

    pixels: npt.NDArray[np.float16]
    """(epoch, channel, y, x); half precision keeps about 1e-3 of a standard deviation."""

    valid: npt.NDArray[np.bool_]
    """(epoch, y, x), as the cube's mask has it."""

    observed: npt.NDArray[np.bool_]
    """(epoch, y, x), True wherever a number was measured, cloud or not: what a cube without a mask offers."""

    present: npt.NDArray[np.bool_]
    """(epoch, channel)."""

    day: npt.NDArray[np.float32]
    """(epoch,), fraction of the year in [0, 1)."""

    age: npt.NDArray[np.float32]
    """(epoch,), years before the last date of either sensor, at least 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneArrays:
    """A region whose truth is known; epoch i holds date i of either sensor."""

    ms: SensorArrays
    sar: SensorArrays
    land_cover: npt.NDArray[np.uint8]
    """(y, x), index into `LAND_COVER`, `IGNORE` where unknown; the state at the last date."""

    change: npt.NDArray[np.uint8]
    """(y, x), index into `CHANGE`."""

    change_epoch: npt.NDArray[np.int16]
    """(y, x), first epoch at which the new state is seen, -1 where nothing changes."""

    def __post_init__(self) -> None:
        if self.ms.pixels.shape[0] != self.sar.pixels.shape[0]:
            raise ValueError(
                "training pairs the dates of both sensors one to one, "
                f"got {self.ms.pixels.shape[0]} and {self.sar.pixels.shape[0]}; give one date a sensor and epoch"
            )

    @property
    def num_epochs(self) -> int:
        """How many dates either sensor has."""
        return int(self.ms.pixels.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.land_cover.shape[0]), int(self.land_cover.shape[1])


def scene_arrays(
    cube: Mapping[Literal["s2", "s1"], xr.Dataset],
    *,
    land_cover: npt.NDArray[np.uint8],
    change: npt.NDArray[np.uint8],
    change_epoch: npt.NDArray[np.int16],
) -> SceneArrays:
    """Returns a labelled region in the form that chips are cut from.

    Args:
        cube: Groups `s2` and `s1` in the schema's decoded form, the same number of dates in each.
        land_cover: (y, x), WorldCover codes; codes without a class become `IGNORE`.
        change: (y, x), codes of `CHANGE`.
        change_epoch: (y, x), first date of the new state, -1 for none.
    """
    newest = max(cube["s2"]["time"].to_numpy().max(), cube["s1"]["time"].to_numpy().max())
    return SceneArrays(
        ms=sensor_arrays(cube["s2"], "reflectance", newest),
        sar=sensor_arrays(cube["s1"], "power", newest),
        land_cover=class_indices(land_cover, LAND_COVER_CODES),
        change=class_indices(change, CHANGE_CODES),
        change_epoch=change_epoch.astype(np.int16),
    )


def sensor_arrays(group: xr.Dataset, name: str, newest: np.datetime64) -> SensorArrays:
    """Returns all dates of a cube's group, normalised.

    Args:
        group: In the schema's decoded form.
        name: `reflectance` or `power`.
        newest: Last date of the place, from which ages count back.
    """
    values = group[name].to_numpy()
    bands = tuple(str(band) for band in group["band"].to_numpy())
    observed = (group["reason"].to_numpy() & int(Reason.NODATA)) == 0
    channels = _channels(name, values, bands, observed)
    usable = group["valid"].to_numpy() & channels.valid
    times = group["time"].to_numpy()
    return SensorArrays(
        pixels=channels.pixels.astype(np.float16),
        valid=usable,
        observed=channels.valid,
        present=channels.present,
        day=day_fraction(times),
        age=age_years(times, newest),
    )


def _channels(
    name: str, values: npt.NDArray[np.float32], bands: tuple[str, ...], mask: npt.NDArray[np.bool_]
) -> Channels:
    make = ms_channels if name == "reflectance" else sar_channels
    return make(values, bands, mask)


def class_indices(codes: npt.NDArray[np.uint8], order: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Returns the index of each pixel's code in `order`, `IGNORE` for codes that are not in it."""
    table = np.full(256, IGNORE, dtype=np.uint8)
    for index, code in enumerate(order):
        table[code] = index
    return table[codes]
