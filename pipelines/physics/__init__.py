"""Sensor numbers to physical quantities: pure functions over arrays and scene records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.physics.errors import Uncalibrated
    from pipelines.physics.mask import reasons_from_scl, reasons_without_mask, usable
    from pipelines.physics.optical import PackedPlane, pack_reflectance, unpack_reflectance
    from pipelines.physics.pixels import find_offset
    from pipelines.physics.radar import PowerRule, power_rule, to_db, to_power
    from pipelines.physics.radiometry import RadiometricRule, decide_rule

__all__ = [
    "PackedPlane",
    "PowerRule",
    "RadiometricRule",
    "Uncalibrated",
    "decide_rule",
    "find_offset",
    "pack_reflectance",
    "power_rule",
    "reasons_from_scl",
    "reasons_without_mask",
    "to_db",
    "to_power",
    "unpack_reflectance",
    "usable",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "errors": ["Uncalibrated"],
        "mask": ["reasons_from_scl", "reasons_without_mask", "usable"],
        "optical": ["PackedPlane", "pack_reflectance", "unpack_reflectance"],
        "pixels": ["find_offset"],
        "radar": ["PowerRule", "power_rule", "to_db", "to_power"],
        "radiometry": ["RadiometricRule", "decide_rule"],
    },
)
