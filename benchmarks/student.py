"""The shipped dense student beside its teacher on the same unseen simulated regions, with both sensors and with each.

    python benchmarks/student.py [--json] [--test 20] [--first-seed 200000] [--student nano-dense] [--teacher nano]

Each model answers at the change threshold that validation regions chose for it. Intervals are 95 % by bootstrap over
regions; differences are paired, on the same draws. Speed is process CPU time on one thread.
"""

import argparse
import json

import numpy as np
import torch
from pruning import MEASURES, counts, speeds

from flows.train import render
from flows.weights import weights_path
from pipelines.training import answer
from ringmoe_core import load_checkpoint
from ringmoe_core.heap import keep_heap

SENSORS = {"both": ("sar_l2", "ms"), "Sentinel-2": ("ms",), "Sentinel-1": ("sar_l2",)}
FLOOR = 0.99
"""Of the student's figure over the teacher's, with both sensors."""


def interval(values):
    return [round(float(q), 4) for q in np.quantile(values, (0.025, 0.975))]


def compare(student, teacher, scenes):
    draws = np.random.default_rng(0).integers(len(scenes), size=(2000, len(scenes)))
    for seen, modalities in SENSORS.items():
        ours, theirs = (
            np.array(
                [
                    counts(answer(one.model, scene, modalities=modalities), scene, one.metadata.change_threshold)
                    for scene in scenes
                ]
            )
            for one in (student, teacher)
        )
        for measure, score in MEASURES.items():
            mine, other = score(ours.sum(0)), score(theirs.sum(0))
            drawn = [(score(ours[draw].sum(0)), score(theirs[draw].sum(0))) for draw in draws]
            yield {
                "name": f"{measure}, {seen}",
                "ours": round(mine, 4),
                "peer": round(other, 4),
                "unit": "1",
                "ratio": round(mine / other, 4),
                "floor": FLOOR if seen == "both" else None,
                "goal": 1.0,
                "ok": seen != "both" or mine / other >= FLOOR,
                "n": len(scenes),
                "ours_ci95": interval([one for one, _ in drawn]),
                "peer_ci95": interval([two for _, two in drawn]),
                "difference": round(mine - other, 4),
                "difference_ci95": interval([one - two for one, two in drawn]),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=200_000)
    parser.add_argument("--student", default="nano-dense")
    parser.add_argument("--teacher", default="nano")
    options = parser.parse_args()
    keep_heap()
    torch.set_num_threads(1)
    student, teacher = (load_checkpoint(weights_path(name)) for name in (options.student, options.teacher))
    scenes = render(range(options.first_seed, options.first_seed + options.test), workers=2)
    rows = list(compare(student, teacher, scenes))
    timed = speeds({"student": student.model, "teacher": teacher.model}, scenes, rounds=7)
    for place, part in enumerate(("whole model", "encoder")):
        ours, peer = timed["student"][place], timed["teacher"][place]
        rows.append(
            {
                "name": f"{part}, images a second",
                "ours": round(ours, 1),
                "peer": round(peer, 1),
                "unit": "1/CPU s",
                "ratio": round(ours / peer, 3),
                "floor": None,
                "goal": None,
                "ok": True,
            }
        )
    for row in rows:
        print(json.dumps(row) if options.json else "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
