"""Simulated regions as a model's input, and as planes for pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pipelines.inference.channels import CubeModality
    from ringmoe_core import Series

FED: Final[tuple[CubeModality, ...]] = ("optical", "sar_l2", "ms")
"""Modalities of which simulated regions have images."""

REGION_SEED: Final = 95_000
"""First seed of the regions: beyond those of training, validation and test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSet:
    """The simulated regions that a model is shown."""

    num_regions: int = 3
    size: int = 256
    """Pixels along a side, 10 m each."""

    num_dates: int = 4
    """Of either sensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One image of one modality, physical values."""

    modality: str
    day: str
    """Acquisition, ISO date."""

    bands: tuple[npt.NDArray[np.float32], ...]
    """Red, green, blue reflectance, or VV and VH power, each (y, x); NaN is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRegion:
    """One region as the model sees it."""

    series: dict[str, Series]
    """By modality, one place, all dates."""

    chips: tuple[Chip, ...]
    """Of each modality the clearest date."""

    clear: float
    """Share of valid pixels of the cloudiest of these."""


def simulate(seed: int, regions: RegionSet, names: Sequence[CubeModality]) -> ShownRegion:
    """Returns one region without planned changes, every date of every modality asked for."""
    from pipelines.inference.channels import MODALITY_BANDS, MODALITY_GROUP, mask_channels, normalise
    from pipelines.schema import VALUE_NAME
    from pipelines.simulate import RegionSpec, simulate_region, to_cube

    spec = RegionSpec(seed=seed, size=regions.size, num_dates=regions.num_dates, num_changes=(0, 0))
    cube = to_cube(simulate_region(spec))
    newest = max(group["time"].to_numpy().max() for group in cube.values())
    series: dict[str, Series] = {}
    chips, clear = [], []
    for name in names:
        group = cube[MODALITY_GROUP[name]]
        values = group[VALUE_NAME[MODALITY_GROUP[name]]]
        bands = tuple(str(band) for band in values["band"].to_numpy())
        valid = group["valid"].to_numpy()
        masked = mask_channels(normalise(values.to_numpy(), bands, name), valid)
        series[name] = _series(masked.pixels, masked.valid, masked.present, group["time"].to_numpy(), newest)
        share = masked.valid.mean((1, 2))
        date = int(share.argmax())
        clear.append(float(share.max()))
        shown = MODALITY_BANDS["optical" if name == "ms" else name]
        chips.append(
            Chip(
                modality=name,
                day=str(np.datetime_as_string(group["time"].to_numpy()[date], unit="D")),
                bands=tuple(values.isel(time=date).sel(band=band).to_numpy() for band in shown),
            )
        )
    return ShownRegion(series=series, chips=tuple(chips), clear=min(clear))


def _series(
    pixels: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    present: npt.NDArray[np.bool_],
    time: npt.NDArray[np.datetime64],
    newest: np.datetime64,
) -> Series:
    import torch

    from pipelines.inference.channels import age_years, day_fraction
    from ringmoe_core import Series

    return Series(
        pixels_BTCHW=torch.from_numpy(pixels)[None],
        valid_BTHW=torch.from_numpy(valid)[None],
        present_BTC=torch.from_numpy(present)[None],
        day_BT=torch.from_numpy(day_fraction(time))[None],
        age_BT=torch.from_numpy(age_years(time, newest))[None],
    )


def clearest(series: Series) -> Series:
    """Returns the one date of a place with most valid pixels."""
    date = int(series.valid_BTHW[0].flatten(1).sum(1).argmax())
    one = slice(date, date + 1)
    return replace(
        series,
        pixels_BTCHW=series.pixels_BTCHW[:, one],
        valid_BTHW=series.valid_BTHW[:, one],
        present_BTC=series.present_BTC[:, one],
        day_BT=series.day_BT[:, one],
        age_BT=None if series.age_BT is None else series.age_BT[:, one],
    )
