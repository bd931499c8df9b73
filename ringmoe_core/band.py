"""Band: what one channel measures, and the fixed-length descriptor by which a model knows it.

Legend: C channels, F = 8 frequencies, Q = DESCRIPTOR_SIZE entries of a descriptor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

Polarisation = Literal["HH", "HV", "VH", "VV"]
"""Transmitted, then received."""

Part = Literal["power", "I", "Q"]
"""Detected power or amplitude (in any unit, decibels too), or the real and the imaginary part of a complex image."""

POLARISATIONS: Final[tuple[str, ...]] = get_args(Polarisation)
PARTS: Final[tuple[str, ...]] = get_args(Part)

SPEED_OF_LIGHT_NM_GHZ: Final = 299_792_458.0
"""Wavelength in nm times frequency in GHz: the number of the speed of light in m/s, exact by definition."""

OPTICAL_RANGE_NM: Final = (100.0, 1e6)
"""Ultraviolet to far infrared."""

RADAR_RANGE_NM: Final = (1e6, 1e10)
"""1 mm (300 GHz) to 10 m (30 MHz), beyond every imaging radar."""

LONGEST_PERIOD_OCTAVES: Final = 64.0
"""Twice the span from 100 nm to 10 m, so that no two wavelengths look alike; every frequency halves the period."""

NUM_FREQUENCIES: Final = 8
"""The shortest period is half an octave, in which 842 and 865 nm are 28 degrees of phase apart."""

DESCRIPTOR_SIZE: Final = 1 + 2 * NUM_FREQUENCIES + 2 + 2 + len(POLARISATIONS) + len(PARTS)
"""Q."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One channel: optical by its wavelength, radar by wavelength or frequency, polarisation and part."""

    name: str
    """For people and messages; the model never sees it."""

    wavelength_nm: float | None = None
    """Centre, or the radar's carrier: 100 to 1e6 nm for optical bands, 1e6 to 1e10 nm for radar."""

    width_nm: float | None = None
    """Full width at half maximum of an optical band, below twice its wavelength; None where unknown."""

    frequency_ghz: float | None = None
    """Carrier of a radar band, instead of its wavelength: 0.03 to 300 GHz."""

    polarisation: Polarisation | None = None
    """Of a radar band; None makes the band optical."""

    part: Part | None = None
    """Of a radar band's signal; None for an optical band."""

    def __post_init__(self) -> None:
        self._check_kind()
        self._check_wavelength()
        self._check_width()

    @property
    def is_radar(self) -> bool:
        """Whether the band has a polarisation."""
        return self.polarisation is not None

    @property
    def centre_nm(self) -> float:
        """Wavelength in nm, computed from the frequency where that is what was given."""
        if self.wavelength_nm is not None:
            return self.wavelength_nm
        assert self.frequency_ghz is not None
        return SPEED_OF_LIGHT_NM_GHZ / self.frequency_ghz

    def _check_kind(self) -> None:
        if (self.polarisation is None) != (self.part is None):
            raise ValueError(
                f"a radar band has a polarisation and a part, an optical band neither, got polarisation "
                f"{self.polarisation!r} and part {self.part!r} for {self.name}; give both or none"
            )
        if self.is_radar and self.polarisation not in POLARISATIONS:
            raise ValueError(
                f"polarisation must be one of {POLARISATIONS}, got {self.polarisation!r} for {self.name}; name one"
            )
        if self.is_radar and self.part not in PARTS:
            raise ValueError(f"part must be one of {PARTS}, got {self.part!r} for {self.name}; name one of them")
        if self.frequency_ghz is not None and not self.is_radar:
            raise ValueError(
                f"a frequency belongs to a radar band, got {self.frequency_ghz} GHz for {self.name}, which has no "
                "polarisation; add it, or give the wavelength of an optical band"
            )

    def _check_wavelength(self) -> None:
        if (self.wavelength_nm is None) == (self.frequency_ghz is None):
            raise ValueError(
                f"a band has a wavelength or a frequency, got {self.wavelength_nm} nm and {self.frequency_ghz} GHz "
                f"for {self.name}; give exactly one"
            )
        for value, unit in ((self.wavelength_nm, "nm"), (self.frequency_ghz, "GHz")):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"a wavelength or frequency must be above 0 and finite, got {value} {unit} for {self.name}; "
                    "correct it"
                )
        low, high = RADAR_RANGE_NM if self.is_radar else OPTICAL_RANGE_NM
        if not low <= self.centre_nm <= high:
            kind = "a radar" if self.is_radar else "an optical"
            raise ValueError(
                f"the wavelength of {kind} band lies in {low:g} to {high:g} nm, got {self.centre_nm:g} nm for "
                f"{self.name}; give nanometres (490 for blue) or GHz, and a polarisation for radar"
            )

    def _check_width(self) -> None:
        if self.width_nm is None:
            return
        if self.is_radar:
            raise ValueError(
                f"a width belongs to an optical band, got {self.width_nm} nm for {self.name}; leave it out"
            )
        if not 0 < self.width_nm < 2 * self.centre_nm:
            raise ValueError(
                f"a width lies above 0 and below twice the wavelength, got {self.width_nm} nm at {self.centre_nm} nm "
                f"for {self.name}; give the full width at half maximum"
            )


def describe_bands(bands: Sequence[Band]) -> Tensor:
    """Descriptors (C, Q), float32, of any mix of optical and radar bands.

    With x = log2(wavelength / 100 nm), in octaves from 0 to 26.6, an entry after the other:

    - x / 32;
    - sin(2 pi x / P_f) for f = 0 .. 7, then the cosines, with periods P_f = 64 / 2^f octaves (64 down to 0.5);
    - 1 for optical, 1 for radar;
    - 1 where the width is known, and log2(width / wavelength) / 8 (0 where unknown);
    - 1 at the band's polarisation (HH, HV, VH, VV; radar only), 1 at its part (power, I, Q; radar only).

    Fourier features of the logarithm, since sensors resolve relative differences of wavelength: 842 and 865 nm differ
    as much as 53 and 54.5 mm do.

    Raises:
        ValueError: no band.
    """
    if not bands:
        raise ValueError("a descriptor needs at least one band, got none; name the bands of the channels")
    octaves_C = torch.tensor([math.log2(band.centre_nm / OPTICAL_RANGE_NM[0]) for band in bands], dtype=torch.float64)
    per_octave_F = 2.0 ** torch.arange(NUM_FREQUENCIES, dtype=torch.float64) / LONGEST_PERIOD_OCTAVES
    phase_CF = 2 * math.pi * octaves_C[:, None] * per_octave_F
    flags = torch.tensor([_flags(band) for band in bands], dtype=torch.float64)
    parts = [octaves_C[:, None] / (LONGEST_PERIOD_OCTAVES / 2), phase_CF.sin(), phase_CF.cos(), flags]
    return torch.cat(parts, dim=1).float()


def _flags(band: Band) -> list[float]:
    width = 0.0 if band.width_nm is None else math.log2(band.width_nm / band.centre_nm) / 8
    return [
        float(not band.is_radar),
        float(band.is_radar),
        float(band.width_nm is not None),
        width,
        *(float(band.polarisation == name) for name in POLARISATIONS),
        *(float(band.part == name) for name in PARTS),
    ]
