"""How well a classifier tells simulated pixels from real ones, per sensor: 0.5 is indistinguishable, 1 is trivial.

    python benchmarks/simulation_gap.py [--json] --catalog CATALOG.json

Real pixels come from a Belgian region of a static catalogue (the test data that the tests read too), simulated ones
from five regions of the same months. A random forest on single pixels, and one on 5 x 5 windows (mean and spread of
each band), are scored by the area under the ROC curve on places that they were not fitted on.
"""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from catalogs import SceneQuery, search
from pipelines import build_cube, open_cube
from pipelines.grid import TargetGrid
from pipelines.simulate import RegionSpec, simulate_region, to_cube

BOUNDS = (664_000.0, 5_611_120.0, 665_000.0, 5_612_120.0)
BANDS = {"s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"), "s1": ("VV", "VH")}
VALUE = {"s2": "reflectance", "s1": "power"}
MONTHS = (3, 5, 7, 9)


def real_cube(catalog, folder):
    grid = TargetGrid.from_bounds(BOUNDS, epsg=32631, resolution=10)
    query = SceneQuery(
        bbox=grid.bbox_wgs84(), footprint=grid.footprint_wgs84(), start=datetime(2020, 11, 1, tzinfo=UTC),
        end=datetime(2021, 11, 1, tzinfo=UTC), collections=("sentinel-2-l2a", "sentinel-1-grd"),
    )  # fmt: skip
    ref = build_cube(search(query, catalog), grid, str(folder)).ref
    return {group: open_cube(ref.uri, group) for group in BANDS}


def planes(dataset, group):
    """(date, band, y, x) of the wanted months; linear power for radar."""
    chosen = dataset.isel(time=np.isin(dataset["time"].dt.month, MONTHS))
    return chosen[VALUE[group]].sel(band=list(BANDS[group])).where(chosen["valid"]).to_numpy()


def features(values, *, window):
    """(pixel, feature) and the column of each pixel, from dates that are whole there.

    A forest splits by order alone: power serves as well as decibels would, and may be averaged.
    """
    mean = uniform_filter(np.nan_to_num(values), (0, 0, window, window))
    spread = np.sqrt(np.maximum(uniform_filter(np.nan_to_num(values) ** 2, (0, 0, window, window)) - mean**2, 0))
    stack = values if window == 1 else np.concatenate([mean, spread], 1)
    known = np.isfinite(values).all(1)
    column = np.broadcast_to(np.arange(values.shape[-1]), known.shape)
    return np.moveaxis(stack, 1, -1)[known], column[known]


def auc(real, simulated, *, window, seed=0, count=4000):
    random = np.random.default_rng(seed)
    parts = []
    for label, (rows, column) in enumerate((features(simulated, window=window), features(real, window=window))):
        left = column < column.max() // 2
        for side in (left, ~left):
            chosen = random.choice(np.flatnonzero(side), min(count, int(side.sum())), replace=False)
            parts.append((rows[chosen], np.full(len(chosen), label)))
    fit_x, fit_y = (np.concatenate([parts[0][i], parts[2][i]]) for i in (0, 1))
    test_x, test_y = (np.concatenate([parts[1][i], parts[3][i]]) for i in (0, 1))
    forest = RandomForestClassifier(100, min_samples_leaf=5, n_jobs=-1, random_state=seed).fit(fit_x, fit_y)
    return float(roc_auc_score(test_y, forest.predict_proba(test_x)[:, 1]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--catalog", required=True)
    options = parser.parse_args()
    made = [to_cube(simulate_region(RegionSpec(seed=300_000 + i))) for i in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        real = real_cube(options.catalog, Path(folder) / "cube")
        for group in BANDS:
            simulated = np.concatenate([planes(cube[group], group) for cube in made])
            for window in (1, 5):
                value = round(auc(planes(real[group], group), simulated, window=window), 4)
                row = {"name": f"real from simulated, {group}, {window} x {window}", "ours": value, "unit": "AUC"}
                print(json.dumps(row) if options.json else f"{row['name']}: AUC {value}")


if __name__ == "__main__":
    main()
