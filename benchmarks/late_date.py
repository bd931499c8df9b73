"""What a late date costs: the dates after it move, as stored bytes or, as it once was, decoded and encoded again.

    python benchmarks/late_date.py                                   # in a temporary folder
    python benchmarks/late_date.py --uri s3://bucket/prefix          # where a new cube may be made, deleted afterwards

The images are like Sentinel-2: smooth fields with noise, int16, ten bands, chunks of 512 px.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.ndimage

from catalogs import load_sensor
from pipelines.cube.chunk_bytes import copy_date
from pipelines.cube.encoding import compressor
from pipelines.cube.fields import image_fields
from pipelines.cube.group import GroupTemplate, array_of, create_group, make_room
from pipelines.cube.maintenance import delete_store
from pipelines.cube.store import create_store
from pipelines.cube.usage import disk_usage
from pipelines.grid import TargetGrid

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
CHUNK = 512


def image(side, rng):
    """(y, x) int16: hills of reflectance with the sensor's noise on top."""
    rough = rng.normal(size=(side // 32 + 1, side // 32 + 1))
    smooth = scipy.ndimage.zoom(rough, 32, order=1)[:side, :side]
    return np.clip(2000 + 600 * smooth + rng.normal(scale=25, size=(side, side)), 1, 10000).astype("int16")


def fill(group, dates, side, rng):
    """Writes so many dates; returns nothing."""
    plane = image(side, rng)
    for name in image_fields("s2"):
        array = array_of(group, name)
        array.resize((dates, *array.shape[1:]))
        for date in range(dates):
            if name == "reflectance":
                for band in range(len(BANDS)):
                    array[date, band] = np.roll(plane, (37 * date, 101 * band), (0, 1))
            else:
                array[date] = (plane % 7 > 0) if name == "valid" else (plane % 11 < 3).astype("uint16")


def seconds(work):
    """Returns how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def status_kb(name):
    """Returns a figure of this process' memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def decode_and_encode(group, old, new):
    """The way that it was done: row of chunks by row of chunks through numpy."""
    for name in image_fields("s2"):
        array = array_of(group, name)
        for row in range(0, array.shape[-2], array.chunks[-2]):
            part = slice(row, row + array.chunks[-2])
            array[new, ..., part, :] = array[old, ..., part, :]


def copy_bytes(group, old, new):
    """The way that it is done."""
    for name in image_fields("s2"):
        copy_date(array_of(group, name), old, array_of(group, name), new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", help="Where to make the cube; it is deleted afterwards.")
    parser.add_argument("--side", type=int, default=2048, help="Pixels.")
    parser.add_argument("--dates", type=int, default=6, help="Dates that move.")
    parser.add_argument("--json", action="store_true", help="One object on one line.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = chosen.uri or str(Path(folder) / "cube")
        told = measure(uri, chosen.side, chosen.dates)
        delete_store(uri, do_it=True)
    if chosen.json:
        print(json.dumps(told))
    else:
        print("\n".join(f"{name:24} {value}" for name, value in told.items()))


def measure(uri, side, dates):
    """Returns the figures."""
    rng = np.random.default_rng(0)
    store = create_store(uri)
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=600000.0, y_max=5700000.0, width=side, height=side)
    sensor = load_sensor("sentinel-2-msi")
    with store.run("late-date") as run:
        draft = run.begin()
        bands = tuple(sensor.band(band) for band in BANDS)
        group = create_group(draft.root, GroupTemplate(name="s2", grid=grid, bands=bands, chunk=CHUNK, title="dates"))
        fill(group, dates, side, rng)
        draft.publish("dates", {})
        stored = sum(disk_usage(uri).arrays["s2"][name] for name in image_fields("s2")) / dates
        pairs = [(copy_bytes, []), (decode_and_encode, [])]
        for _ in range(3):
            for way, times in pairs:  # in turns, so that both see the same machine
                group = run.begin().root["s2"]
                times.append(
                    seconds(lambda way=way, group=group: [way(group, old, dates - 1 - old) for old in range(2)]) / 2
                )
        draft = run.begin()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = status_kb("VmRSS")
        whole = seconds(lambda: make_room(draft.root["s2"], (None, *range(dates))))
        grown = status_kb("VmHWM") - before
    (_, bytes_s), (_, pixels_s) = pairs
    return {
        "pixels a band": f"{side} x {side}, {len(BANDS)} bands, {compressor(np.dtype('int16')).cname.value}",
        "stored MB a date": round(stored / 1e6, 1),
        "bytes, s a date": round(min(bytes_s), 3),
        "decoded, s a date": round(min(pixels_s), 3),
        "times faster": round(min(pixels_s) / min(bytes_s), 2),
        "dates moved": dates,
        "a late date moves them in s": round(whole, 2),
        "peak memory grows by MB": round(grown / 1024, 1),
    }


if __name__ == "__main__":
    main()
