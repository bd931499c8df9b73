"""Whether confidence is frequency, and whether unfamiliar input is told, on simulated regions that trained nothing.

    python benchmarks/calibration.py [--json] [--weights nano nano-dense] [--held-out 6] [--unseen 10] [--statistics 16]

Temperatures, the threshold and the statistics of novelty are fitted on regions 60000 and after (means and envelope on
the training's own from 1000), figures are of regions 95000 and after; nothing is written. Novelty is shown the same
windows made strange: a radar of other units, light of another kind, snow, bands in the wrong order or that no training
drew. AUROC is of 16 x 16 pixel cells, strange against as they were.
"""

import argparse
import json
import time
from itertools import chain

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from flows.calibrate import FIT_SEED, STATISTICS_SEED, UNSEEN_SEED
from flows.train import render_one
from flows.weights import weights_path
from pipelines.inference.channels import CONVENTIONS, MS_BANDS, REFLECTANCE_MAX, REFLECTANCE_MIN, SAR_BANDS
from pipelines.inference.novelty import observed_cells
from pipelines.training.calibration import change_figures, fit_temperatures, land_cover_figures, scene_logits
from pipelines.training.calibration.measure import Temperatures
from pipelines.training.calibration.novelty_fit import NoveltyConfig, Shown, fit_novelty, show, with_bands
from ringmoe_core import Series, load_checkpoint

SNOW = (0.85, 0.85, 0.85, 0.83, 0.82, 0.82, 0.80, 0.80, 0.12, 0.10)
"""Reflectance of fresh snow in the ten bands, from the visible to the short-wave infrared (Dozier 1989, figure 1)."""

AIR = (0.10, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.01, 0.0)
"""About what Rayleigh scattering and haze add at the top of the atmosphere."""

LANDSAT = (0, 1, 2, 7, 8, 9)


def constants(bands):
    table = [(CONVENTIONS[band].mean, CONVENTIONS[band].std) for band in bands]
    return torch.tensor(table)[:, :, None, None].unbind(1)


def changed(series, name, of_physical):
    """The series with one modality's physical values changed; untouched where it is absent."""
    if name not in series:
        return series
    part, (mean, std) = series[name], constants(MS_BANDS if name == "ms" else SAR_BANDS)
    low, high = (REFLECTANCE_MIN, REFLECTANCE_MAX) if name == "ms" else (-40.0, 60.0)
    values = (of_physical(part.pixels_BTCHW * std + mean).clamp(low, high) - mean) / std
    usable = part.valid_BTHW[:, :, None] & part.present_BTC[..., None, None]
    made = Series(
        pixels_BTCHW=torch.where(usable, values, torch.zeros(())), valid_BTHW=part.valid_BTHW,
        present_BTC=part.present_BTC, day_BT=part.day_BT, age_BT=part.age_BT,
    )  # fmt: skip
    return {**series, name: made}


def landsat(series):
    kept = np.isin(np.arange(len(MS_BANDS)), LANDSAT)
    return {**series, "ms": with_bands(series["ms"], kept)} if "ms" in series else series


def tensor(values):
    return torch.tensor(values)[:, None, None]


STRANGE = {
    "radar amplitude for power (half the dB)": lambda s: changed(s, "sar_l2", lambda v: v / 2),
    "radar 6 dB too bright": lambda s: changed(s, "sar_l2", lambda v: v + 6),
    "reflectance 0.1 too high (offset left in)": lambda s: changed(s, "ms", lambda v: v + 0.1),
    "reflectance doubled": lambda s: changed(s, "ms", lambda v: v * 2),
    "snow over 60 % of each pixel": lambda s: changed(s, "ms", lambda v: 0.4 * v + 0.6 * tensor(SNOW)),
    "top of atmosphere": lambda s: changed(s, "ms", lambda v: 0.8 * v + tensor(AIR)),
    "bands in reverse order": lambda s: changed(s, "ms", lambda v: v.flip(-3)),
    "Landsat's bands": landsat,
    "radar smoothed 7 x 7": lambda s: changed(
        s, "sar_l2", lambda v: torch.nn.functional.avg_pool2d(v.flatten(0, 1), 7, 1, 3).reshape(v.shape)
    ),
}


def regions(first, count):
    return [render_one(seed) for seed in range(first, first + count)]


def cells(novelty, shown):
    """(novelty by statistics, whether the rules alone flag) of the observed cells."""
    told, ruled = [], []
    for entry in shown:
        seen = observed_cells(entry.fused, novelty.level)
        told.append(novelty.cells(entry.fused, entry.series)[seen])
        yes = {name: np.ones(part.num_dates, bool) for name, part in entry.series.items()}
        observed = sum(part.valid_BTHW.sum(1) for part in entry.series.values()).numpy() > 0
        ruled.append(float((novelty.rule_share(entry.series, yes)[observed] > 99).mean()))
    return np.concatenate(told), float(np.mean(ruled))


def reshow(model, shown, change):
    for entry in shown:
        series = change(entry.series)
        if all(series[name] is entry.series[name] for name in series):
            continue
        groups = torch.ones(1, 1, sum(part.num_dates for part in series.values()), dtype=torch.bool)
        with torch.inference_mode():
            yield Shown(series=series, fused=model.fuse(model.encode(series), groups))


def calibration_rows(name, model, held_out, unseen):
    fitted = fit_temperatures([scene_logits(model, scene) for scene in held_out])
    logits = [scene_logits(model, scene) for scene in unseen]
    sar, ms = ([scene_logits(model, scene, modalities=(only,)) for scene in unseen] for only in ("sar_l2", "ms"))
    for state, at in (("before", Temperatures()), ("after", fitted)):
        for shown, given in (("both sensors", logits), ("radar alone", sar), ("optical alone", ms)):
            for task, figures in (("land cover", land_cover_figures), ("change", change_figures)):
                temperature = at.land_cover if task == "land cover" else at.change
                found = figures(given, temperature)
                yield {
                    "name": f"{name}, {task}, {shown}, {state}", "ours": round(found.error, 4), "unit": "ECE",
                    "low": round(found.interval[0], 4), "high": round(found.interval[1], 4),
                    "ece_equal_mass": round(found.error_mass, 4), "brier": round(found.brier, 4),
                    "nll": round(found.negative_log_likelihood, 4), "temperature": round(temperature, 3),
                    "scenes": len(given),
                }  # fmt: skip


def novelty_rows(name, loaded, training, held_out, unseen):
    config = NoveltyConfig()
    novelty = fit_novelty(loaded.model, loaded.sha256, training, held_out, config)
    shown = list(show(loaded.model, unseen, config, seed=7))
    usual, _ = cells(novelty, shown)
    yield {"name": f"{name}, novelty above 99, as they were", "ours": round(float((usual > 99).mean()), 4), "unit": "1"}
    for what, change in STRANGE.items():
        strange, ruled = cells(novelty, reshow(loaded.model, shown, change))
        truth = np.concatenate([np.zeros(len(usual)), np.ones(len(strange))])
        area = roc_auc_score(truth, np.concatenate([usual, strange]))
        row = {"name": f"{name}, novelty, {what}", "ours": round(float(area), 4), "unit": "AUROC"}
        yield row | {"above_99": round(float((strange > 99).mean()), 4), "flagged_by_rule": round(ruled, 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--weights", nargs="+", default=["nano", "nano-dense"])
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--unseen", type=int, default=10)
    parser.add_argument("--statistics", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    held_out, unseen = regions(FIT_SEED, options.held_out), regions(UNSEEN_SEED, options.unseen)
    training = regions(STATISTICS_SEED, options.statistics)
    for name in options.weights:
        started = time.process_time()
        loaded = load_checkpoint(weights_path(name))
        rows = chain(
            calibration_rows(name, loaded.model, held_out, unseen),
            novelty_rows(name, loaded, training, held_out, unseen),
        )
        for row in rows:
            print(json.dumps(row) if options.json else row, flush=True)
        if not options.json:
            print(f"{name}: {time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
