"""A real pair of complex radar images 12 days apart: what coherence tells of change, and what brightness tells.

    python benchmarks/real_sets_pair.py --data FOLDER_WITH_slc [--json]

Sentinel-1 over Amsterdam, 84 x 338 pixels, no truth: description, not accuracy. Both measures use a window of 5 x 15
pixels and its L independent ones. Brightness is the log ratio of mean power, beyond the bounds that 1 % of pixels would
pass were nothing changed: the ratio of two independent Gamma means of L looks is F(2 L, 2 L). Loss of coherence is a
magnitude below what 99 % of pixels with nothing in common stay under: P(d < x) = 1 - (1 - x^2)^(L - 1) (Touzi et al.
1999, doi:10.1109/36.739146).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import zarr
from scipy import stats

from pipelines.physics.slc import coherence, coherence_without_signal, power_of
from pipelines.physics.window import Window, window_sum

WINDOW = Window(height=5, width=15)
RATE = 0.01
LOOKS = WINDOW.height * WINDOW.width * (2.3 / 3.1) * (14.1 / 22.0)
"""Pixel spacing over resolution, range and azimuth, IW SLC (Sentinel-1 product definition, S1-RS-MDA-52-7440)."""


def read(folder, date, tag):
    group = zarr.open_group(folder / "slc/amsterdam" / f"{date}-coreg.znap", mode="r", zarr_format=2)
    return (group[f"i_VV_{tag}"][:] + 1j * group[f"q_VV_{tag}"][:]).astype("complex64")


def mean_power(image):
    return window_sum(power_of(image).astype(np.float64), WINDOW) / window_sum(np.ones(image.shape), WINDOW)


def figures(first, second):
    magnitude = np.abs(coherence(first, second, WINDOW).value)
    before, after = mean_power(first), mean_power(second)
    bound = np.log(stats.f.ppf(1 - RATE / 2, 2 * LOOKS, 2 * LOOKS))
    brighter = np.abs(np.log(after / before)) > bound
    lost = magnitude < np.sqrt(1 - RATE ** (1 / (LOOKS - 1)))
    amplitude = np.corrcoef(np.abs(first).ravel(), np.abs(second).ravel())[0, 1]
    yield "mean coherence, 5 x 15", magnitude.mean()
    yield "mean coherence of nothing in common, of as many looks", coherence_without_signal(LOOKS)
    yield "amplitude correlation", amplitude
    yield "independent pixels of the window", LOOKS
    yield "share brighter or darker than 1 % of unchanged pixels would be", brighter.mean()
    yield "share whose coherence is that of nothing in common", lost.mean()
    yield "share of those that changed brightness too", (brighter & lost).sum() / max(1, lost.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pair = read(options.data, "20230319", "19Mar2023"), read(options.data, "20230331", "31Mar2023")
    for name, value in figures(*pair):
        row = {"name": f"Amsterdam pair, {name}", "ours": round(float(value), 4), "unit": "1"}
        print(json.dumps(row) if options.json else row)


if __name__ == "__main__":
    main()
