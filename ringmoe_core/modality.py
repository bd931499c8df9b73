"""The four kinds of image the model reads, and their channels."""

from __future__ import annotations

from typing import Final

MODALITIES: Final[tuple[str, ...]] = ("optical", "sar_l1", "sar_l2", "ms")
"""Names in the order in which images of a batch are concatenated."""

MODALITY_CHANNELS: Final[tuple[int, ...]] = (3, 8, 2, 10)
"""Channels of each modality.

optical: red, green, blue. sar_l1: I and Q of HH, HV, VH, VV. sar_l2: VV, VH. ms: Sentinel-2 B02 B03 B04 B05 B06 B07
B08 B8A B11 B12.
"""
