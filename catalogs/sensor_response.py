"""What the bands of one satellite measure, where satellites of a sensor differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SatelliteResponse:
    """Centre and width of the bands by the satellite's own spectral response."""

    satellite: str
    wavelength_nm: Mapping[str, float]
    """By band."""

    fwhm_nm: Mapping[str, float]
    """By band; empty where no source gives it."""

    source: tuple[str, ...]
