"""Which sensor files of one item are from, and which of its bands each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.sensors import SENSOR_NAMES, load_sensor
from pipelines.own_files.errors import FileRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalogs.sensors import Band, Sensor

COLLECTIONS: Final = {"sentinel-1-csar": "sentinel-1-grd", "sentinel-2-msi": "sentinel-2-l2a"}
"""Usual collections of sensors that have several; the others have one."""


def band_named(sensor: Sensor, spelling: str) -> Band | None:
    """Returns the band of a sensor by its id or one of its other names, None where it has no such band."""
    wanted = spelling.lower()
    by_id = (band for band in sensor.bands if band.id.lower() == wanted)
    by_alias = (band for band in sensor.bands if wanted in band.aliases)
    return next(by_id, None) or next(by_alias, None)


def choose_sensor(spellings: Iterable[str], hint: str, wanted: str | None) -> Sensor:
    """Returns the sensor that has bands of all these names.

    Args:
        spellings: Names of bands as the files give them.
        hint: Sensor that the path names, '' where it names none.
        wanted: Sensor that the user names.

    Raises:
        FileRefused: No sensor has them all, or several do and nothing tells which it is.
    """
    names = sorted(set(spellings))
    told = wanted or hint
    if told:
        sensor = load_sensor(told)
        lacking = [name for name in names if band_named(sensor, name) is None]
        if lacking:
            raise FileRefused(
                f"{told} has the bands {', '.join(band.id for band in sensor.bands)}, the files say "
                f"{', '.join(lacking)}; name the right sensor by --sensor or rename the files"
            )
        return sensor
    fitting = [sensor for sensor in map(load_sensor, SENSOR_NAMES) if all(band_named(sensor, name) for name in names)]
    if len(fitting) != 1:
        fits = ", ".join(sensor.name for sensor in fitting) or "none"
        raise FileRefused(f"the sensor must be known, bands {', '.join(names)} fit {fits}; name it by --sensor")
    return fitting[0]


def collection_of(sensor: Sensor) -> str:
    """Returns the collection that a sensor's scenes usually stand in."""
    return COLLECTIONS.get(sensor.name) or sensor.collections[0]
