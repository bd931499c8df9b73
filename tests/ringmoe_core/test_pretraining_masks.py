"""Masks: how much, of what, and always the same."""

from __future__ import annotations

import math

import pytest
import torch
from pretrain_batches import make_batch

from ringmoe_core import MODALITIES
from ringmoe_core.pretraining import PretrainConfig, draw_masks, unit_for
from ringmoe_core.pretraining.hide import hidden_cells, hidden_pixels, without


def test_the_papers_image_hides_22_of_36_units():
    masks = draw_masks(50, (192, 192), ratio=0.6, unit=32, seed=(0,))
    assert masks.sum((1, 2)).tolist() == [22 * 32 * 32] * 50
    units = masks.reshape(50, 6, 32, 6, 32)
    assert bool((units.all(4).all(2) == units.any(4).any(2)).all())  # whole units


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        ((192, 192), 32),
        ((256, 200), 32),
        ((191, 300), 16),
        ((128, 128), 16),
        ((96, 96), 16),
        ((64, 64), 8),
        ((32, 16), 8),
    ],
)
def test_units_are_8_to_16_px_below_192(size, unit):
    assert unit_for(size) == unit


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.55, 0.6, 0.75, 0.99])
@pytest.mark.parametrize("size", [(64, 64), (80, 40), (80, 80)])
def test_share_is_rounded_up_to_whole_units(ratio, size):
    masks = draw_masks(7, size, ratio=ratio, unit=8, seed=(1, 2))
    num = size[0] * size[1] // 64
    wanted = -(-round(ratio * 100) * num // 100)  # whole numbers: 0.55 x 100 is no hair above 55
    assert (masks.sum((1, 2)) // 64).tolist() == [wanted] * 7


def test_units_at_the_edge_are_cut():
    masks = draw_masks(200, (20, 13), ratio=0.5, unit=8, seed=(0,))
    assert masks.shape == (200, 20, 13)
    corner = masks[:, 16:, 8:].flatten(1)
    assert bool((corner.all(1) == corner.any(1)).all())


def test_every_unit_is_hidden_equally_often_and_images_differ():
    masks = draw_masks(4000, (64, 64), ratio=0.6, unit=16, seed=(5,))[:, ::16, ::16].flatten(1).double()
    assert masks.mean(0).sub(10 / 16).abs().max() < 4 * math.sqrt(0.25 / 4000)
    assert len({tuple(row) for row in masks[:100].tolist()}) > 90
    # without replacement: pairs are hidden together as often as 10 of 16 drawn at once are
    together = (masks[:, 0] * masks[:, 5]).mean()
    assert abs(float(together) - 10 / 16 * 9 / 15) < 4 * math.sqrt(0.25 / 4000)


def test_equal_seeds_draw_equal_masks_and_others_do_not():
    one, two, other = (draw_masks(4, (64, 64), ratio=0.6, unit=8, seed=seed) for seed in ((3, 1), (3, 1), (4, 1)))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_modalitys_masks_do_not_depend_on_what_else_is_there():
    config = PretrainConfig(mask_together=())
    every = hidden_pixels(make_batch().series, config, MODALITIES, 7)
    alone = hidden_pixels(make_batch(("sar_l2",)).series, config, MODALITIES, 7)
    assert torch.equal(every["sar_l2"], alone["sar_l2"])
    assert len({tuple(mask.flatten().tolist()) for mask in every.values()}) == 4
    assert not torch.equal(every["ms"][0], every["ms"][1])


def test_modalities_that_may_show_one_measurement_hide_the_same_places():
    batch = make_batch(("optical", "ms", "sar_l2"))
    hidden = hidden_pixels(batch.series, PretrainConfig(), MODALITIES, 7)
    assert torch.equal(hidden["optical"], hidden["ms"])
    assert not torch.equal(hidden["optical"], hidden["sar_l2"])
    alone = hidden_pixels({"ms": batch.series["ms"]}, PretrainConfig(), MODALITIES, 7)
    assert torch.equal(hidden["ms"], alone["ms"])


def test_hidden_pixels_become_invalid_and_no_data_gets_no_token():
    series = make_batch(("ms",), invalid=0.0).series["ms"]
    series.valid_BTHW[0, 0, :8, :8] = False
    hidden = torch.zeros_like(series.valid_BTHW)
    hidden[..., :16, :16] = True
    hidden[..., 16:18, 16:20] = True  # half a patch
    shown = without(series, hidden)
    assert torch.equal(shown.valid_BTHW, series.valid_BTHW & ~hidden)
    cells = hidden_cells(series, hidden, 4)
    wanted = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    wanted[..., :4, :4] = True
    wanted[0, 0, :2, :2] = False  # nothing was there to hide
    assert torch.equal(cells, wanted)
