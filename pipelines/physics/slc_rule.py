"""What the complex numbers of a geocoded single-look image are: calibrated amplitude, or numbers of its processor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from pipelines.physics.errors import Uncalibrated

if TYPE_CHECKING:
    from catalogs.scenes import Asset, Scene

_POWER_UNITS: Final = frozenset({"1", "linear", "linear power", "power", "m2/m2", "m2 m-2"})
"""Units of |S|^2 that make it a backscatter coefficient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlcRule:
    """How complex pixels become intensity: |S * scale|^2."""

    name: Literal["calibrated", "uncalibrated"]
    """`calibrated`: the item says that |S|^2 is a backscatter coefficient; `uncalibrated`: it says nothing."""

    scale: float
    """Factor of the amplitude, as the item declares it."""

    unit: str | None
    """As the item says it."""

    def to_dict(self) -> dict[str, object]:
        """Returns the rule for a JSON record."""
        return asdict(self)


def slc_rule(asset: Asset, scene: Scene) -> SlcRule:
    """Returns what a complex raster holds, from what its item says.

    Args:
        asset: The raster of one polarisation.
        scene: Its scene.

    Raises:
        Uncalibrated: The item gives a unit that complex numbers cannot have, or an offset.
    """
    unit = (asset.unit or "").strip().lower()
    if (unit and unit not in _POWER_UNITS) or asset.offset not in (None, 0.0):
        raise Uncalibrated(
            f"a complex raster has no unit or one of {sorted(_POWER_UNITS)} (of its squared magnitude), and no offset; "
            f"{scene.id} {asset.band} declares {asset.unit!r} and {asset.offset}; correct the item"
        )
    scale = 1.0 if asset.scale is None else asset.scale
    return SlcRule(name="calibrated" if unit else "uncalibrated", scale=scale, unit=asset.unit)
