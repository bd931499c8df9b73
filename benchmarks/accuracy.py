"""Accuracy of the shipped weights on unseen simulated regions, beside a per-pixel random forest.

    python benchmarks/accuracy.py [--json] [--test 20] [--train 24] [--first-seed 200000]

Both see the same regions in the cube's own form. The forest is fitted on pixels of the regions that the weights were
trained on (seeds from 1000 on); its change threshold is chosen on the validation regions (seeds from 50000 on), as the
weights' was. Intervals are 95 % by bootstrap over regions. The test seeds chose nothing.
"""

import argparse
import json

import numpy as np

from flows.demo_accuracy import labelled
from flows.train import THRESHOLDS, TRAIN_SEED, VALIDATION_SEED
from flows.weights import weights_path
from pipelines.training import answer, change_f1, figures, fit_forest, overall_accuracy, scene_arrays
from pipelines.training.evaluate import SceneFigures
from ringmoe_core import load_checkpoint

FLOORS = {"land cover overall accuracy": 0.85, "change F1": 0.7}
GOALS = {"land cover overall accuracy": 0.9, "change F1": 0.8}


def model_counts(model, threshold, place, modalities=("sar_l2", "ms")):
    scene = scene_arrays(place.cube, land_cover=place.land_cover, change=place.change, change_epoch=place.change_epoch)
    return figures(answer(model, scene, modalities=modalities), scene, threshold=threshold)


def counts(right, claimed, changed):
    return SceneFigures(
        right=int(right.sum()),
        labelled=right.size,
        true_positive=int((claimed & changed).sum()),
        false_positive=int((claimed & ~changed).sum()),
        false_negative=int((~claimed & changed).sum()),
    )


def forest_counts(forest, threshold, place):
    right = forest.predict_land_cover(place.cube) == place.land_cover
    return counts(right, forest.predict_change(place.cube) >= threshold, place.change > 0)


def forest_threshold(forest, places):
    probabilities = [forest.predict_change(place.cube) for place in places]

    def f1(threshold):
        claims = zip(probabilities, places, strict=True)
        return change_f1([counts(p >= 0, p >= threshold, place.change > 0) for p, place in claims])

    return max(THRESHOLDS, key=f1)


def interval(metric, rows, *, seed=0, resamples=2000):
    random = np.random.default_rng(seed)
    draws = [metric([rows[i] for i in random.integers(len(rows), size=len(rows))]) for _ in range(resamples)]
    return [round(float(q), 4) for q in np.quantile(draws, (0.025, 0.975))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--train", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=200_000)
    options = parser.parse_args()
    loaded = load_checkpoint(weights_path("nano"))
    threshold = loaded.metadata.change_threshold
    forest = fit_forest([labelled(TRAIN_SEED + i) for i in range(options.train)])
    limit = forest_threshold(forest, [labelled(VALIDATION_SEED + i) for i in range(4)])
    rows = {"both": [], "ms": [], "sar_l2": [], "forest": []}
    for seed in range(options.first_seed, options.first_seed + options.test):
        place = labelled(seed)
        rows["both"].append(model_counts(loaded.model, threshold, place))
        for name in ("ms", "sar_l2"):
            rows[name].append(model_counts(loaded.model, threshold, place, (name,)))
        rows["forest"].append(forest_counts(forest, limit, place))
    metrics = {"land cover overall accuracy": overall_accuracy, "change F1": change_f1}
    for name, metric in metrics.items():
        ours, peer = metric(rows["both"]), metric(rows["forest"])
        result = {
            "name": name, "ours": round(ours, 4), "peer": round(peer, 4), "unit": "1", "ratio": round(ours / peer, 3),
            "floor": FLOORS[name], "goal": GOALS[name], "ok": ours >= FLOORS[name], "n": options.test,
            "ours_ci95": interval(metric, rows["both"]), "peer_ci95": interval(metric, rows["forest"]),
            "ours_ms_alone": round(metric(rows["ms"]), 4), "ours_sar_alone": round(metric(rows["sar_l2"]), 4),
        }  # fmt: skip
        if options.json:
            print(json.dumps(result))
        else:
            print("  ".join(f"{key} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()
