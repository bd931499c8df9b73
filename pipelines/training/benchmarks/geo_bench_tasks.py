"""The twelve sets of GEO-Bench: classes, arrays and units, as its converters define them."""

from __future__ import annotations

from typing import Final

from pipelines.training.benchmarks.bigearthnet_classes import CLASSES_43
from pipelines.training.benchmarks.eurosat import CLASSES as EUROSAT_CLASSES
from pipelines.training.benchmarks.eurosat import MS_BANDS
from pipelines.training.benchmarks.geo_bench import GeoBench
from pipelines.training.benchmarks.image_format import RGB, ImageFormat
from pipelines.training.benchmarks.info import BenchmarkInfo, Task
from pipelines.training.benchmarks.measures import CLASSIFICATION, MULTI_LABEL, SEGMENTATION

S2_ARRAYS: Final = (
    "01 - Coastal aerosol",
    "02 - Blue",
    "03 - Green",
    "04 - Red",
    "05 - Vegetation Red Edge",
    "06 - Vegetation Red Edge",
    "07 - Vegetation Red Edge",
    "08 - NIR",
    "08A - Vegetation Red Edge",
    "09 - Water vapour",
    "10 - SWIR - Cirrus",
    "11 - SWIR",
    "12 - SWIR",
)
S2_BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
RGB_ARRAYS: Final = ("Red", "Green", "Blue")

EIGHT_BITS: Final = 255.0
"""Of pictures that the converters widened to 16 bits."""

LOCAL_CLIMATE_ZONES: Final = (
    "Compact high rise",
    "Compact mid rise",
    "Compact low rise",
    "Open high rise",
    "Open mid rise",
    "Open low rise",
    "Lightweight low rise",
    "Large low rise",
    "Sparsely built",
    "Heavy industry",
    "Dense trees",
    "Scattered trees",
    "Bush, scrub",
    "Low plants",
    "Bare rock or paved",
    "Bare soil or sand",
    "Water",
)
"""Of So2Sat LCZ42."""

FORESTNET: Final = (
    "Oil palm plantation",
    "Timber plantation",
    "Other large-scale plantations",
    "Grassland shrubland",
    "Small-scale agriculture",
    "Small-scale mixed plantation",
    "Small-scale oil palm plantation",
    "Mining",
    "Fish pond",
    "Logging",
    "Secondary forest",
    "Other",
)
CHESAPEAKE: Final = (
    "water",
    "tree-canopy-forest",
    "low-vegetation-field",
    "barren-land",
    "impervious-other",
    "impervious-roads",
    "no-data",
)
CASHEW: Final = (
    "no data",
    "well-managed plantation",
    "poorly-managed plantation",
    "non-plantation",
    "residential",
    "background",
    "uncertain",
)
SOUTH_AFRICA: Final = (
    "No Data",
    "Lucerne/Medics",
    "Planted pastures (perennial)",
    "Fallow",
    "Wine grapes",
    "Weeds",
    "Small grain grazing",
    "Wheat",
    "Canola",
    "Rooibos",
)

METRICS: Final = {"classification": CLASSIFICATION, "multi_label": MULTI_LABEL, "segmentation": SEGMENTATION}

REFLECTANCE: Final = 1e-4
"""Stored value to reflectance of the sets that keep Sentinel-2's numbers."""


def info(folder: str, title: str, task: Task, classes: tuple[str, ...]) -> BenchmarkInfo:
    """Facts of one set."""
    kind = "segmentation" if task == "segmentation" else "classification"
    labels = {"classification": "label_map.json", "multi_label": "label_stats.json"}.get(task, "label_stats.json")
    return BenchmarkInfo(
        name=f"geo-bench-{folder.removeprefix('m-').lower()}",
        title=f"GEO-Bench {folder} ({title})",
        task=task,
        classes=classes,
        splits=("train", "valid", "test"),
        metrics=METRICS[task],
        home="https://huggingface.co/datasets/recursix/geo-bench-1.0",
        licence="that of the source set; see the benchmark's paper, table 2",
        layout=f"""\
geobench/
  {kind}_v1.0/{folder}/default_partition.json, 0.01x_train_partition.json, ..., {labels}
  {kind}_v1.0/{folder}/id_0000.hdf5 ...    (task_specs.pkl and the pickled attributes are never opened)""",
        citation="Lacoste et al.: GEO-Bench: Toward Foundation Models for Earth Monitoring, NeurIPS 2023",
    )


class GeoBenchEuroSat(GeoBench):
    """The converter named the 13 layers in the order of Sentinel-2, while EuroSAT keeps B8A last.

    So the array "08A" holds B09, "09" B10, "10" B11, "11" B12 and "12" B8A; published means of the arrays agree (12 for
    "09", as of the cirrus band). Bands are named here by what they hold.
    """

    info = info("m-eurosat", "land use", "classification", EUROSAT_CLASSES)
    folder = "m-eurosat"
    arrays = S2_ARRAYS
    form = ImageFormat(bands=MS_BANDS, modality="ms", unit="reflectance", scale=REFLECTANCE, gsd_m=10.0)


class GeoBenchBigEarthNet(GeoBench):
    """43 classes; B10 is none of level 2A."""

    info = info("m-bigearthnet", "land cover", "multi_label", CLASSES_43)
    folder = "m-bigearthnet"
    arrays = (*S2_ARRAYS[:10], *S2_ARRAYS[11:])
    form = ImageFormat(
        bands=(*S2_BANDS[:10], *S2_BANDS[11:]), modality="ms", unit="reflectance", scale=REFLECTANCE, gsd_m=10.0
    )


class GeoBenchSo2Sat(GeoBench):
    """The ten bands of Sentinel-2, as reflectance; the eight layers of Sentinel-1 are left out."""

    info = info("m-so2sat", "local climate zones", "classification", LOCAL_CLIMATE_ZONES)
    folder = "m-so2sat"
    arrays = (*S2_ARRAYS[1:9], *S2_ARRAYS[11:])
    form = ImageFormat(bands=(*S2_BANDS[1:9], *S2_BANDS[11:]), modality="ms", unit="reflectance", gsd_m=10.0)


class GeoBenchBrickKiln(GeoBench):
    """Sentinel-2 composites of Bangladesh: eight bands; published means of the other five do not fit their names."""

    info = info("m-brick-kiln", "brick kilns", "classification", ("not brick kiln", "brick kiln"))
    folder = "m-brick-kiln"
    arrays = S2_ARRAYS[:8]
    form = ImageFormat(bands=S2_BANDS[:8], modality="ms", unit="reflectance", scale=REFLECTANCE, gsd_m=10.0)


class GeoBenchForestNet(GeoBench):
    """Landsat 8 in 8 bits, as ForestNet stretches it."""

    info = info("m-forestnet", "drivers of forest loss", "classification", FORESTNET)
    folder = "m-forestnet"
    arrays = ("04 - Red", "03 - Green", "02 - Blue", "05 - NIR", "06 - SWIR1", "07 - SWIR2")
    form = ImageFormat(
        bands=(*RGB, "nir", "swir1", "swir2"), modality="ms", unit="digital_number", gsd_m=15.0, peak=EIGHT_BITS
    )


class GeoBenchPv4Ger(GeoBench):
    """Aerial photographs of Germany."""

    info = info("m-pv4ger", "solar panels", "classification", ("no solar pv", "solar pv"))
    folder = "m-pv4ger"
    arrays = RGB_ARRAYS
    form = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.1, peak=EIGHT_BITS)


class GeoBenchPv4GerSeg(GeoBench):
    """Aerial photographs of Germany."""

    info = info("m-pv4ger-seg", "solar panels", "segmentation", ("no solar pv", "solar pv"))
    folder = "m-pv4ger-seg"
    arrays = RGB_ARRAYS
    form = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.1, peak=EIGHT_BITS)


class GeoBenchChesapeake(GeoBench):
    """NAIP, from 0 to 1; the class no-data counts, as it does in the benchmark."""

    info = info("m-chesapeake-landcover", "land cover", "segmentation", CHESAPEAKE)
    folder = "m-chesapeake-landcover"
    arrays = (*RGB_ARRAYS, "NearInfrared")
    form = ImageFormat(bands=(*RGB, "nir"), modality="ms", unit="digital_number", gsd_m=1.0, peak=1.0)


class GeoBenchCashew(GeoBench):
    """Sentinel-2 level 2A in Benin."""

    info = info("m-cashew-plantation", "cashew plantations", "segmentation", CASHEW)
    folder = "m-cashew-plantation"
    arrays = (*S2_ARRAYS[:10], *S2_ARRAYS[11:])
    form = ImageFormat(
        bands=(*S2_BANDS[:10], *S2_BANDS[11:]), modality="ms", unit="reflectance", scale=REFLECTANCE, gsd_m=10.0
    )


class GeoBenchSaCropType(GeoBench):
    """Sentinel-2 in 8 bits, whose scale its source does not state."""

    info = info("m-SA-crop-type", "crops of South Africa", "segmentation", SOUTH_AFRICA)
    folder = "m-SA-crop-type"
    arrays = (*S2_ARRAYS[:10], *S2_ARRAYS[11:])
    form = ImageFormat(
        bands=(*S2_BANDS[:10], *S2_BANDS[11:]), modality="ms", unit="digital_number", gsd_m=10.0, peak=EIGHT_BITS
    )


class GeoBenchNzCattle(GeoBench):
    """Aerial photographs of New Zealand."""

    info = info("m-nz-cattle", "cattle", "segmentation", ("no cattle", "cattle"))
    folder = "m-nz-cattle"
    arrays = RGB_ARRAYS
    form = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.1, peak=EIGHT_BITS)


class GeoBenchNeonTree(GeoBench):
    """Aerial photographs; canopy heights and the spectrometer are left out."""

    info = info("m-NeonTree", "trees", "segmentation", ("no tree", "tree"))
    folder = "m-NeonTree"
    arrays = RGB_ARRAYS
    form = ImageFormat(bands=RGB, modality="optical", unit="digital_number", gsd_m=0.1, peak=EIGHT_BITS)
