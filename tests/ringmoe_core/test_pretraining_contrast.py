"""Contrast: which images are paired, and that pairing teaches likeness."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pretrain_batches import make_batch

from ringmoe_core import RingMoE
from ringmoe_core.pretraining import PretrainConfig, Pretrainer
from ringmoe_core.pretraining.contrast import bounded
from ringmoe_core.pretraining.pair_dates import nearest_dates

pytestmark = pytest.mark.usefixtures("one_thread")


def dated(name, days, *, live=None, ages=True):
    """A series of one place whose images lie so many days before the reference."""
    one = make_batch((name,), places=1, dates=len(days), size=(8, 8), invalid=0.0).series[name]
    years = torch.tensor([days]) / 365.25
    if live is not None:
        one.valid_BTHW[:] = torch.tensor(live)[None, :, None, None]
    return replace(one, age_BT=years if ages else None, day_BT=(0.5 - years) % 1)


@pytest.mark.parametrize(
    ("first", "second", "pair"),
    [
        ([0.0], [2.0], (0, 0)),
        ([0.0], [3.0], (0, 0)),
        ([0.0], [3.2], None),
        ([10.0, 4.0], [0.0, 5.0, 11.5], (1, 1)),
        ([0.0], [365.25], None),
    ],
)
def test_nearest_images_within_three_days_are_a_pair(first, second, pair):
    pairs = nearest_dates(dated("ms", first), dated("sar_l2", second), 3.0)
    found = list(zip(pairs.row_N.tolist(), pairs.first_N.tolist(), pairs.second_N.tolist(), strict=True))
    assert found == ([] if pair is None else [(0, *pair)])


def test_images_without_data_are_not_paired():
    first = dated("ms", [10.0, 4.0], live=[True, False])
    assert nearest_dates(first, dated("sar_l2", [5.0]), 3.0).row_N.tolist() == []
    one = dated("ms", [4.0])
    gone = replace(one, present_BTC=torch.zeros_like(one.present_BTC))
    assert nearest_dates(gone, dated("sar_l2", [4.0]), 3.0).row_N.tolist() == []


def test_without_ages_the_day_of_the_year_decides_over_new_year():
    late, early = dated("ms", [183.5], ages=False), dated("sar_l2", [182.0], ages=False)
    assert float(late.day_BT) > 0.99
    assert float(early.day_BT) < 0.01
    assert nearest_dates(late, early, 3.0).row_N.tolist() == [0]
    assert nearest_dates(late, early, 1.0).row_N.tolist() == []


def contrastive(small_config, kind, **config):
    return Pretrainer(
        RingMoE(small_config, seed=1),
        PretrainConfig(masked_weight=0.0, contrastive=kind, contrastive_weight=1.0, **config),
    )


@pytest.mark.parametrize("kind", ["info_nce", "sigmoid"])
def test_rows_of_one_place_are_no_negatives(small_config, kind):
    trained = contrastive(small_config, kind)
    batch = make_batch(("ms", "sar_l2"), places=4)
    apart = trained(replace(batch, place_B=torch.tensor([0, 1, 2, 3]))).terms["contrastive"]
    assert trained(batch).terms["contrastive"] == apart
    together = trained(replace(batch, place_B=torch.tensor([0, 0, 2, 2]))).terms["contrastive"]
    assert together < apart
    if kind == "info_nce":
        alone = trained(replace(batch, place_B=torch.zeros(4, dtype=torch.long))).terms["contrastive"]
        assert alone == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["info_nce", "sigmoid"])
def test_one_modality_alone_has_nothing_to_contrast(small_config, kind):
    losses = contrastive(small_config, kind)(make_batch(("ms",)))
    losses.total.backward()
    assert "contrastive" not in losses.terms


@pytest.mark.parametrize("kind", ["info_nce", "sigmoid"])
def test_training_finds_the_partner_of_each_place(small_config, kind):
    # the ground of a place is one number that both modalities show
    trained = contrastive(small_config, kind, balance_weight=0.0, z_weight=0.0)
    level = torch.linspace(-1.5, 1.5, 6).reshape(6, 1, 1, 1, 1)
    batch = make_batch(("ms", "sar_l2"), places=6, size=(16, 16), invalid=0.0)
    series = {
        name: replace(one, pixels_BTCHW=level.expand_as(one.pixels_BTCHW) * sign + 0.1 * one.pixels_BTCHW)
        for (name, one), sign in zip(batch.series.items(), (1.0, -1.0), strict=True)
    }
    batch = replace(batch, series=series)
    optimiser = torch.optim.AdamW(trained.parameters(), lr=3e-3)
    first = trained(batch).terms["contrastive"]
    for _ in range(40):
        optimiser.zero_grad()
        trained(batch).total.backward()
        optimiser.step()
    assert trained(batch).terms["contrastive"] < 0.25 * first


def test_temperature_stays_below_its_bound(small_config):
    trained = contrastive(small_config, "info_nce")
    batch = make_batch(("ms", "sar_l2"), places=4)
    with torch.no_grad():
        trained.contrast.log_scale.fill_(4.7)
    bounded = trained(batch).terms["contrastive"]
    with torch.no_grad():
        trained.contrast.log_scale.fill_(50.0)
    assert trained(batch).terms["contrastive"] == pytest.approx(bounded, rel=1e-6)


def test_the_scale_comes_back_from_beyond_its_bound():
    for start, slope, wanted in ((2.0, 3.0, 3.0), (6.0, 3.0, 3.0), (6.0, -3.0, 0.0), (2.0, -3.0, -3.0)):
        value = torch.tensor(start, requires_grad=True)
        found = bounded(value, 4.6)
        (slope * found).backward()
        assert float(found.detach()) == pytest.approx(min(start, 4.6))
        assert float(value.grad) == wanted
