"""What each kind of surface scatters at C band in full polarisation, one table, with its sources.

Span is the sum of the sigma0 of HH, VV and twice HV, in dB near 38 degrees of incidence. `bare` is the state without
green cover, `full` that under full green cover; the pixel's state lies between by its green fraction. Shares of double
bounce and of volume are of the span, the surface has the rest. Sources:

- the VV and VH levels of `pipelines.simulate.signatures` and what they cite; HH lies within 1.5 dB of VV on vegetation
  and 1 to 4 dB below it on smooth soil and water (Ulaby and Dobson 1989);
- shares: Freeman and Durden 1998, doi:10.1109/36.673687 (C band: volume leads in forest, surface on soil and water,
  double bounce in cities), Brisco et al. 2011, doi:10.5589/m11-017 (flooded reed and sedge: double bounce beside
  volume);
- roughness: Hajnsek et al. 2003, doi:10.1109/TGRS.2003.810702 (beta below 30 degrees on smooth, to 60 on tilled soil);
- permittivity: Hallikainen et al. 1985, doi:10.1109/TGRS.1985.289497 (soil, 3 dry to 30 saturated), Meissner and Wentz
  2004 (fresh water some 65 real at 5.4 GHz), ITU-R P.2040 (concrete 5 to 6, brick 4);
- texture: order nu of K-distributed power at this resolution (Jao 1984; Oliver and Quegan 1998, chapter 5: fields
  20 and more, woods 5 to 15, towns 1 to 2);
- coherence time: Jacob et al. 2020, doi:10.1109/JSTARS.2020.2974791 (Sentinel-1 at 12 days: towns 0.7 to 0.9, bare
  soil 0.5, grass and crops 0.2 to 0.4, forest 0.1, water none), as exp(-days / time).

The values are approximate: chosen within the ranges that the sources report, not copied from a single table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipelines.simulate.kinds import KIND_NAMES

if TYPE_CHECKING:
    from pipelines.simulate.slc.mechanisms import VolumeShape


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadSignature:
    """How one kind of surface scatters."""

    bare_db: float
    full_db: float
    bare_double: float
    bare_volume: float
    full_double: float
    full_volume: float
    volume: VolumeShape
    permittivity: float
    """Of the ground at a saturation of 0.4; soils move with moisture, see `MOIST_PERMITTIVITY`."""

    upright_permittivity: float
    roughness_deg: float
    texture_order: float
    """nu of the gamma distributed texture, same at all dates."""

    coherence_days: float
    spread_db: float
    """Standard deviation of the span between parcels."""

    grain_db: float
    """And between the pixels of a parcel."""


_ROWS: Final = {
    #                 bare   full   double/volume   full        volume        eps  upright beta  nu  days spread grain
    "deciduous":     ( -5.2,  -4.8, 0.12, 0.70,  0.08, 0.80, "random",      14.0, 18.0, 40.0, 10.0,   5.0, 0.8, 0.8),
    "conifer":       ( -5.6,  -5.2, 0.12, 0.72,  0.10, 0.78, "random",      14.0, 18.0, 40.0, 10.0,   6.0, 0.8, 0.8),
    "shrub":         ( -7.6,  -7.0, 0.08, 0.46,  0.06, 0.60, "random",      12.0, 18.0, 40.0,  8.0,   8.0, 1.0, 0.9),
    "meadow":        (-10.4, -10.2, 0.03, 0.30,  0.03, 0.44, "vertical",    14.0, 18.0, 26.0, 30.0,  10.0, 0.9, 0.8),
    "pasture":       (-10.4, -10.4, 0.03, 0.28,  0.03, 0.40, "vertical",    14.0, 18.0, 28.0, 30.0,  11.0, 0.9, 0.8),
    "rough_grass":   ( -9.6,  -9.4, 0.04, 0.34,  0.04, 0.48, "vertical",    13.0, 18.0, 32.0, 20.0,  11.0, 1.0, 0.9),
    "winter_cereal": ( -7.2,  -8.6, 0.03, 0.18,  0.24, 0.40, "horizontal",  14.0, 20.0, 48.0, 30.0,   8.0, 0.9, 0.8),
    "spring_cereal": ( -7.2,  -8.2, 0.02, 0.16,  0.22, 0.42, "horizontal",  14.0, 20.0, 48.0, 30.0,   8.0, 0.9, 0.8),
    "rapeseed":      ( -7.2,  -6.0, 0.02, 0.16,  0.08, 0.66, "horizontal",  14.0, 20.0, 48.0, 25.0,   8.0, 0.9, 0.8),
    "maize":         ( -7.2,  -6.2, 0.02, 0.14,  0.20, 0.46, "horizontal",  14.0, 20.0, 50.0, 25.0,   8.0, 0.9, 0.8),
    "root_crop":     ( -7.2,  -6.2, 0.02, 0.16,  0.06, 0.56, "horizontal",  14.0, 20.0, 50.0, 25.0,   8.0, 0.9, 0.8),
    "ley":           ( -9.2,  -9.0, 0.03, 0.26,  0.04, 0.44, "random",      14.0, 18.0, 38.0, 30.0,  10.0, 1.0, 0.9),
    "concrete_roof": (  0.0,  -2.2, 0.50, 0.24,  0.40, 0.36, "random",       5.0,  6.0, 20.0,  1.6, 110.0, 1.4, 2.4),
    "metal_roof":    (  0.6,  -2.2, 0.54, 0.20,  0.44, 0.34, "random",       5.0,  8.0, 16.0,  1.4, 120.0, 1.6, 2.6),
    "tile_roof":     ( -0.6,  -2.6, 0.44, 0.30,  0.36, 0.42, "random",       5.0,  5.0, 24.0,  1.8, 100.0, 1.4, 2.4),
    "dark_roof":     ( -1.0,  -3.0, 0.40, 0.30,  0.34, 0.42, "random",       5.0,  5.0, 24.0,  1.8, 100.0, 1.4, 2.4),
    "asphalt":       (-10.6, -10.2, 0.12, 0.12,  0.10, 0.30, "random",       5.0,  6.0, 16.0,  4.0,  40.0, 1.2, 1.4),
    "bare_loam":     (-10.2,  -9.8, 0.02, 0.06,  0.02, 0.20, "random",       7.0, 16.0, 22.0, 30.0,  18.0, 1.0, 0.8),
    "bare_sand":     (-12.0, -11.0, 0.02, 0.05,  0.02, 0.20, "random",       4.0, 16.0, 16.0, 30.0,  26.0, 1.0, 0.8),
    "gravel":        ( -9.6,  -9.4, 0.06, 0.10,  0.06, 0.24, "random",       5.0,  6.0, 30.0,  6.0,  60.0, 1.2, 1.2),
    "clear_water":   (-16.0, -11.0, 0.01, 0.03,  0.02, 0.30, "random",      65.0, 18.0, 12.0, 50.0,   0.4, 1.2, 0.6),
    "turbid_water":  (-15.4, -11.0, 0.01, 0.04,  0.02, 0.30, "random",      65.0, 18.0, 14.0, 50.0,   0.4, 1.2, 0.6),
    "weedy_water":   (-14.0,  -9.6, 0.04, 0.12,  0.16, 0.40, "vertical",    65.0, 20.0, 20.0, 20.0,   3.0, 1.2, 1.0),
    "reed":          ( -5.6,  -5.0, 0.54, 0.18,  0.46, 0.28, "vertical",    65.0, 20.0, 26.0, 10.0,  12.0, 0.8, 0.8),
    "sedge":         ( -5.8,  -5.2, 0.44, 0.22,  0.38, 0.32, "vertical",    40.0, 20.0, 30.0, 10.0,  12.0, 0.8, 0.8),
    "mud":           (-10.8, -10.4, 0.02, 0.10,  0.04, 0.28, "random",      28.0, 18.0, 24.0, 30.0,  10.0, 1.2, 1.0),
}  # fmt: skip

_FIELDS: Final = (
    "bare_db", "full_db", "bare_double", "bare_volume", "full_double", "full_volume", "volume", "permittivity",
    "upright_permittivity", "roughness_deg", "texture_order", "coherence_days", "spread_db", "grain_db",
)  # fmt: skip

QUAD_SIGNATURES: Final = tuple(
    QuadSignature(**dict(zip(_FIELDS, _ROWS[name], strict=True)))  # type: ignore[arg-type]
    for name in KIND_NAMES
)
"""In the order of `pipelines.simulate.kinds.KINDS`."""
