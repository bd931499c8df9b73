"""C-band backscatter of each kind of surface, one table, with its sources.

Sigma0 in dB near 38 degrees of incidence without green cover and under full green cover, then the standard deviation
between parcels and that between the pixels of a parcel, both the same on all dates. Speckle comes on top. Sources:

- Ulaby and Dobson 1989, Handbook of Radar Scattering Statistics for Terrain: C-band means and spreads of soil and rock,
  grasses, shrubs, trees and roads at 35 to 40 degrees.
- Vreugdenhil et al. 2018, Remote Sensing 10 1396, doi:10.3390/rs10091396, and Khabbazan et al. 2019, Remote Sensing 11
  1887, doi:10.3390/rs11161887: Sentinel-1 VV and VH of cereals, rapeseed, maize, beet and grass through the season.
- Dostalova et al. 2018, International Journal of Remote Sensing 39 7738, doi:10.1080/01431161.2018.1479788: forest.
- Martinis and Rieke 2015, Remote Sensing 7 7732, doi:10.3390/rs70607732: water and flooded vegetation.

The values are approximate, in steps of 0.2 dB: chosen within the ranges that the sources report, not copied from a
single table.
"""

from __future__ import annotations

from typing import Final

SIGNATURE_COLUMNS: Final = ("vv_bare", "vv_full", "vh_bare", "vh_full", "spread_db", "grain_db")

SIGNATURES: Final = {
    "deciduous":     (  -9.6,   -9.2,  -14.6,  -14.6,  0.6,  1.2),
    "conifer":       ( -10.0,   -9.8,  -15.2,  -15.2,  0.6,  1.2),
    "shrub":         ( -10.8,  -10.4,  -16.8,  -16.2,  1.0,  1.2),
    "meadow":        ( -12.8,  -13.2,  -19.6,  -19.2,  1.0,  1.2),
    "pasture":       ( -12.8,  -13.0,  -19.4,  -19.0,  1.0,  1.2),
    "rough_grass":   ( -11.8,  -11.8,  -18.4,  -17.6,  1.0,  1.2),
    "winter_cereal": ( -10.8,  -14.0,  -18.6,  -19.4,  1.0,  1.2),
    "spring_cereal": ( -10.8,  -13.4,  -18.8,  -18.8,  1.0,  1.2),
    "rapeseed":      ( -10.8,  -10.0,  -18.6,  -14.6,  1.0,  1.2),
    "maize":         ( -11.0,   -9.8,  -18.8,  -15.4,  1.0,  1.2),
    "root_crop":     ( -10.8,   -9.4,  -18.6,  -14.8,  1.0,  1.2),
    "ley":           ( -12.0,  -12.2,  -19.0,  -17.8,  1.0,  1.2),
    "concrete_roof": (  -4.5,   -6.0,  -12.0,  -13.0,  1.5,  3.2),
    "metal_roof":    (  -4.0,   -6.0,  -12.0,  -13.0,  2.0,  3.5),
    "tile_roof":     (  -5.0,   -6.5,  -12.2,  -13.0,  1.5,  3.2),
    "dark_roof":     (  -5.5,   -7.0,  -12.8,  -13.5,  1.5,  3.2),
    "asphalt":       ( -13.0,  -13.0,  -20.5,  -20.0,  1.0,  2.0),
    "bare_loam":     ( -11.8,  -12.0,  -20.4,  -19.0,  1.4,  1.2),
    "bare_sand":     ( -14.0,  -13.0,  -22.0,  -20.0,  1.4,  1.2),
    "gravel":        ( -11.8,  -12.2,  -20.0,  -19.0,  1.6,  1.8),
    "clear_water":   ( -19.0,  -14.0,  -27.0,  -21.0,  0.3,  0.4),
    "turbid_water":  ( -18.5,  -14.0,  -26.5,  -21.0,  0.3,  0.4),
    "weedy_water":   ( -18.0,  -12.5,  -26.0,  -19.5,  1.0,  1.2),
    "reed":          ( -11.0,   -9.8,  -18.6,  -16.8,  1.2,  1.8),
    "sedge":         ( -10.4,  -10.2,  -18.2,  -17.4,  1.2,  1.6),
    "mud":           ( -13.5,  -12.5,  -22.0,  -19.5,  1.4,  1.6),
}  # fmt: skip
"""By kind, in the order of `SIGNATURE_COLUMNS`."""
