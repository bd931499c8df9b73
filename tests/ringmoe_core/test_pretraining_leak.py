"""Nothing of a hidden pixel reaches a prediction: neither through patches nor full-resolution features nor fusion."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pretrain_batches import make_batch

from ringmoe_core import RingMoE
from ringmoe_core.pretraining import PretrainBatch, PretrainConfig, Pretrainer

pytestmark = pytest.mark.usefixtures("one_thread")

VARIANTS = {
    "modern": {},
    "told": {"masks_attention": True, "encodes_acquisition": True},
    "spectral": {"embedding": "spectral", "attention": "cosine"},
    "paper": {"style": "paper"},
}


def pretrainer(small_config, enliven, variant, **config):
    model = enliven(RingMoE(replace(small_config, **VARIANTS[variant]), seed=1))
    return Pretrainer(model, PretrainConfig(**config)).eval()


def changed(batch: PretrainBatch, where) -> PretrainBatch:
    """Pixels and physical values replaced by something else at `where`, a mask by modality."""
    generator = torch.Generator().manual_seed(99)
    series, physical = {}, {}
    for name, one in batch.series.items():
        mask = where[name][:, :, None]
        noise = 5 * torch.randn(one.pixels_BTCHW.shape, generator=generator)
        series[name] = replace(one, pixels_BTCHW=torch.where(mask, noise, one.pixels_BTCHW))
        other = batch.physical[name].roll(1, -1) * 3
        physical[name] = torch.where(mask, other, batch.physical[name])
    return replace(batch, series=series, physical=physical)


@pytest.mark.parametrize("hide", ["token", "missing"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_hidden_pixels_change_no_prediction(small_config, enliven, variant, hide):
    for cross_modal in (False, True):
        trained = pretrainer(small_config, enliven, variant, hide=hide, cross_modal=cross_modal)
        batch = make_batch(dates=2, size=(32, 40))
        hidden = trained.hidden_pixels(batch)
        before = trained.reconstruct(batch)
        after = trained.reconstruct(changed(batch, hidden))
        assert set(before) == set(batch.series)
        for name in before:
            assert torch.equal(before[name], after[name]), name
        visible = trained.reconstruct(changed(batch, {name: ~mask for name, mask in hidden.items()}))
        for name in before:
            assert not torch.allclose(before[name], visible[name], rtol=1e-3), name


@pytest.mark.parametrize("hide", ["token", "missing"])
def test_one_visible_pixel_at_the_edge_of_a_hidden_unit_is_seen_alone(small_config, enliven, hide):
    # the pixel beside it, hidden, is not: 3 x 3 filters at full resolution straddle the two
    trained = pretrainer(small_config, enliven, "modern", hide=hide, cross_modal=True)
    batch = make_batch(("sar_l2", "ms"), invalid=0.0)
    hidden = trained.hidden_pixels(batch)
    mask = hidden["ms"][0, 0]
    edge = (mask[:, 1:] & ~mask[:, :-1]).nonzero()[0]
    row, column = int(edge[0]), int(edge[1])
    before = trained.reconstruct(batch)
    for offset, seen in ((0, True), (1, False)):
        where = {name: torch.zeros_like(one) for name, one in hidden.items()}
        where["ms"][0, 0, row, column + offset] = True
        after = trained.reconstruct(changed(batch, where))
        assert (not torch.equal(before["ms"], after["ms"])) == seen
        assert (not torch.equal(before["sar_l2"], after["sar_l2"])) == seen  # by way of fusion


@pytest.mark.parametrize("hide", ["token", "missing"])
def test_no_gradient_reaches_a_hidden_pixel(small_config, enliven, hide):
    trained = pretrainer(small_config, enliven, "modern", hide=hide, cross_modal=True, contrastive="info_nce")
    batch = make_batch(("optical", "sar_l2"))
    pixels = {name: one.pixels_BTCHW.clone().requires_grad_() for name, one in batch.series.items()}
    series = {name: replace(one, pixels_BTCHW=pixels[name], check_values=False) for name, one in batch.series.items()}
    trained(replace(batch, series=series)).total.backward()
    hidden = trained.hidden_pixels(batch)
    for name, leaf in pixels.items():
        slope = leaf.grad.abs().sum(2)
        shown = batch.series[name].valid_BTHW & ~hidden[name]
        assert bool((slope[~shown] == 0).all())
        assert float((slope[shown] > 0).float().mean()) > 0.99


def test_without_fusion_another_modality_has_no_part_in_a_prediction(small_config, enliven):
    batch = make_batch()
    where = {name: torch.full_like(one.valid_BTHW, name == "ms") for name, one in batch.series.items()}
    for cross_modal in (False, True):
        trained = pretrainer(small_config, enliven, "modern", cross_modal=cross_modal)
        before, after = trained.reconstruct(batch), trained.reconstruct(changed(batch, where))
        for name in ("optical", "sar_l1", "sar_l2"):
            assert torch.equal(before[name], after[name]) != cross_modal
        assert not torch.equal(before["ms"], after["ms"])


def test_truth_of_visible_pixels_does_not_enter_the_masked_terms(small_config, enliven):
    trained = pretrainer(small_config, enliven, "modern")
    batch = make_batch()
    hidden = trained.hidden_pixels(batch)
    for part, same in (({n: ~m for n, m in hidden.items()}, True), (hidden, False)):
        other = replace(batch, physical=changed(batch, part).physical)
        before, after = trained(batch).terms, trained(other).terms
        for name in ("optical", "sar_l1", "sar_l2", "ms", "ms.angle"):
            assert (before[name] == after[name]) == same, name


def test_missing_truth_and_clouds_are_left_out(small_config, enliven):
    trained = pretrainer(small_config, enliven, "modern")
    batch = make_batch()
    garbage = {}
    for name, values in batch.physical.items():
        known = batch.series[name].valid_BTHW[:, :, None]
        garbage[name] = torch.where(known, values, torch.full_like(values, 1e6))
    before, after = trained(batch).terms, trained(replace(batch, physical=garbage)).terms
    assert before == after
