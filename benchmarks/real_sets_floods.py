"""Water on real Sentinel-1 chips of Sen1Floods11, leave one chip out: four methods on the same split.

    python benchmarks/real_sets_floods.py --data CATALOG/sen1floods11 [--json] [--csv OUT.csv] [--seeds 3]

Every method sees the training chips alone and is judged by the pooled confusion over all test chips. Chips without
any label or any valid radar are left out and named. Intervals are drawn over blocks of 64 x 64 pixels within each chip:
they say how much the figure hangs on single blocks of these chips, not how it would be elsewhere. The set is small (in
the test data two chips carry nearly all the water), so all this is description, no claim.

- threshold: VH in dB below the value that gives the best IoU on the training chips;
- forest: random forest on VV, VH and their local means and spreads;
- unet: small U-Net on VV and VH, trained from nothing;
- ours: frozen maps of nano with VV and VH beside them, a linear head; its cut is chosen as the threshold's is;
- ours + local: the same head on the local means and spreads too; local alone: that head without nano.
"""

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from benchmarks.unet import UNet
from flows.weights import weights_path
from pipelines.inference.channels import day_fraction, sar_channels
from ringmoe_core import Series, load_checkpoint

BLOCK, WINDOW, SAMPLE = 64, 128, 40_000
SIZES = (3, 7, 15)


@dataclass(frozen=True)
class Chip:
    name: str
    power: np.ndarray  # (2, y, x) VV, VH, linear, NaN missing
    water: np.ndarray  # (y, x) bool
    counts: np.ndarray  # (y, x) bool: labelled and seen
    day: np.datetime64


def read_chips(folder):
    chips, left_out = [], {}
    for item in sorted(Path(folder).glob("*/*.json")):
        bands = []
        for band in ("VV", "VH", "label"):
            with rasterio.open(item.parent / f"{band}.tif") as file:
                bands.append(file.read(1))
        power = np.stack([10 ** (band.astype(np.float32) / 10) for band in bands[:2]])
        counts = np.isfinite(power).all(0) & (bands[2] >= 0)
        if not counts.any():
            left_out[item.parent.name] = "no label" if (bands[2] < 0).all() else "no valid radar"
            continue
        day = np.datetime64(json.loads(item.read_text())["properties"]["start_datetime"].rstrip("Z"), "us")
        chips.append(Chip(name=item.parent.name, power=power, water=bands[2] == 1, counts=counts, day=day))
    return chips, left_out


def decibels(power):
    return 10 * np.log10(np.maximum(power, 1e-4))


def confusion(said, chip):
    """(block, 4): true and false positives, false and true negatives of each block of a chip."""
    pairs = [
        said & chip.water & chip.counts,
        said & ~chip.water & chip.counts,
        ~said & chip.water & chip.counts,
        ~said & ~chip.water & chip.counts,
    ]
    height, width = (side // BLOCK * BLOCK for side in chip.water.shape)
    cut = np.stack(pairs)[:, :height, :width].reshape(4, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return cut.sum((2, 4)).reshape(4, -1).T


def iou(total):
    hits, false, missed = total[..., 0], total[..., 1], total[..., 2]
    return hits / np.maximum(hits + false + missed, 1)


def best_cut(score, truth):
    """The cut that gives the best IoU of score >= cut, over a thousand quantiles of the score."""
    cuts = np.unique(np.quantile(score, np.linspace(0, 1, 1001)))
    order = np.sort(score)
    of_water = np.sort(score[truth])
    said = len(order) - np.searchsorted(order, cuts)
    hits = len(of_water) - np.searchsorted(of_water, cuts)
    return cuts[np.argmax(hits / np.maximum(said + len(of_water) - hits, 1))]


def sample(chips, values, seed, count=SAMPLE):
    """Equally many pixels of each training chip: (pixel, feature), (pixel,)."""
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for chip in chips:
        chosen = random.choice(np.flatnonzero(chip.counts), min(count, int(chip.counts.sum())), replace=False)
        rows.append(values[chip.name].reshape(len(values[chip.name]), -1)[:, chosen].T)
        labels.append(chip.water.ravel()[chosen])
    return np.concatenate(rows), np.concatenate(labels)


def local_statistics(chip):
    """VV and VH, their means and relative spreads over windows of linear power; NaN filled by the chip's mean."""
    filled = np.where(np.isfinite(chip.power), chip.power, np.nanmean(chip.power, axis=(1, 2), keepdims=True))
    planes = [decibels(filled)]
    for size in SIZES:
        mean = uniform_filter(filled, (0, size, size))
        square = uniform_filter(filled**2, (0, size, size))
        planes += [decibels(mean), np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-6)]
    return np.concatenate(planes).astype(np.float32)


def nano_maps(model, chip):
    """Decoded maps of one date, (map channel + 2, y, x), VV and VH in dB last."""
    made = sar_channels(chip.power, ("VV", "VH"), np.isfinite(chip.power).all(0))
    height, width = chip.water.shape
    maps = np.zeros((model.config.map_dim, height, width), np.float32)
    day = torch.from_numpy(day_fraction(np.array([chip.day])))[None]
    for row in range(0, height, WINDOW):
        for col in range(0, width, WINDOW):
            at = (slice(row, min(row + WINDOW, height)), slice(col, min(col + WINDOW, width)))
            series = Series(
                pixels_BTCHW=torch.from_numpy(made.pixels[:, at[0], at[1]])[None, None],
                valid_BTHW=torch.from_numpy(np.ascontiguousarray(made.valid[at]))[None, None],
                present_BTC=torch.from_numpy(made.present)[None, None],
                day_BT=day,
            )
            with torch.inference_mode():
                fused = model.fuse(model.encode({"sar_l2": series}), torch.ones(1, 1, 1, dtype=torch.bool))
                maps[:, at[0], at[1]] = model.decode(fused)[0].float().numpy()
    return np.concatenate([maps, decibels(np.nan_to_num(chip.power, nan=1e-4))]).astype(np.float32)


def fit_threshold(train, _values, _seed):
    score = np.concatenate([-decibels(chip.power[1][chip.counts]) for chip in train])
    cut = best_cut(score, np.concatenate([chip.water[chip.counts] for chip in train]))
    return lambda chip: -decibels(chip.power[1]) >= cut


def fit_forest(train, values, seed):
    x, y = sample(train, values, seed, 15_000)
    forest = RandomForestClassifier(100, min_samples_leaf=5, n_jobs=1, random_state=seed).fit(x, y)
    return lambda chip: forest.predict(values[chip.name].reshape(x.shape[1], -1).T).reshape(chip.water.shape)


def fit_linear(train, values, seed):
    """A logistic head; where it says water is the cut that is best on the training chips, as for the threshold."""
    x, y = sample(train, values, seed)
    scale = StandardScaler().fit(x)
    head = LogisticRegression(C=0.1, max_iter=300).fit(scale.transform(x), y)

    def score(chip):
        return head.decision_function(scale.transform(values[chip.name].reshape(x.shape[1], -1).T))

    inside = [(score(chip)[chip.counts.ravel()], chip.water[chip.counts]) for chip in train]
    cut = best_cut(np.concatenate([s for s, _ in inside]), np.concatenate([w for _, w in inside]))
    return lambda chip: (score(chip) >= cut).reshape(chip.water.shape)


def fit_unet(train, _values, seed, steps=200, batch=8, side=96):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = UNet()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    images = {chip.name: _image(chip) for chip in train}
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        parts = []
        for _ in range(batch):
            chip = train[int(random.integers(len(train)))]
            row, col = (int(random.integers(length - side + 1)) for length in chip.water.shape)
            at, turns = (slice(row, row + side), slice(col, col + side)), int(random.integers(4))
            planes = [images[chip.name][:, at[0], at[1]], chip.water[at][None], chip.counts[at][None]]
            parts.append([np.rot90(p, turns, (1, 2)).copy() for p in planes])
        x, water, counts = (torch.from_numpy(np.stack(p)).float() for p in zip(*parts, strict=True))
        loss = functional.binary_cross_entropy_with_logits(model(x)[:, 0], water[:, 0], weight=counts[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()

    def said(chip):
        with torch.inference_mode():
            return (model(torch.from_numpy(_image(chip))[None])[0, 0] > 0).numpy()

    return said


def _image(chip):
    made = sar_channels(chip.power, ("VV", "VH"), np.isfinite(chip.power).all(0))
    return made.pixels


def evaluate(chips, methods, seeds):
    """Rows of (method, seed, chip) and the blocks of each."""
    rows = []
    for name, (fit, values, num_seeds) in methods.items():
        for seed in range(min(seeds, num_seeds)):
            for chip in chips:
                started = time.process_time()
                said = fit([other for other in chips if other is not chip], values, seed)(chip)
                blocks = confusion(np.asarray(said, dtype=bool), chip)
                rows.append((name, seed, chip.name, blocks, time.process_time() - started))
    return rows


def summarise(rows, method, draws=2000):
    """Pooled IoU, mean over seeds, with a 95 % interval over blocks within chips."""
    seeds = sorted({seed for name, seed, *_ in rows if name == method})
    random = np.random.default_rng(0)
    points, drawn = [], np.zeros(draws)
    for seed in seeds:
        parts = [blocks for name, s, _, blocks, _ in rows if name == method and s == seed]
        points.append(float(iou(sum(part.sum(0) for part in parts))))
        total = sum(part[random.integers(len(part), size=(draws, len(part)))].sum(1) for part in parts)
        drawn += iou(total) / len(seeds)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"iou": float(np.mean(points)), "low": float(low), "high": float(high), "by_seed": points}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", default="nano")
    parser.add_argument("--only", nargs="*", help="methods by name")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chips, left_out = read_chips(options.data)
    if len(chips) < 2:
        parser.error(f"--data must hold at least two labelled chips with radar, {options.data} has {len(chips)}")
    model = load_checkpoint(weights_path(options.weights)).model
    local = {chip.name: local_statistics(chip) for chip in chips}
    maps = {chip.name: nano_maps(model, chip) for chip in chips}
    both = {name: np.concatenate([maps[name], local[name][2:]]) for name in maps}
    methods = {
        "VH threshold": (fit_threshold, None, 1),
        "random forest, local statistics": (fit_forest, local, options.seeds),
        "small U-Net": (fit_unet, None, options.seeds),
        "linear head, local statistics": (fit_linear, local, options.seeds),
        f"ours: {options.weights} frozen + VV, VH, linear head": (fit_linear, maps, options.seeds),
        f"ours: {options.weights} frozen + local statistics, linear head": (fit_linear, both, options.seeds),
    }
    if options.only:
        methods = {name: entry for name, entry in methods.items() if any(word in name for word in options.only)}
    rows = evaluate(chips, methods, options.seeds)
    if options.csv:
        with options.csv.open("w", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(
                [
                    "method",
                    "seed",
                    "chip",
                    "true_positive",
                    "false_positive",
                    "false_negative",
                    "true_negative",
                    "cpu_s",
                ]
            )
            writer.writerows(
                [name, seed, chip, *(int(v) for v in blocks.sum(0)), round(cpu, 1)]
                for name, seed, chip, blocks, cpu in rows
            )
    if not options.json:
        print("left out:", left_out)
    for name in methods:
        row = {"name": name, **summarise(rows, name)}
        row["chips"] = {
            chip.name: round(
                float(np.mean([iou(b.sum(0)) for n, _, c, b, _ in rows if n == name and c == chip.name])), 4
            )
            for chip in chips
        }
        print(json.dumps(row) if options.json else row)


if __name__ == "__main__":
    main()
