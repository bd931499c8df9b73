"""The listed values of a layer, read from its CF attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.publish.errors import PublishError

if TYPE_CHECKING:
    import xarray as xr

NODATA_NAMES: Final = frozenset({"no_data", "no_date"})
"""Meanings of a flag value that stands for nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One listed value, or one bit."""

    value: int
    """The value; of a bit its mask."""

    name: str
    """The flag's meaning, without blanks."""

    color: str | None = None
    """Six hexadecimal digits, None where the layer has no colours."""

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.name.replace("_", " ").capitalize()

    @property
    def is_nodata(self) -> bool:
        """Whether the value stands for nothing at all."""
        return self.name in NODATA_NAMES

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255; black where there is no colour."""
        color = self.color or "000000"
        return int(color[0:2], 16), int(color[2:4], 16), int(color[4:6], 16)


def flags_of(layer: xr.DataArray) -> tuple[Flag, ...]:
    """Returns the listed values of a layer (CF `flag_values`), none where it has none.

    Raises:
        PublishError: Values, meanings and colours differ in number.
    """
    return _listed(layer, "flag_values")


def bits_of(layer: xr.DataArray) -> tuple[Flag, ...]:
    """Returns the bits of a layer (CF `flag_masks`), none where it has none.

    Raises:
        PublishError: Masks and meanings differ in number.
    """
    return _listed(layer, "flag_masks")


def nodata_of(layer: xr.DataArray) -> int | None:
    """Returns the listed value that stands for nothing, None where every value counts."""
    return next((flag.value for flag in flags_of(layer) if flag.is_nodata), None)


def is_classes(layer: xr.DataArray) -> bool:
    """Returns whether the values are classes with colours."""
    return "flag_colors" in layer.attrs


def _listed(layer: xr.DataArray, key: str) -> tuple[Flag, ...]:
    if key not in layer.attrs:
        return ()
    values = np.atleast_1d(np.asarray(layer.attrs[key])).tolist()
    names = str(layer.attrs.get("flag_meanings", "")).split()
    colors: list[str | None] = [color.lstrip("#") for color in str(layer.attrs.get("flag_colors", "")).split()]
    colors = colors or [None] * len(values)
    if not len(values) == len(names) == len(colors):
        raise PublishError(
            f"{key}, flag_meanings and flag_colors of {layer.name!r} must be of one length, got {len(values)}, "
            f"{len(names)}, {len(colors)}; list each value once"
        )
    return tuple(
        Flag(value=int(value), name=name, color=color) for value, name, color in zip(values, names, colors, strict=True)
    )
