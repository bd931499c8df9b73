"""Which class reads which benchmark. Named by text, so that a list of names imports none of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from pipelines.training.benchmarks.errors import UnknownBenchmarkError

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.benchmarks.sample import Sample

REGISTRY: Final[dict[str, str]] = {
    "aid": "aid:Aid",
    "air-hsao": "air_video:AirHsaoDataset",
    "air-mot": "air_video:AirMotDataset",
    "air-polsar-seg": "air_polsar_seg:AirPolSarSeg",
    "bigearthnet": "bigearthnet:BigEarthNet",
    "bigearthnet-43": "bigearthnet:BigEarthNet43",
    "bigearthnet-v2": "bigearthnet_v2:BigEarthNetV2",
    "cdd": "cdd:Cdd",
    "dfc23": "dfc23:Dfc23Buildings",
    "dfc23-roofs": "dfc23:Dfc23Roofs",
    "dior": "dior:DiorDataset",
    "dior-r": "dior:DiorRDataset",
    "dynamic-earth-net-planet": "dynamic_earth_net:DynamicEarthNetPlanet",
    "eurosat": "eurosat:EuroSat",
    "eurosat-rgb": "eurosat:EuroSatRgb",
    "geo-bench-bigearthnet": "geo_bench_tasks:GeoBenchBigEarthNet",
    "geo-bench-brick-kiln": "geo_bench_tasks:GeoBenchBrickKiln",
    "geo-bench-cashew-plantation": "geo_bench_tasks:GeoBenchCashew",
    "geo-bench-chesapeake-landcover": "geo_bench_tasks:GeoBenchChesapeake",
    "geo-bench-eurosat": "geo_bench_tasks:GeoBenchEuroSat",
    "geo-bench-forestnet": "geo_bench_tasks:GeoBenchForestNet",
    "geo-bench-neontree": "geo_bench_tasks:GeoBenchNeonTree",
    "geo-bench-nz-cattle": "geo_bench_tasks:GeoBenchNzCattle",
    "geo-bench-pv4ger": "geo_bench_tasks:GeoBenchPv4Ger",
    "geo-bench-pv4ger-seg": "geo_bench_tasks:GeoBenchPv4GerSeg",
    "geo-bench-sa-crop-type": "geo_bench_tasks:GeoBenchSaCropType",
    "geo-bench-so2sat": "geo_bench_tasks:GeoBenchSo2Sat",
    "hrsc2016": "hrsc2016:Hrsc2016Dataset",
    "hrsid": "hrsid:HrsidDataset",
    "isaid": "isaid:Isaid",
    "isaid-few-shot": "isaid:FewShotIsaid",
    "isprs-potsdam": "isprs_potsdam:Potsdam",
    "isprs-potsdam-height": "isprs_potsdam:PotsdamHeight",
    "isprs-vaihingen-height": "isprs_vaihingen:VaihingenHeight",
    "levir-cd": "levir_cd:LevirCd",
    "loveda": "loveda:LoveDa",
    "loveda-few-shot": "loveda:FewShotLoveDa",
    "nwpu-resisc45": "resisc45:Resisc45",
    "nwpu-resisc45-few-shot": "resisc45:FewShotResisc45",
    "oscd": "oscd:Oscd",
    "pangaea-ai4smallfarms": "ai4_small_farms:Ai4SmallFarms",
    "pangaea-crop-type-mapping": "crop_type_mapping:CropTypeMapping",
    "pangaea-five-billion-pixels": "five_billion_pixels:FiveBillionPixels",
    "pangaea-hls-burn-scars": "hls_burn_scars:HlsBurnScars",
    "pangaea-mados": "mados:Mados",
    "pangaea-pastis-r": "pastis_r:PastisR",
    "pangaea-spacenet7": "spacenet7:SpaceNet7",
    "pangaea-spacenet7-change": "spacenet7:SpaceNet7Change",
    "pangaea-xview2": "xview2:XView2",
    "sar-aircraft-1.0": "sar_aircraft:SarAircraftDataset",
    "sarsegl1": "sar_seg_l1:SarSegL1",
    "sen1floods11": "sen1floods11:Sen1Floods11",
    "uc-merced": "uc_merced:UcMerced",
    "uc-merced-few-shot": "uc_merced:FewShotUcMerced",
    "whu-opt-sar": "whu_opt_sar:WhuOptSar",
    "whu-rs19": "whu_rs19:WhuRs19",
    "whu-rs19-few-shot": "whu_rs19:FewShotWhuRs19",
}
"""Name of the benchmark -> module under this package, and class in it: `module:Class`."""


class Benchmark(Protocol):
    """A set opened at one split. Opening checks the layout; samples are read one by one."""

    info: ClassVar[BenchmarkInfo]

    def __init__(self, root: Path, split: str, **options: Any) -> None:
        """Checks that the folder holds the split."""

    def __len__(self) -> int:
        """Number of samples in the split."""

    def __getitem__(self, index: int) -> Sample:
        """Reads one sample; raises SampleError for a file that cannot be used."""


def names() -> tuple[str, ...]:
    """All benchmarks' names, sorted."""
    return tuple(sorted(REGISTRY))


def benchmark_class(name: str) -> type[Benchmark]:
    """The class that reads a benchmark.

    Raises:
        UnknownBenchmarkError: There is none of this name.
    """
    if name not in REGISTRY:
        raise UnknownBenchmarkError(f"benchmark must be one of {list(names())}, got {name!r}; see --list")
    module, _, attribute = REGISTRY[name].partition(":")
    found: type[Benchmark] = getattr(import_module(f"pipelines.training.benchmarks.{module}"), attribute)
    return found


def open_benchmark(name: str, root: Path, split: str, **options: Any) -> Benchmark:
    """A benchmark at one split of the copy under `root`.

    Raises:
        BenchmarkError: No such benchmark, folder or split, or the folder is not laid out as published.
    """
    return benchmark_class(name)(root, split, **options)
