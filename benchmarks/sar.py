"""Radar statistics next to theory, and what a speckle filter costs.

    python benchmarks/sar.py [--json] [--data ../shared/data] [--size 2048]

Simulated L-look power (Gamma, planted seed, four million samples) gives looks and the first three log-cumulants beside
theory. The real crops, where --data holds them, give the same with the window they were taken in, beside the theory of
one look. Filters run on one core over size x size pixels of 4.4 looks with the mean and the looks that they leave; the
mean of the filtered power is to be that of the input.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np

from pipelines.physics.sar_statistics import (
    equivalent_looks,
    gamma_log_cumulants,
    log_cumulants,
    looks_of_log_variance,
    robust_looks,
)
from pipelines.physics.slc import coherence, coherence_without_signal, multilook, power_of
from pipelines.physics.speckle import Speckle, despeckle
from pipelines.physics.window import Window

SAMPLE = 4_000_000
SEED = 20260101
MEAN = 0.05
LOOKS = (1.0, 4.4, 20.0)
FILTERS = ("lee", "refined-lee", "frost", "gamma-map")


def row(name, ours, unit, theory=None):
    found = {"name": name, "ours": round(float(ours), 5), "unit": unit}
    if theory is not None:
        found |= {"theory": round(float(theory), 5), "error": round(float(ours / theory - 1), 5)}
    return found


def simulated():
    for looks in LOOKS:
        power = np.random.default_rng(SEED).gamma(looks, MEAN / looks, SAMPLE)
        found, theory = log_cumulants(power), gamma_log_cumulants(looks, MEAN)
        yield row(f"simulated {looks:g} looks, ENL", equivalent_looks(power), "looks", looks)
        for name in ("k1", "k2", "k3"):
            yield row(f"simulated {looks:g} looks, {name}", getattr(found, name), "nepers", getattr(theory, name))


def amsterdam(folder):
    import zarr

    def read(date, tag):
        group = zarr.open_group(folder / "slc/amsterdam" / f"{date}-coreg.znap", mode="r", zarr_format=2)
        return (group[f"i_VV_{tag}"][:] + 1j * group[f"q_VV_{tag}"][:]).astype("complex64")

    return read("20230319", "19Mar2023"), read("20230331", "31Mar2023")


def winnipeg(folder):
    import rasterio
    import rasterio.errors

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(f"HDF5:{folder}/slc/winnipeg.h5://science/LSAR/SLC/swaths/frequencyA/HH") as file:
            return file.read(1)[125:]


def real(folder):
    pair, fields = amsterdam(folder), winnipeg(folder)
    window = Window(height=5, width=15)
    magnitude = abs(coherence(*pair, window).value)
    yield row("Amsterdam pair, mean coherence, 5 x 15 window", magnitude.mean(), "1")
    yield row("nothing in common, mean coherence, 5 x 15 independent pixels", coherence_without_signal(75), "1")
    one = gamma_log_cumulants(1.0)
    for place, slc in (("Amsterdam 2023-03-19", pair[0]), ("Winnipeg, lower half", fields)):
        power = power_of(slc)
        shape = f"{power.shape[0]} x {power.shape[1]}"
        found = log_cumulants(power)
        yield row(f"{place}, ENL, {shape} window", equivalent_looks(power), "looks", 1.0)
        yield row(f"{place}, most common ENL, 15 x 15 windows", robust_looks(power, 15), "looks", 1.0)
        yield row(f"{place}, k2, {shape} window", found.k2, "nepers", one.k2)
        yield row(f"{place}, k3, {shape} window", found.k3, "nepers", one.k3)
        yield row(
            f"{place}, k1 less ln mean, {shape} window",
            found.k1 - np.log(power.mean(dtype=np.float64)),
            "nepers",
            one.k1,
        )
        yield row(f"{place}, looks of k2", looks_of_log_variance(found.k2), "looks", 1.0)
        looked = multilook(power, azimuth=1, range_=4)
        yield row(
            f"{place}, most common ENL of 1 x 4 looks, 9 x 9 windows", robust_looks(looked.power, 9), "looks", 4.0
        )


def filters(size):
    power = np.random.default_rng(SEED).gamma(4.4, MEAN / 4.4, (size, size)).astype("float32")
    for name in FILTERS:
        speckle = Speckle(filter=name)
        seconds = []
        for _ in range(3):
            start = time.process_time()
            filtered = despeckle(power, speckle)
            seconds.append(time.process_time() - start)
        yield row(f"{name}, 7 x 7, one core", power.size / min(seconds) / 1e6, "Mpx/s")
        yield row(f"{name}, mean kept", filtered.mean(dtype=np.float64) / power.mean(dtype=np.float64), "1", 1.0)
        yield row(f"{name}, ENL after, from 4.4", equivalent_looks(filtered), "looks")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--size", type=int, default=2048)
    options = parser.parse_args()
    rows = [*simulated()]
    if (options.data / "slc").is_dir():
        rows += real(options.data)
    else:
        print(f"no real crops at {options.data}/slc: left out")
    for entry in [*rows, *filters(options.size)]:
        if options.json:
            print(json.dumps(entry))
        else:
            beside = f"   theory {entry['theory']:g}, off by {entry['error']:+.2%}" if "theory" in entry else ""
            print(f"{entry['name']}: {entry['ours']:g} {entry['unit']}{beside}")


if __name__ == "__main__":
    main()
