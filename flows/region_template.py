"""The commented region that `ringmoe init` writes."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
# A region of RingMoE Datacube. `ringmoe plan` shows what it asks for, `ringmoe run` does it.
# Relative paths are relative to this file. Unknown keys are refused. `ringmoe schema` prints the JSON Schema.

name: haspengouw

# One of three forms:
#   {crs: "EPSG:32631", bounds: [x_min, y_min, x_max, y_max]}    metres, snapped outward to the resolution
#   {bbox: [west, south, east, north]}                           degrees; crs defaults to the UTM zone of the centre
#   {geojson: path/to/area.geojson}                              degrees; its bounds are taken
area: {bbox: [5.319, 50.629, 5.333, 50.638]}
resolution: 10                                   # metres

time: {start: 2020-11-01, end: 2021-11-01}       # UTC; end is excluded

# catalog: path of a static catalog.json, a provider's name (earth-search, planetary-computer, cdse),
# or the https root of a STAC API; `ringmoe catalog` makes one of a folder of GeoTIFFs.
# Sentinel-1 must be calibrated (power, dB or amplitude); either sensor works without the other.
sources:
  - {catalog: earth-search, collections: [sentinel-2-l2a]}

products: [land-cover, change]
output: out/haspengouw

# Everything below is optional; the values are the defaults.
# store: null                      # s3://bucket/prefix: the cube lies there, credentials come from the environment
# scenes: null                     # scenes.parquet of an earlier run: it answers and nothing is searched
# completeness: {second_catalog: null}           # another catalogue that the sources are held against
# max_cloud_cover: null            # percent; cloudier Sentinel-2 scenes are skipped as too_cloudy
# bands: {s2: null, s1: null}      # e.g. {s2: [B02, B03, B04, B08], s1: [VV, VH]}; null takes what the model knows
# cube: {chunk: 512}               # edge of a stored chunk, pixels; cluster, memory, retries: see docs/region.md
# radiometry: {on_contradiction: quarantine}     # or pixels, or metadata: scenes whose pixels contradict their metadata
# nbar: false                      # reflectance as seen from the nadir
# bandpass: false                  # Sentinel-2 reflectance in the bands of Landsat 8 OLI
# grd: {coefficient: sigma0, noise: remove}      # of Sentinel-1 GRD: or gamma0, beta0 (on the ellipsoid), noise: keep
# speckle: null                    # e.g. {filter: refined-lee, window: 7, looks: 4.4}; or lee, frost, gamma-map
# mask: {buffer_m: 0, shadow_buffer_m: 0, cloud_probability: null, probability_replaces: false}   # margins, metres
# coregister: null                 # e.g. {action: gate, max_shift_m: 5}; or measure, correct
# composite: null                  # e.g. {period: month, method: median}; or medoid, best-pixel, first-valid, mean
# inference: {weights: nano, window: 128, stride: 96, chunk: 512, group: 4}
# land_cover: {min_confidence: 0}  # percent; less sure pixels get no class
# change: {threshold: null, min_area_px: 1}      # null takes the threshold that the checkpoint was validated with
# max_novelty: null                # e.g. 99: percent; no class where a place is more unlike the weights' training
# budget: null                     # e.g. {time: 2h, read: 50GB, memory: 8GB}: a run foreseen to need more is refused
# workers: 2                       # threads that read and that run the model
"""
