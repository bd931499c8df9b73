"""Benchmarks in their authors' own formats, read one sample at a time."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.benchmarks.errors import BenchmarkError, SampleError
    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.benchmarks.registry import Benchmark, benchmark_class, names, open_benchmark
    from pipelines.training.benchmarks.sample import BenchmarkImage, Sample

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "BenchmarkImage",
    "BenchmarkInfo",
    "Sample",
    "SampleError",
    "benchmark_class",
    "names",
    "open_benchmark",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["BenchmarkError", "SampleError"],
        "info": ["BenchmarkInfo"],
        "registry": ["Benchmark", "benchmark_class", "names", "open_benchmark"],
        "sample": ["BenchmarkImage", "Sample"],
    },
)
