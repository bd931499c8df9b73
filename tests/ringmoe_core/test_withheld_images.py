"""Withheld images: none of their pixels reaches a map; what is drawn; a planted course of the year is learnt."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pretrain_batches import channels_of, make_batch

from ringmoe_core import RingMoE, Series
from ringmoe_core.pretraining import PretrainBatch, WithheldConfig, WithheldImages
from ringmoe_core.pretraining.target_scale import target_scale
from ringmoe_core.pretraining.withheld_draw import draw_judged, draw_withheld

pytestmark = pytest.mark.usefixtures("one_thread")

SENSORS = ("sar_l2", "ms")


def learner(small_config, enliven=None, **config):
    model = RingMoE(small_config, seed=1)
    return WithheldImages(model if enliven is None else enliven(model), WithheldConfig(**config)).eval()


def with_pixels(batch, where):
    """Other numbers in the images (B, T) of `where`, pixels and physical values."""
    generator = torch.Generator().manual_seed(99)
    series, physical = {}, {}
    for name, one in batch.series.items():
        mask = where[name][:, :, None, None, None]
        noise = 5 * torch.randn(one.pixels_BTCHW.shape, generator=generator)
        series[name] = replace(one, pixels_BTCHW=torch.where(mask, noise, one.pixels_BTCHW))
        physical[name] = torch.where(mask, batch.physical[name] * 3, batch.physical[name])
    return replace(batch, series=series, physical=physical)


def test_nothing_of_a_withheld_image_reaches_a_prediction(small_config, enliven):
    learns = learner(small_config, enliven)
    batch = make_batch(SENSORS, places=3, dates=5)
    withheld = draw_withheld(batch.series, learns.config, batch.seed)
    before = learns.foretell(batch)
    after = learns.foretell(with_pixels(batch, withheld))
    shown = learns.foretell(with_pixels(batch, {name: ~one for name, one in withheld.items()}))
    assert set(before) == set(SENSORS)
    for name, (values, images) in before.items():
        assert torch.equal(values, after[name][0])
        assert not torch.allclose(values, shown[name][0], rtol=1e-3)
        assert bool(withheld[name].flatten()[images].all())


def test_every_place_shows_and_withholds_at_least_one_live_image():
    config = WithheldConfig()
    batch = make_batch(SENSORS, places=40, dates=3, size=(8, 8))
    dead = torch.rand(40, 3, generator=torch.Generator().manual_seed(5)) < 0.5
    series = {
        name: replace(one, valid_BTHW=one.valid_BTHW & ~dead[..., None, None]) for name, one in batch.series.items()
    }
    live = {name: one.valid_BTHW.flatten(2).any(-1) for name, one in series.items()}
    withheld = draw_withheld(series, config, 7)
    again, other = draw_withheld(series, config, 7), draw_withheld(series, config, 8)
    for place in range(40):
        number = sum(int(live[name][place].sum()) for name in SENSORS)
        gone = sum(int(withheld[name][place].sum()) for name in SENSORS)
        assert gone == 0 if number < 2 else 0 < gone < number
    for name in SENSORS:
        assert not bool((withheld[name] & ~live[name]).any())
        assert torch.equal(withheld[name], again[name])
    assert any(not torch.equal(withheld[name], other[name]) for name in SENSORS)


def test_the_share_that_is_withheld_lies_between_its_bounds():
    batch = make_batch(SENSORS, places=50, dates=10, size=(8, 8), invalid=0.0)
    withheld = draw_withheld(batch.series, WithheldConfig(least_share=0.3, most_share=0.5, whole_sensor=0.0), 1)
    share = torch.cat(list(withheld.values()), 1).float().mean(1)
    assert float(share.min()) >= 0.3
    assert float(share.max()) <= 0.5
    assert float(share.max()) > float(share.min())


def test_a_whole_sensor_may_be_withheld():
    batch = make_batch(SENSORS, places=20, dates=4, size=(8, 8))
    withheld = draw_withheld(batch.series, WithheldConfig(whole_sensor=1.0), 3)
    lost = {name: one.all(1) for name, one in withheld.items()}
    assert bool((lost["ms"] ^ lost["sar_l2"]).all())
    assert 0 < int(lost["ms"].sum()) < 20
    assert torch.equal(withheld["ms"].any(1), lost["ms"])


def test_at_most_so_many_images_of_a_place_and_sensor_are_judged():
    batch = make_batch(SENSORS, places=6, dates=9, size=(8, 8))
    withheld = draw_withheld(batch.series, WithheldConfig(), 2)
    for name, images in draw_judged(withheld, 2, 2).items():
        places, counts = np.unique(images.numpy() // 9, return_counts=True)
        wanted = {place: min(2, int(withheld[name][place].sum())) for place in range(6)}
        assert dict(zip(places.tolist(), counts.tolist(), strict=True)) == {p: n for p, n in wanted.items() if n}


def test_terms_are_the_errors_of_what_is_foretold(small_config, enliven):
    learns = learner(small_config, enliven, num_judged=9)
    batch = make_batch(SENSORS, dates=4)
    values, images = learns.foretell(batch)["ms"]
    truth, valid = batch.physical["ms"].flatten(0, 1)[images], batch.series["ms"].valid_BTHW.flatten(0, 1)[images]
    deviation = torch.tensor(target_scale("ms", 10).std)[:, None, None]
    error = ((values - truth).abs() / deviation).permute(0, 2, 3, 1)[valid].mean()
    assert learns(batch).terms["ms"] == pytest.approx(float(error), rel=1e-4)


def test_fusion_decoder_and_full_resolution_learn_too(small_config, enliven):
    learns = learner(small_config, enliven, whole_sensor=0.0)
    learns(make_batch(SENSORS, places=3, dates=6)).total.backward()
    own = ("model.fusion", "model.decoder", "model.encoder.skips.ms", "model.encoder.skips.sar_l2", "readers.ms")
    for part in own:
        slopes = [value.grad for name, value in learns.named_parameters() if name.startswith(part)]
        assert slopes
        assert sum(slope is not None and bool((slope != 0).any()) for slope in slopes) >= 0.8 * len(slopes), part


def seasons(places, dates, seed):
    """Squares of ground whose reflectance swings by an amount of their own, highest in midsummer or midwinter."""
    generator = torch.Generator().manual_seed(seed)
    swing = 0.1 * torch.randn(places, 1, 1, 4, 4, generator=generator)
    swing = swing.repeat_interleave(4, -1).repeat_interleave(4, -2)
    day = torch.arange(dates).float().expand(places, dates) / dates
    values = (0.25 + swing * torch.cos(2 * math.pi * day)[..., None, None, None]).expand(-1, -1, 10, -1, -1)
    values = values.clamp_min(0.01).contiguous()
    one = Series(
        pixels_BTCHW=channels_of("ms", values), valid_BTHW=torch.ones(places, dates, 16, 16, dtype=torch.bool),
        present_BTC=torch.ones(places, dates, 10, dtype=torch.bool), day_BT=day, age_BT=1 - day,
    )  # fmt: skip
    return PretrainBatch(series={"ms": one}, physical={"ms": values}, seed=seed)


def test_a_planted_course_of_the_year_is_foretold_better_than_by_the_mean_of_what_is_shown(small_config):
    learns = learner(small_config, spectral_angle_weight=0.0).train()
    optimiser = torch.optim.AdamW(learns.parameters(), lr=5e-3)
    for step in range(120):
        learns(seasons(6, 8, step)).total.backward()
        optimiser.step()
        optimiser.zero_grad()
    batch = seasons(12, 8, 1000)
    values, images = learns.eval().foretell(batch)["ms"]
    truth = batch.physical["ms"].flatten(0, 1)[images]
    shown = ~draw_withheld(batch.series, learns.config, batch.seed)["ms"][..., None, None, None].expand(
        batch.physical["ms"].shape
    )
    mean = (batch.physical["ms"] * shown).sum(1) / shown.sum(1)
    plain = mean[torch.div(images, 8, rounding_mode="floor")]
    assert float((values - truth).abs().mean()) < 0.8 * float((plain - truth).abs().mean())


def test_one_image_withholds_nothing_and_still_gives_a_gradient(small_config):
    learns = learner(small_config)
    losses = learns(make_batch(("ms",), dates=1))
    assert set(losses.terms) == {"balance", "z"}
    losses.total.backward()


def test_complex_radar_is_refused(small_config):
    with pytest.raises(ValueError, match="sar_l1"):
        learner(small_config)(make_batch(("sar_l1",), dates=2))
    with pytest.raises(ValueError, match="maps"):
        WithheldImages(RingMoE(replace(small_config, maps=False)), WithheldConfig())


@pytest.mark.parametrize(
    "values",
    [
        {"least_share": 0.0}, {"least_share": 0.6, "most_share": 0.5}, {"most_share": 1.0}, {"whole_sensor": 1.5},
        {"num_judged": 0}, {"reader_dim": 0}, {"ms_weight": -1.0}, {"sar_l2_looks": 0.0}, {"reflectance": "square"},
        {"z_weight": math.inf}, {"no_such_key": 1},
    ],
)  # fmt: skip
def test_configurations_that_cannot_be_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values)).split("_")[-1]):
        WithheldConfig.from_dict(values)


def test_a_configuration_survives_its_dictionary():
    config = WithheldConfig(least_share=0.1, ms_weight=2.0)
    assert WithheldConfig.from_dict(config.to_dict()) == config
