"""One candidate of benchmarks/cube.py in a process of its own: a JSON request a line in, its cost a line out."""

import contextlib
import json
import resource
import shutil
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cube_scenes import Stack

TUNED_CHUNK = 2048


def our_codec(dtype):
    from zarr.codecs import BloscCodec

    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=dtype.itemsize)


def limit(stack, target, threads):
    """Decode and encode the same bytes, tile by tile, and nothing else: no warp, no store, no metadata."""
    import numcodecs
    import rasterio
    from numcodecs import Blosc
    from rasterio.windows import Window

    numcodecs.blosc.use_threads = False
    codec = Blosc("zstd", 1, Blosc.BITSHUFFLE)
    local = threading.local()
    target.mkdir()

    def tile(task):
        date, band, row, col = task
        href = stack.href(date, band)
        if getattr(local, "href", None) != href:
            local.href, local.file = href, rasterio.open(href, sharing=False)
        height, width = min(512, stack.size - row), min(512, stack.size - col)
        pixels = local.file.read(1, window=Window(col, row, width, height))
        (target / f"{date}.{band}.{row}.{col}").write_bytes(codec.encode(pixels))

    tasks = [
        (date, band, row, col)
        for date in range(stack.num_dates)
        for band in stack.bands
        for row in range(0, stack.size, 512)
        for col in range(0, stack.size, 512)
    ]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(tile, tasks))


def ours(stack, target, threads, **options):
    """`build_cube` to the last commit, with `valid` and `reason` beside the values."""
    from pipelines.cube import BuildOptions, build_cube

    chosen = BuildOptions(num_threads=threads, **{f"bands_{stack.group}": stack.bands}, **options)
    result = build_cube(stack.scene_set(), stack.grid, target, options=chosen)
    assert {outcome.outcome for outcome in result.outcomes} == {"used"}, result.outcomes


def stackstac_documented(stack, target, threads):
    """`stackstac.stack(items, epsg, resolution, bounds)` as its documentation shows it: float64, chunks of 1024."""
    import stackstac

    grid = stack.grid
    data = stackstac.stack(
        stack.items(), assets=list(stack.bands), epsg=grid.epsg, resolution=grid.resolution, bounds=grid.bounds,
        xy_coords="center",
    )  # fmt: skip
    to_zarr(data, target, threads)


def stackstac_tuned(stack, target, threads, resampling="nearest"):
    """Own dtype, chunks of 2048, no rescaling, our codec."""
    import stackstac
    from rasterio.enums import Resampling

    grid = stack.grid
    data = stackstac.stack(
        stack.items(), assets=list(stack.bands), epsg=grid.epsg, resolution=grid.resolution, bounds=grid.bounds,
        xy_coords="center", dtype=stack.dtype, fill_value=stack.dtype.type(stack.nodata), rescale=False,
        chunksize=TUNED_CHUNK, resampling=Resampling[resampling],
    )  # fmt: skip
    to_zarr(data, target, threads, codec=our_codec(stack.dtype))


def odc_documented(stack, target, threads):
    """`odc.stac.load(items, bands, chunks={"x": 2048, "y": 2048})` as its documentation shows it."""
    import odc.stac

    grid = stack.grid
    data = odc.stac.load(
        stack.items(), bands=list(stack.bands), crs=f"EPSG:{grid.epsg}", resolution=grid.resolution,
        chunks={"x": 2048, "y": 2048}, like=None,
        x=(grid.bounds[0], grid.bounds[2]), y=(grid.bounds[1], grid.bounds[3]),
    )  # fmt: skip
    to_zarr(data, target, threads)


def odc_tuned(stack, target, threads, resampling="nearest"):
    """Exactly the grid, chunks of 2048, own dtype, our codec."""
    import odc.stac
    from odc.geo.geobox import GeoBox

    grid = stack.grid
    geobox = GeoBox((grid.height, grid.width), stack_affine(grid), f"EPSG:{grid.epsg}")
    data = odc.stac.load(
        stack.items(), bands=list(stack.bands), geobox=geobox, resampling=resampling, dtype=stack.dtype.name,
        nodata=stack.nodata, chunks={"x": TUNED_CHUNK, "y": TUNED_CHUNK},
    )  # fmt: skip
    to_zarr(data, target, threads, codec=our_codec(stack.dtype))


def stack_affine(grid):
    from affine import Affine

    return Affine(*grid.transform)


def to_zarr(data, target, threads, codec=None):
    import dask
    import xarray as xr

    data = data.drop_vars([name for name in data.coords if name not in ("time", "band", "x", "y")])
    if isinstance(data, xr.DataArray):
        data = data.to_dataset(name="data")
    for variable in data.variables.values():
        variable.attrs.clear()
        if variable.dtype.kind == "O":
            variable.values = variable.values.astype(str)
    encoding = {name: {"compressors": [codec]} for name in data.data_vars} if codec else {}
    with dask.config.set(scheduler="threads", num_workers=threads):
        data.to_zarr(target, mode="w", zarr_format=3, consolidated=False, encoding=encoding)


def physics_share(stack, target, threads):
    """Seconds of threads within the physics of `build_cube`, by wrapping what converts, flags and merges."""
    from pipelines.cube import source_optical, source_radar, unit_work

    spent = []

    def timed(function):
        def call(*arguments, **named):
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spent.append(time.thread_time() - start)

        return call

    source_optical.OpticalConversion.convert = timed(source_optical.OpticalConversion.convert)
    source_radar.RadarConversion.convert = timed(source_radar.RadarConversion.convert)
    unit_work.usable = timed(unit_work.usable)
    before = time.process_time()
    ours(stack, target, threads)
    return {"physics": sum(spent), "whole": time.process_time() - before}


def memory(stack, target, threads):
    """Peak memory of a build over what importing it costs, in a fresh process."""
    import odc.geo  # noqa: F401
    import rasterio  # noqa: F401

    import pipelines.cube.build
    import pipelines.cube.source
    import pipelines.cube.window_read  # noqa: F401

    before = peak_mb()
    ours(stack, target, threads)
    return {"import_mb": before, "build_mb": peak_mb() - before}


def planning(stack, target, threads):
    """Seconds to plan 2,000 items of 12 bands over a tile of 100 km, as `ringmoe plan` does before it prints.

    Scenes to dates, dates against the cube, bytes, requests, core-seconds and memory, and the units of a date; every
    date has the same ones, and no graph is made of them.
    """
    from dataclasses import replace
    from datetime import timedelta

    from pipelines.cube import BuildOptions
    from pipelines.cube.budget import UNIT_SIDE_PX
    from pipelines.cube.forecast import forecast_cube
    from pipelines.cube.unit import plan_units

    template = stack.scene_set()
    scene, grid = template.scenes[0], replace(stack.grid, width=10980, height=10980)
    names = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
    assets = tuple(replace(scene.assets[0], band=name) for name in names)
    moments = [scene.time + timedelta(days=number) for number in range(2000)]
    scenes = tuple(
        replace(scene, id=f"scene-{number}", time=time, time_start=time, time_end=time, assets=assets)
        for number, time in enumerate(moments)
    )
    scene_set = replace(template, scenes=scenes)
    options = BuildOptions(num_threads=threads, bands_s2=names)
    start, cpu = time.perf_counter(), time.process_time()
    forecast = forecast_cube(scene_set, grid, target, options=options)
    units = plan_units("s2", 0, shape=grid.shape, chunk=options.chunk, side=UNIT_SIDE_PX)
    answer = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    assert forecast.num_units == len(units) * len(scenes), (forecast.num_units, len(units))
    return {**answer, "units": forecast.num_units}


CALLS = {
    call.__name__: call
    for call in (
        limit, ours, stackstac_documented, stackstac_tuned, odc_documented, odc_tuned, physics_share, memory, planning,
    )
}  # fmt: skip


def peak_mb():
    """Peak resident memory of this program; ru_maxrss would begin with that of the process which started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(request):
    stack = Stack(
        kind=request["kind"], folder=Path(request["folder"]), size=request["size"], num_dates=request["num_dates"]
    )
    call = CALLS[request["call"]]
    with tempfile.TemporaryDirectory(dir=request["folder"]) as scratch:
        target = Path(scratch) / "out"
        cpu, wall = spent(), time.perf_counter()
        told = call(stack, target, request["threads"], **request.get("options", {}))
        answer = {"wall": time.perf_counter() - wall, "cpu": spent() - cpu}
        if request.get("check"):
            answer["check"] = checksum(request["call"], target, stack)
        shutil.rmtree(target, ignore_errors=True)
    answer.update(told or {})
    return answer


def checksum(name, target, stack):
    """Mean of the first date and band, so that nobody wins by writing something else."""
    import xarray as xr

    if name == "limit":
        return None
    if name.startswith("ours"):
        from pipelines.cube import open_cube

        cube = open_cube(target, group=stack.group)
        values = cube[{"s2": "reflectance", "s1": "power"}[stack.group]].isel(time=0, band=0).to_numpy()
        return float(np.nanmean(values)) * (1e4 if stack.group == "s2" else 1)
    cube = xr.open_zarr(target, consolidated=False, mask_and_scale=False)
    values = (cube["data"].isel(band=0) if "data" in cube else cube[stack.bands[0]]).isel(time=0).to_numpy()
    values = np.where(values == stack.nodata, np.nan, values.astype("float64"))
    return float(np.nanmean(values))


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr  # a library that prints must not end up among the answers
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            answer = measured(json.loads(line))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
