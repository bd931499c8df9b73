"""What pruning and densification leave of a trained model, and what distillation gives back, five seeds.

    python benchmarks/pruning.py --out docs/results [--teachers DIR] [--seeds 0 1 2 3 4]
    python benchmarks/pruning.py --from-csv docs/results [--json]

Registered before the first run (four steps of seed 0, scored on two regions that are not used, tried the script):

claim      A dense student cut from a mixture-of-experts teacher ends nearer to it than a control that is given the same
           distillation.
arms       EP: a quarter of the collaborative experts kept, by frequency or by output norm, gates original or
           recalibrated, no distillation. Dense, one network a block of three times an expert's hidden width (the
           teacher's active width): KS, KA, KC, select. Controls: `random`, a new dense model; `random-experts`, new in
           these networks and else copied, for what the experts' own weights are worth. All dense arms are scored before
           and after the same distillation, in lockstep on the same chips.
seeds      0 to 4, one teacher each (weights, chips); regions are the same for all.
budget     Teachers 500 steps of sixteen 64 px chips; students 80 steps of eight, features, logits and labels. About 12
           minutes a seed for either on one core.
primary    Land-cover mIoU on 20 unseen simulated regions (seeds from 201000 on), pixels pooled over regions, after
           distillation. EP and before rows: on the first 6 of them, against the teacher on the same. Change F1 at the
           teacher's threshold and overall accuracy are secondary.
test       Paired difference to a control over seeds, two-sided t, Holm over the four methods, 5 %, for either control.
           Recovery = (student - control) / (teacher - control). Goal: the best method keeps 97 % of the teacher's mIoU.
stop       After five seeds, whatever they say. A loss that is not finite ends the run as failed.
null       "no better than CONTROL: not detected at this size, five seeds show differences from D on", with D = 1.7
           standard deviations of the paired differences (80 % power).
"""

import argparse
import csv
import json
import math
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from flows.train import (
    TRAIN_SEED,
    VALIDATION_SEED,
    TrainConfig,
    checkpoint_metadata,
    fit_config,
    measure,
    render,
)
from pipelines.legend import LAND_COVER_CODES
from pipelines.training import DistillationConfig, FitConfig, Phase, answer, distil, figures, fit
from pipelines.training.chips import ChipConfig, ChipSampler
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint
from ringmoe_core.heap import keep_heap
from ringmoe_core.prune import calibrate, densify, prune_experts

TEST_SEED = 201_000
TEACHER_STEPS, STEPS, BATCH = 500, 80, 8
WIDTH = 3
METHODS = ("KS", "KA", "KC", "select")
CONTROLS = ("random", "random-experts")
STUDENTS = (*METHODS, *CONTROLS)
EP = tuple((by, gate) for by in ("frequency", "output_norm") for gate in ("original", "recalibrated"))
GOAL = 0.97
DETECTABLE_SD = 1.7
RUN_FIELDS = ("seed", "arm", "stage", "steps", "parameters", "bytes_bf16", "images_per_s", "encoder_images_per_s")
COUNTS = (
    *(f"{kind}_{code}" for kind in ("hit", "claimed", "true") for code in LAND_COVER_CODES),
    "change_tp", "change_fp", "change_fn",
)  # fmt: skip
SCENE_FIELDS = ("seed", "arm", "stage", "scene", *COUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One model to score."""

    name: str
    stage: str
    model: RingMoE
    num_scenes: int


# ---- models


def teacher_of(seed, folder, train, validation):
    """The seed's teacher and its change threshold, from the folder or trained and left there."""
    path = folder / f"teacher-{seed}.safetensors"
    if not path.is_file():
        torch.manual_seed(seed)
        two = RingMoEConfig(modalities=("sar_l2", "ms"), channels=(2, 10), num_specialised=4, num_collaborative=4)
        recipe = loop(TEACHER_STEPS, 16, 100 * seed, learning_rate=2e-3, average=0.99)
        started = time.monotonic()
        model = fit(RingMoE(two, seed=seed), train, recipe, on_step=say_step(f"teacher {seed}"))
        minutes = {"fit": (time.monotonic() - started) / 60}
        run = TrainConfig(preset="4 + 4 + 1", steps=TEACHER_STEPS, regions=len(train), seed=seed)
        report = measure(model, validation, validation, run, minutes)
        folder.mkdir(parents=True, exist_ok=True)
        save_checkpoint(model, path, metadata=checkpoint_metadata(report), dtype=torch.float32)
    loaded = load_checkpoint(path)
    return loaded.model, loaded.metadata.change_threshold


def loop(steps, batch, seed, **changes):
    """64 px chips only."""
    plain = FitConfig(steps=steps, phases=(Phase(size=64, batch=batch, share=1.0),), seed=seed)
    return replace(plain, bfloat16=fit_config(TrainConfig()).bfloat16, **changes)


def calibrated(teacher, train, seed):
    """Statistics of the teacher's experts on 8 batches of training chips."""
    sampler = ChipSampler(train, ChipConfig(), seed=70_000 + seed)
    return calibrate(teacher, (sampler.draw().series for _ in range(8)), seed=seed)


def pruned_arms(teacher, calibration, num_scenes):
    for by, gate in EP:
        model = prune_experts(teacher, calibration, keep=0.25, by=by, gate=gate)
        yield Arm(name=f"ep {by} {gate}", stage="pruned", model=model.eval(), num_scenes=num_scenes)


def dense_students(teacher, calibration, seed, width):
    """Before distillation."""
    ratio = width * teacher.config.mlp_ratio
    return {
        name: densify(teacher, calibration, method=name, mlp_ratio=ratio, seed=1000 + seed).eval() for name in STUDENTS
    }


# ---- measures


def counts(said, scene, threshold):
    """Land-cover hits, claims and truths of each class, and the change counts, of one region."""
    known = scene.land_cover != IGNORE
    truth, claim = scene.land_cover[known], said.land_cover.argmax(0)[known]
    num = len(LAND_COVER_CODES)
    hit = np.bincount(truth[truth == claim], minlength=num)
    change = figures(said, scene, threshold=threshold)
    values = [*hit, *np.bincount(claim, minlength=num), *np.bincount(truth, minlength=num)]
    return [*map(int, values), change.true_positive, change.false_positive, change.false_negative]


def miou(total):
    """Mean over the classes that occur of intersection over union, from summed counts."""
    hit, claimed, true = np.split(np.asarray(total[: 3 * len(LAND_COVER_CODES)], float), 3)
    return float(np.mean((hit / np.maximum(claimed + true - hit, 1))[true > 0]))


def overall_accuracy(total):
    hit, _, true = np.split(np.asarray(total[: 3 * len(LAND_COVER_CODES)], float), 3)
    return float(hit.sum() / true.sum())


def change_f1(total):
    tp, fp, fn = total[-3:]
    return float(2 * tp / max(1, 2 * tp + fp + fn))


MEASURES = {"mIoU": miou, "overall accuracy": overall_accuracy, "change F1": change_f1}


def speeds(models, train, *, rounds=3):
    """Images a second of process CPU time of each model, whole and encoder alone, interleaved, medians."""
    batch = ChipSampler(train, ChipConfig(size=128, batch=2, num_epochs=12, one_modality=0), seed=1).draw()
    images = sum(series.valid_BTHW.flatten(2).any(-1).sum().item() for series in batch.series.values())
    whole, encoder = {name: [] for name in models}, {name: [] for name in models}
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for name, model in models.items():
                started = time.process_time()
                features = model.encode(batch.series)
                encoded = time.process_time()
                model.segment(model.decode(model.fuse(features, batch.membership_BGT)))
                if turn:  # the first round warms up
                    whole[name].append(time.process_time() - started)
                    encoder[name].append(encoded - started)
    return {name: [images / statistics.median(kind[name]) for kind in (whole, encoder)] for name in models}


# ---- one seed


def run_seed(seed, options, data):
    train, validation, test = data
    teacher, threshold = teacher_of(seed, options.teachers, train, validation)
    few = min(options.few, len(test))
    calibration = calibrated(teacher, train, seed)
    arms = [Arm(name="teacher", stage="trained", model=teacher, num_scenes=len(test))]
    arms += pruned_arms(teacher, calibration, few)
    students = dense_students(teacher, calibration, seed, options.width)
    scored = score(arms, seed, test, threshold)
    scored += score([Arm(name=n, stage="before", model=m.eval(), num_scenes=few) for n, m in students.items()],
                    seed, test, threshold)  # fmt: skip
    started = time.monotonic()
    recipe = loop(options.steps, options.batch, 10_000 + 100 * seed, average=0.97, warmup_steps=15)
    config = DistillationConfig(fit=recipe)
    taught = distil(teacher, students, train, config, on_step=say_step(f"students {seed}"))
    print(f"seed {seed}: distilled in {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    after = [Arm(name=n, stage="distilled", model=m, num_scenes=len(test)) for n, m in taught.items()]
    scored += score(after, seed, test, threshold)
    append(options.out / "pruning_scenes.csv", SCENE_FIELDS, scored)
    every = [*arms, *after]
    speed = speeds({arm.name: arm.model for arm in every}, train)
    rows = [
        [seed, arm.name, arm.stage, options.steps if arm.stage == "distilled" else 0, size, 2 * size]
        + [round(value, 2) for value in speed[arm.name]]
        for arm in every
        for size in [sum(p.numel() for p in arm.model.parameters())]
    ]
    append(options.out / "pruning.csv", RUN_FIELDS, rows)
    if options.keep:
        for name, model in taught.items():
            torch.save(model.state_dict(), options.keep / f"{name.replace(' ', '_')}-{seed}.pt")


def score(arms, seed, test, threshold):
    rows = []
    for arm in arms:
        for index, scene in enumerate(test[: arm.num_scenes]):
            said = answer(arm.model, scene)
            rows.append([seed, arm.name, arm.stage, TEST_SEED + index, *counts(said, scene, threshold)])
        total = np.sum([row[4:] for row in rows[-arm.num_scenes :]], axis=0)
        print(f"seed {seed} {arm.name} {arm.stage} " + " ".join(f"{k} {m(total):.4f}" for k, m in MEASURES.items()),
              flush=True)  # fmt: skip
    return rows


def say_step(name):
    def say(step):
        if step.step % 25 == 0 or step.step == 1:
            losses = getattr(step, "students", None) or step.losses
            print(name, step.step, f"{step.seconds:.0f} s", losses, flush=True)

    return say


def append(path, fields, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.is_file()
    with path.open("a", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        if new:
            writer.writerow(fields)
        writer.writerows(rows)


# ---- tables


def read(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def load_scores(folder):
    """(arm, stage) -> array (seed, scene, count), scenes in order; seeds that every arm has."""
    found = {}
    for row in read(folder / "pruning_scenes.csv"):
        values = [int(row[name]) for name in COUNTS]
        found.setdefault((row["arm"], row["stage"]), {}).setdefault(int(row["seed"]), {})[int(row["scene"])] = values
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in found.values())))
    return seeds, {
        key: np.array([[by_seed[seed][scene] for scene in sorted(by_seed[seed])] for seed in seeds])
        for key, by_seed in found.items()
    }


def per_seed(measure, scores, num_scenes=None):
    return np.array([measure(total) for total in scores[:, :num_scenes].sum(1)])


def spread(values):
    """Mean and half-width of the 95 % t interval over seeds."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), math.nan
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean()), float(half)


def over_scenes(measure, scores, *, resamples=1000):
    """95 % interval of the mean over seeds, scenes drawn with replacement, the same for every seed."""
    random = np.random.default_rng(0)
    num = scores.shape[1]
    draws = [per_seed(measure, scores[:, random.integers(num, size=num)]).mean() for _ in range(resamples)]
    return [round(float(q), 4) for q in np.quantile(draws, (0.025, 0.975))]


def holm(p_values):
    """Adjusted p values (Holm 1979), in the order given."""
    order = np.argsort(p_values)
    steps = [(len(p_values) - rank) * p_values[index] for rank, index in enumerate(order)]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def verdicts(scores):
    """For each method and control: gain, recovery, adjusted p and what to say."""
    after = {arm: per_seed(miou, scores[arm, "distilled"]) for arm in STUDENTS}
    teacher = per_seed(miou, scores["teacher", "trained"])
    found = {arm: {} for arm in METHODS}
    for control in CONTROLS:
        gains = {arm: after[arm] - after[control] for arm in METHODS}
        enough = len(teacher) > 1
        adjusted = holm([stats.ttest_1samp(gain, 0).pvalue if enough else 1.0 for gain in gains.values()])
        for (arm, gain), p in zip(gains.items(), adjusted, strict=True):
            least = DETECTABLE_SD * gain.std(ddof=1) if enough else math.nan
            null = (
                f"no better than {control}: not detected at this size, five seeds show differences from {least:.4f} on"
            )
            found[arm][control] = {
                "gain": rounded(spread(gain)),
                "recovery": rounded(spread(gain / (teacher - after[control]))),
                "p_holm": round(float(p), 5),
                "says": f"better than {control}" if p < 0.05 and gain.mean() > 0 else null,
            }
    return found


def table(folder):
    seeds, scores = load_scores(folder)
    runs = [row for row in read(folder / "pruning.csv") if int(row["seed"]) in seeds]
    found = verdicts(scores)
    rows = []
    for (arm, stage), values in scores.items():
        of_arm = [row for row in runs if row["arm"] == arm]
        teacher = {row["seed"]: row for row in runs if row["arm"] == "teacher"}
        scenes = values.shape[1]
        reference = per_seed(miou, scores["teacher", "trained"], scenes)
        row = {"arm": arm, "stage": stage, "seeds": len(seeds), "scenes": scenes}
        row |= {name: round(float(per_seed(measure, values).mean()), 4) for name, measure in MEASURES.items()}
        row |= {"mIoU_ci95_scenes": over_scenes(miou, values)}
        row |= dict(zip(("kept", "kept_half"), rounded(spread(per_seed(miou, values) / reference)), strict=True))
        if of_arm:
            row |= {"parameters": int(of_arm[0]["parameters"]), "bytes_bf16": int(of_arm[0]["bytes_bf16"])}
            for name in ("images_per_s", "encoder_images_per_s"):
                ratios = [float(run[name]) / float(teacher[run["seed"]][name]) for run in of_arm]
                row[f"{name}_over_teacher"] = round(statistics.median(ratios), 2)
        if stage == "distilled" and arm in found:
            row |= {f"against {control}": verdict for control, verdict in found[arm].items()}
        rows.append(row)
    return rows


def rounded(pair):
    return [round(value, 4) for value in pair]


def report(folder, *, as_json):
    rows = table(folder)
    dense = {row["arm"]: row["kept"] for row in rows if row["stage"] == "distilled" and row["arm"] in METHODS}
    best = max(dense, key=dense.get)
    kept = dense[best]
    goal = {
        "name": f"best dense student ({best}) over teacher, mIoU", "ours": round(kept, 4), "peer": 1.0, "unit": "1",
        "ratio": round(kept, 4), "floor": GOAL, "goal": 1.0, "ok": kept >= GOAL,
    }  # fmt: skip
    if as_json:
        print("\n".join(json.dumps(row) for row in [*rows, goal]))
        return
    print("\n".join(markdown(rows)))
    print(f"\n{goal['name']}: {kept:.4f}, floor {GOAL}, {'held' if goal['ok'] else 'MISSED'}")


def markdown(rows):
    """The rows as two tables: scores, and what the comparison with either control says."""
    yield f"{rows[0]['seeds']} seeds. Kept: mIoU over the teacher's on the same regions, 95 % t interval over seeds."
    yield "\n| arm | stage | M parameters | model, encoder speed | regions | mIoU | OA | change F1 | kept |"
    yield "| --- | --- | ---: | --- | ---: | --- | --- | --- | --- |"
    for row in rows:
        low, high = row["mIoU_ci95_scenes"]
        speed = f"{row['images_per_s_over_teacher']:.2f}, {row['encoder_images_per_s_over_teacher']:.2f}"
        scored = f"{row['mIoU']:.3f} ({low:.3f} to {high:.3f})"
        others = f"{row['overall accuracy']:.3f} | {row['change F1']:.3f} | {row['kept']:.3f} +- {row['kept_half']:.3f}"
        size = f"{row['parameters'] / 1e6:.2f}"
        yield f"| {row['arm']} | {row['stage']} | {size} | {speed} | {row['scenes']} | {scored} | {others} |"
    yield "\n| arm | control | gain in mIoU | (student - control) / (teacher - control) | p (Holm) | says |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows:
        for control in CONTROLS:
            said = row.get(f"against {control}")
            if said:
                gain, recovery = ("{:.4f} +- {:.4f}".format(*said[name]) for name in ("gain", "recovery"))
                yield f"| {row['arm']} | {control} | {gain} | {recovery} | {said['p_holm']} | {said['says']} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder of pruning.csv and pruning_scenes.csv; rows are appended")
    parser.add_argument("--from-csv", type=Path, help="draw the tables of this folder's CSV files, run nothing")
    parser.add_argument(
        "--teachers", type=Path, default=Path("out/teachers"), help="folder of teacher-SEED.safetensors"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--width", type=int, default=WIDTH, help="hidden width over one expert's")
    parser.add_argument("--regions", type=int, default=60)
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--few", type=int, default=6, help="test regions of the EP and before rows")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument("--keep", type=Path, help="existing folder for the students' weights")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.from_csv is None:
        if options.out is None:
            parser.error("--out or --from-csv is needed")
        keep_heap()
        torch.set_num_threads(1)
        data = [
            render(range(first, first + num), workers=options.workers)
            for first, num in ((TRAIN_SEED, options.regions), (VALIDATION_SEED, 4), (TEST_SEED, options.test))
        ]
        for seed in options.seeds:
            run_seed(seed, options, data)
    report(options.from_csv or options.out, as_json=options.json)


if __name__ == "__main__":
    main()
