"""Land cover from 1 % of the labels: pre-trained weights beside a U-Net and a random forest, on unseen scenes.

    python benchmarks/few_labels.py --weights out/train/tiny/tiny.pretrain.safetensors [--csv ROWS.csv] [--json]
                                    [--seeds 3] [--share 0.01] [--train 12] [--test 20] [--steps 1000]
                                    [--unet-steps 1200] [--arms ...] [--threads 1] [--tiny]

`--weights` is what a pre-training stage left (`ringmoe train` keeps it as NAME.STAGE.safetensors): it has seen images
and no label. A seed draws training scenes, the labelled pixels of them (a share of those with a known class, scene by
scene, evenly over its ground) and first values; every arm learns from those pixels alone. All arms are judged on the
same test scenes, whose seeds no training uses. Steps, batch and rate of ours and steps and width of the U-Net were
chosen on labels of 12 other scenes (seeds 600000 to 600011) by the figures of 8 more (650000 to 650007), which judge
nothing here.

- ours: the weights, fine-tuned as a whole on chips in which the other pixels count for nothing;
- ours, from nothing: the same with fresh values: what pre-training is worth;
- ours, frozen: the first two levels of the unchanged encoder, mean over the dates of each sensor, beside the forest's
  features, read by a logistic regression;
- U-Net: the forest's features as channels;
- random forest: `pipelines.training.baseline`, temporal statistics of single pixels.

Told are mean IoU over the classes of each scene and overall accuracy. Intervals are those of paired differences, seeds
and scenes drawn again (`experiments.analysis`); what is said of them follows the registry's rule: an effect only where
the paired t test over seeds, corrected for both questions by Holm, has p < 0.05. One pre-training stands behind all
seeds, so that they say nothing of its own spread. With `--csv` rows are kept as they come, and arms and seeds that have
some are not run again. `--tiny` tries the machinery; its figures mean nothing.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.few_labels_arms import draw_labels, fit_forest, fit_fresh, fit_frozen, fit_ours, fit_unet, region
from experiments.analysis import difference, holm, wording
from experiments.claim import Claim, Contrast
from experiments.row import Row, done, read_rows, write_rows
from experiments.run import commit
from experiments.supervised import mean_iou
from flows.weights import weights_path
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import load_checkpoint
from ringmoe_core.heap import keep_heap

TRAIN_SEED, TEST_SEED = 630_000, 660_000
METRICS = ("mean IoU", "overall accuracy")
TINY = dict.fromkeys(("train", "test", "steps", "batch", "unet_batch"), 2) | {"size": 64, "dates": 4, "chip": 32}
TINY["unet_steps"] = 4
OURS, FRESH, FROZEN, UNET, FOREST = "ours", "ours, from nothing", "ours, frozen", "U-Net", "random forest"
CLAIM = Claim(
    name="few-labels",
    question="Do pre-trained weights map land cover from 1 % of the labels better than a U-Net and a random forest?",
    arms=(OURS, FRESH, FROZEN, UNET, FOREST),
    conditions=METRICS,
    primary=Contrast(arm=OURS, against=UNET, conditions=METRICS[:1]),
    others=(
        Contrast(arm=OURS, against=FOREST, conditions=METRICS[:1]),
        *(
            Contrast(arm=OURS, against=other, conditions=(metric,))
            for metric in METRICS
            for other in (FRESH, FROZEN, *((UNET, FOREST) if metric != METRICS[0] else ()))
        ),
    ),
    seeds=3,
    minutes=15,
    metric=METRICS[0],
    stop_rule="as many seeds as stated, all of them, whatever the first ones show",
    wording_null="Not detected at this size; the smallest effect that would have been: {smallest}.",
    runner="",
    source="benchmarks/few_labels.py",
    caveat="One pre-training stands behind all seeds.",
)
ASKED = (CLAIM.primary, CLAIM.others[0])


ARMS = {OURS: fit_ours, FRESH: fit_fresh, FROZEN: fit_frozen, UNET: fit_unet, FOREST: fit_forest}


def scores(said, truth):
    known = truth != IGNORE
    return {METRICS[0]: mean_iou(said, truth), METRICS[1]: float((said == truth)[known].mean())}


def setting_hash(options):
    kept = {
        name: value
        for name, value in vars(options).items()
        if name not in {"weights", "csv", "json", "seeds", "arms", "threads"}
    }
    return hashlib.sha256(
        json.dumps([kept, load_checkpoint(options.weights).sha256], sort_keys=True).encode()
    ).hexdigest()[:12]


def run(options, say=print):
    """All rows; those that `options.csv` has are not made again."""
    config, made_by = setting_hash(options), commit()
    rows = read_rows(options.csv) if options.csv else []
    others = sorted({row.config for row in rows} - {config})
    if others:
        raise SystemExit(f"{options.csv} must hold rows of setting {config} alone, got {others}; move it away")
    tests = []
    for seed in range(options.seeds):
        missing = [arm for arm in options.arms if (arm, seed) not in done(rows)]
        if not missing:
            continue
        tests = tests or [region(TEST_SEED + index, options) for index in range(options.test)]
        regions = [region(TRAIN_SEED + 1000 * seed + index, options) for index in range(options.train)]
        random = np.random.default_rng(seed)
        labels = [draw_labels(one.scene.land_cover, options.share, random) for one in regions]
        for arm in missing:
            started = time.process_time()
            said = ARMS[arm](regions, labels, options, seed)
            found = [(one.seed, scores(said(one), one.scene.land_cover)) for one in tests]
            minutes = round((time.process_time() - started) / 60, 4)
            rows += [
                Row(
                    claim=CLAIM.name, arm=arm, seed=seed, condition=metric, scene=scene, value=value,
                    cpu_minutes=minutes, commit=made_by, config=config,
                )
                for scene, values in found
                for metric, value in values.items()
            ]  # fmt: skip
            if options.csv:
                write_rows(options.csv, rows)
            say(f"{arm}, seed {seed}: {minutes} CPU minutes")
    return rows


def told(rows):
    """Lines of arms, then of what they differ by, worded where the claim asks."""
    arms = {row.arm for row in rows}
    for arm in (name for name in CLAIM.arms if name in arms):
        own = [row for row in rows if row.arm == arm]
        means = {
            metric: round(float(np.mean([r.value for r in own if r.condition == metric])), 4) for metric in METRICS
        }
        minutes = {row.seed: row.cpu_minutes for row in own}
        yield {
            "name": arm, **means, "seeds": len(minutes), "scenes": len({row.scene for row in own}),
            "cpu_minutes": round(float(np.mean(list(minutes.values()))), 2),
        }  # fmt: skip
    contrasts = [one for one in (CLAIM.primary, *CLAIM.others) if {one.arm, one.against} <= arms]
    found = {one: difference(rows, one) for one in contrasts}
    corrected = holm({one.against: found[one].p for one in ASKED if one in found})
    for one, result in found.items():
        line = {"name": f"{one.arm} against {one.against}", "metric": one.conditions[0]}
        line |= {"difference": round(result.mean, 4), "low": round(result.low, 4), "high": round(result.high, 4)}
        line |= {"p": result.p, "seeds": result.num_seeds, "scenes": result.num_scenes}
        if one in ASKED:
            line["wording"] = wording(CLAIM, result, corrected[one.against])
        yield line


def parsed(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="file that a pre-training stage left")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=CLAIM.seeds)
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.01, help="of the known pixels of each training scene")
    for name, value, about in (
        ("train", 12, "training scenes of a seed"), ("test", 20, "test scenes"), ("size", 256, "pixels of a scene"),
        ("dates", 12, "of a scene"), ("steps", 1000, "of ours"), ("unet-steps", 1200, "of the U-Net"),
        ("batch", 8, "chips of ours"), ("unet-batch", 16, "chips of the U-Net"), ("chip", 64, "pixels of a chip"),
        ("width", 24, "channels of the U-Net"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{about} ({value})")
    parser.add_argument("--rate", type=float, default=3e-3, help="largest learning rate of ours")
    parser.add_argument("--layer-decay", type=float, default=1.0)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    if not 0 < options.share <= 1:
        parser.error(f"--share lies in (0, 1], got {options.share}")
    if options.tiny:
        vars(options).update(TINY)
    options.weights = weights_path(options.weights)
    return options


def main(arguments=None):
    options = parsed(arguments)
    keep_heap()
    torch.set_num_threads(options.threads)
    rows = run(options, say=(lambda _: None) if options.json else print)
    for line in told(rows):
        print(json.dumps(line) if options.json else line, flush=True)


if __name__ == "__main__":
    main()
