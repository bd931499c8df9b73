"""How well a random forest on single pixels tells the land cover of simulated scenes: 0.65 to 0.80 is worth learning.

    python benchmarks/simulation_difficulty.py [--json] [--only slc|vhr]

Fitted on some seeds, scored on others that it never saw; pixels are drawn at random, so that classes weigh as they
cover the ground. `slc` is scored on one look of one date (speckle alone decides), on the mean covariance of eight looks
of eight dates, on the true covariance, and, for the two classes that only polarimetry tells apart, with and without it.
`vhr` is scored on red, green and blue of one pixel; kinds of scene by the colours of the whole image; height and
changed buildings by the colours of one pixel.
"""

import argparse
import json

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import average_precision_score, balanced_accuracy_score, r2_score

from pipelines.simulate import SlcSpec, VhrSpec, simulate_slc, simulate_vhr, simulate_vhr_pair
from pipelines.simulate.slc.ground import TWINS
from pipelines.simulate.vhr import SCENE_CLASSES

TRAINING, UNSEEN = range(400_000, 400_008), range(410_000, 410_004)
VHR_TRAINING, VHR_UNSEEN = range(400_000, 400_040), range(410_000, 410_020)
NUM_DATES, LOOKS = 8, 8
PIXELS = 1500


def covariance_planes(covariance):
    """(feature, y, x): powers in dB, and the three correlations, of a (3, 3, y, x) covariance."""
    power = [np.log10(np.maximum(covariance[i, i].real, 1e-5)) for i in range(3)]
    planes = [*power, np.log10(sum(covariance[i, i].real for i in range(3)))]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        scale = np.sqrt(covariance[i, i].real * covariance[j, j].real)
        planes += [covariance[i, j].real / scale, covariance[i, j].imag / scale]
    return np.stack(planes)


def one_look(scene):
    hh, hv, vh, vv = scene.scattering[0]
    target = np.stack([hh, (hv + vh) * np.sqrt(0.5), vv])
    return target[:, None] * target[None].conj()


def slc_rows(seed, rng):
    """Features of four kinds and the class of some pixels."""
    scene = simulate_slc(SlcSpec(seed=seed, num_dates=NUM_DATES, looks=LOOKS))
    drawn = rng.choice(scene.land_cover.size, PIXELS, replace=False)
    many = covariance_planes(scene.sample_covariance.mean(axis=0))
    parts = {
        "one_look": covariance_planes(one_look(scene)),
        "many_looks": many,
        "many_looks_span": many[3:4],
        "truth": covariance_planes(scene.covariance.mean(axis=0)),
    }
    rows = {name: planes.reshape(len(planes), -1).T[drawn] for name, planes in parts.items()}
    return rows, scene.land_cover.ravel()[drawn]


def vhr_rows(seed, rng):
    """Colours of some pixels, their class and height; colour statistics of the scene, and its kind."""
    scene = simulate_vhr(VhrSpec(seed=seed))
    usable = np.flatnonzero(scene.valid)
    drawn = rng.choice(usable, min(PIXELS // 2, usable.size), replace=False)
    colour = scene.reflectance.reshape(3, -1)
    quantiles = np.quantile(colour[:, usable], (0.05, 0.25, 0.5, 0.75, 0.95), axis=1).ravel()
    kind = SCENE_CLASSES.index(scene.scene_class)
    return colour.T[drawn], scene.land_cover.ravel()[drawn], scene.height_m.ravel()[drawn], quantiles, kind


def pair_rows(seed, rng):
    """Colours at both dates of some pixels, and whether a building changed there."""
    pair = simulate_vhr_pair(VhrSpec(seed=seed, scene_class=("residential", "industrial")[seed % 2]))
    usable = np.flatnonzero(pair.before.valid & pair.after.valid)
    drawn = rng.choice(usable, 4 * PIXELS, replace=False)
    colour = np.concatenate([pair.before.reflectance, pair.after.reflectance]).reshape(6, -1)
    return colour.T[drawn], pair.change.ravel()[drawn] > 0


def forest(fit, test, *, classes=None):
    """Accuracy and balanced accuracy on unseen scenes, on all classes or on some."""
    (fit_x, fit_y), (test_x, test_y) = fit, test
    if classes:
        fit_x, fit_y = fit_x[np.isin(fit_y, classes)], fit_y[np.isin(fit_y, classes)]
        test_x, test_y = test_x[np.isin(test_y, classes)], test_y[np.isin(test_y, classes)]
    found = RandomForestClassifier(60, min_samples_leaf=5, random_state=0).fit(fit_x, fit_y).predict(test_x)
    largest = np.bincount(test_y).max() / len(test_y)
    return {
        "accuracy": round(float((found == test_y).mean()), 3),
        "balanced_accuracy": round(float(balanced_accuracy_score(test_y, found)), 3),
        "largest_class": round(float(largest), 3),
    }


def collect(make, seeds):
    rng = np.random.default_rng(0)
    rows = [make(seed, rng) for seed in seeds]
    truth = np.concatenate([row[1] for row in rows])
    return {name: (np.concatenate([row[0][name] for row in rows]), truth) for name in rows[0][0]}


def measure_slc():
    fit, test = collect(slc_rows, TRAINING), collect(slc_rows, UNSEEN)
    result = {f"slc_{name}": forest(fit[name], test[name]) for name in ("one_look", "many_looks", "truth")}
    result["slc_twins_by_covariance"] = forest(fit["many_looks"], test["many_looks"], classes=TWINS)
    result["slc_twins_by_span"] = forest(fit["many_looks_span"], test["many_looks_span"], classes=TWINS)
    return result


def measure_vhr():
    rng = np.random.default_rng(0)
    fit, test = ([vhr_rows(seed, rng) for seed in seeds] for seeds in (VHR_TRAINING, VHR_UNSEEN))
    x, y, height = (np.concatenate([row[part] for row in fit]) for part in range(3))
    test_x, test_y, test_height = (np.concatenate([row[part] for row in test]) for part in range(3))
    regressor = RandomForestRegressor(60, min_samples_leaf=20, random_state=0).fit(x, height)
    scenes = [(np.stack([row[3] for row in rows]), np.array([row[4] for row in rows])) for rows in (fit, test)]
    return {
        "vhr_colour": forest((x, y), (test_x, test_y)),
        "vhr_scene_by_colour": forest(*scenes),
        "vhr_height_by_colour": {"r2": round(float(r2_score(test_height, regressor.predict(test_x))), 3)},
    }


def measure_pairs():
    rng = np.random.default_rng(0)
    parts = [[pair_rows(seed, rng) for seed in seeds] for seeds in (VHR_TRAINING[:12], VHR_UNSEEN[:6])]
    (x, y), (test_x, test_y) = ([np.concatenate(column) for column in zip(*rows, strict=True)] for rows in parts)
    found = RandomForestClassifier(60, min_samples_leaf=20, random_state=0).fit(x, y).predict_proba(test_x)[:, 1]
    precision = float(average_precision_score(test_y, found))
    return {
        "vhr_change_by_colour": {"average_precision": round(precision, 3), "changed": round(float(test_y.mean()), 3)}
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("slc", "vhr"))
    options = parser.parse_args()
    result = {}
    if options.only != "vhr":
        result |= measure_slc()
    if options.only != "slc":
        result |= measure_vhr() | measure_pairs()
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name, scores in result.items():
        print(f"{name:26s}" + "".join(f"  {key} {value:.3f}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
