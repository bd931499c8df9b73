"""Constants of the sensors' radiometry, each with its source: one table, no other file holds a bare one."""

from __future__ import annotations

from typing import Final

S2_QUANTIFICATION: Final = 10_000
"""DN per unit of reflectance. QUANTIFICATION_VALUE (L1C) and BOA_QUANTIFICATION_VALUE (L2A), Sentinel-2 Products
Specification Document, S2-PDGS-TAS-DI-PSD, product metadata."""

S2_BASELINE_OFFSET_DN: Final = -1000
"""RADIO_ADD_OFFSET (L1C) and BOA_ADD_OFFSET (L2A) of every band from baseline 04.00 on; added to DN.
Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD; in force since 2022-01-25."""

S2_OFFSET_SINCE_BASELINE: Final = (4, 0)
"""First processing baseline whose products carry the offset (same source)."""

S2_DN_NODATA: Final = 0
"""SPECIAL_VALUE NODATA of L1C and L2A image data (same source): meant where an item declares no other."""

S2_DN_SATURATED: Final = 65535
"""SPECIAL_VALUE SATURATED of L1C and L2A image data (same source)."""

S2_BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Ids of the bands that hold reflectance; SCL, AOT and WVP have scales of their own (same source)."""

SCL_NUM_CLASSES: Final = 12
"""Scene classification values 0 to 11. Sentinel-2 L2A Algorithm Theoretical Basis Document, S2-PDGS-MPC-ATBD-L2A."""
