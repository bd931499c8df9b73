"""The shipped weights: confidence is frequency on unseen simulated regions, and a radar of other units is flagged."""

import dataclasses

import numpy as np
import pytest
import torch

from flows.calibrate import FIT_SEED, STATISTICS_SEED, UNSEEN_SEED
from flows.train import labelled_scene
from flows.weights import DEMONSTRATED, weights_path
from pipelines.inference.novelty import observed_cells
from pipelines.simulate import RegionSpec
from pipelines.training.calibration import change_figures, land_cover_figures, scene_logits
from pipelines.training.calibration.novelty_fit import NoveltyConfig, Shown, fit_novelty, show
from ringmoe_core import load_checkpoint

pytestmark = pytest.mark.slow

GOAL = 0.05


def regions(first, count):
    return [labelled_scene(RegionSpec(seed=first + index, size=128)) for index in range(count)]


@pytest.fixture(scope="module")
def loaded():
    torch.set_num_threads(1)
    return load_checkpoint(weights_path(DEMONSTRATED))


@pytest.fixture(scope="module")
def unseen():
    return regions(UNSEEN_SEED, 3)


def test_confidence_is_frequency(loaded, unseen):
    logits = [scene_logits(loaded.model, scene) for scene in unseen]
    metadata = loaded.metadata
    assert land_cover_figures(logits, metadata.land_cover_temperature).error <= GOAL
    assert change_figures(logits, metadata.change_temperature).error <= GOAL
    assert land_cover_figures(logits, 3.0).error > GOAL, "the measure would see a model that is not"


def test_radar_in_amplitude_is_flagged_and_what_is_usual_is_not(loaded, unseen):
    config = NoveltyConfig(draws=3)
    novelty = fit_novelty(loaded.model, loaded.sha256, regions(STATISTICS_SEED, 3), regions(FIT_SEED, 2), config)
    shown = list(show(loaded.model, unseen, config, seed=7))
    half = []
    for entry in shown:
        if "sar_l2" not in entry.series:
            continue
        radar = entry.series["sar_l2"]
        mean = torch.tensor([-11.0, -18.0])[:, None, None]
        decibels = (radar.pixels_BTCHW * 5 + mean) / 2  # the square root of power, as amplitude is
        kept = radar.valid_BTHW[:, :, None] & radar.present_BTC[..., None, None]
        made = dataclasses.replace(radar, pixels_BTCHW=torch.where(kept, (decibels - mean) / 5, 0.0))
        series = {**entry.series, "sar_l2": made}
        groups = torch.ones(1, 1, sum(part.num_dates for part in series.values()), dtype=torch.bool)
        with torch.inference_mode():
            half.append(Shown(series=series, fused=loaded.model.fuse(loaded.model.encode(series), groups)))

    def told(entries):
        cells = [novelty.cells(e.fused, e.series)[observed_cells(e.fused, novelty.level)] for e in entries]
        return np.concatenate(cells)

    assert (told(shown) > 99).mean() < 0.15
    assert (told(half) > 95).mean() > 0.7
