"""Which bands a group of a cube may have, and what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.sensors import SENSOR_NAMES, load_sensor
from pipelines.cube.errors import CubeError

if TYPE_CHECKING:
    from catalogs.sensors import Band

_VALUES: Final = frozenset({"number", "power", "reflectance"})


def known_bands(group: str, first: str = "") -> dict[str, Band]:
    """Returns the bands that hold the quantity of a group, by id.

    Args:
        group: Of the cube.
        first: Sensor whose own description of a band is taken where several sensors of the group have it.
    """
    names = sorted(SENSOR_NAMES, key=lambda name: name != first)
    found: dict[str, Band] = {}
    for sensor in map(load_sensor, names):
        if group in {sensor.group, *(product.group for product in sensor.products)}:
            found = {band.id: band for band in sensor.bands if band.kind in _VALUES} | found
    return found


def require_known(group: str, bands: tuple[str, ...]) -> None:
    """Raises where a band is asked for that no sensor of a group has, or that is another quantity.

    Raises:
        CubeError: Names the band and those there are.
    """
    known = known_bands(group)
    for band in bands:
        if band not in known:
            raise CubeError(f"a band of group {group} is one of {sorted(known)}, got {band!r}; correct the name")
