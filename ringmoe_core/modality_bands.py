"""The bands of the four modalities' channels, for a model with spectral embedding that is given no others."""

from __future__ import annotations

from typing import Final

from ringmoe_core.band import PARTS, POLARISATIONS, Band, Part, Polarisation

C_BAND_GHZ: Final = 5.405
"""Carrier of Sentinel-1 (ESA, Sentinel-1 User Handbook, GMES-S1OP-EOPG-TN-13-0001, issue 1)."""

SENTINEL2_NM: Final[dict[str, tuple[float, float]]] = {
    "B02": (490, 65), "B03": (560, 35), "B04": (665, 30), "B05": (705, 15), "B06": (740, 15),
    "B07": (783, 20), "B08": (842, 115), "B8A": (865, 20), "B11": (1610, 90), "B12": (2190, 180),
}  # fmt: skip
"""Centre and width (Drusch et al. 2012, table 1, DOI 10.1016/j.rse.2011.11.026)."""


def modality_bands(modality: str) -> tuple[Band, ...]:
    """Bands of a modality, one a channel, in the order that `MODALITY_CHANNELS` documents.

    optical is Sentinel-2's B04, B03, B02; ms its ten bands of 10 and 20 m; sar_l2 Sentinel-1's VV and VH; sar_l1 the
    I and then the Q of HH, HV, VH and VV in turn, at the same carrier.

    Raises:
        ValueError: a modality without bands of its own.
    """
    if modality == "optical":
        return tuple(_sentinel2(name) for name in ("B04", "B03", "B02"))
    if modality == "ms":
        return tuple(_sentinel2(name) for name in SENTINEL2_NM)
    if modality == "sar_l2":
        return _radar("VV", "power"), _radar("VH", "power")
    if modality == "sar_l1":
        return tuple(_radar(pair, part) for pair in POLARISATIONS for part in PARTS if part != "power")  # type: ignore[arg-type]
    raise ValueError(
        f"bands are known of optical, sar_l1, sar_l2 and ms, got {modality!r}; give the series its own `bands`"
    )


def _sentinel2(name: str) -> Band:
    wavelength_nm, width_nm = SENTINEL2_NM[name]
    return Band(name=name, wavelength_nm=wavelength_nm, width_nm=width_nm)


def _radar(polarisation: Polarisation, part: Part) -> Band:
    return Band(name=f"{polarisation} {part}", frequency_ghz=C_BAND_GHZ, polarisation=polarisation, part=part)
