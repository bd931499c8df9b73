from __future__ import annotations

import numpy as np
import pytest
import torch
from labelled_scene import scene

from pipelines.training.chips import BAND_SUBSETS, ChipConfig, ChipSampler
from pipelines.training.scene_arrays import IGNORE

PLAIN = ChipConfig(
    size=32, batch=4, one_modality=0, band_subset=0, unmasked=0, date_dropout=0, reflectance_gain=0, power_offset_db=0
)


def batches(config: ChipConfig, *, seed: int = 0, count: int = 6):
    sampler = ChipSampler([scene(0), scene(1)], config, seed=seed)
    return [sampler.draw() for _ in range(count)]


def test_the_same_seed_draws_the_same_chips():
    first, second = batches(PLAIN, seed=3)[-1], batches(PLAIN, seed=3)[-1]
    assert torch.equal(first.series["ms"].pixels_BTCHW, second.series["ms"].pixels_BTCHW)
    assert torch.equal(first.change_BHW, second.change_BHW)


def test_another_seed_draws_other_chips():
    first, second = batches(PLAIN, seed=3)[0], batches(PLAIN, seed=4)[0]
    assert not torch.equal(first.series["ms"].pixels_BTCHW, second.series["ms"].pixels_BTCHW)


def test_pixels_and_labels_turn_together():
    for batch in batches(PLAIN):
        ms = batch.series["ms"]
        written_BTHW = (ms.pixels_BTCHW[:, :, 0] / 2).round().long()
        label_BTHW = batch.land_cover_BHW[:, None].expand_as(written_BTHW)
        usable = ms.valid_BTHW & (label_BTHW != IGNORE)
        assert usable.any()
        assert torch.equal(written_BTHW[usable], label_BTHW[usable])


def test_what_is_not_valid_is_zero():
    for batch in batches(PLAIN):
        for series in batch.series.values():
            hidden = ~series.valid_BTHW[:, :, None].expand_as(series.pixels_BTCHW)
            assert (series.pixels_BTCHW[hidden] == 0).all()


def test_change_is_seen_between_its_groups():
    """Where a chip is labelled as changed, the planted mark is absent before the split and present after it."""
    found = 0
    for batch in batches(PLAIN, count=20):
        ms, groups = batch.series["ms"], batch.membership_BGT
        num_dates = ms.pixels_BTCHW.shape[1]
        for place in range(ms.num_places):
            changed = batch.change_BHW[place] == 1
            if not changed.any():
                continue
            found += 1
            for date in range(num_dates):
                mark = ms.pixels_BTCHW[place, date, 1][changed & ms.valid_BTHW[place, date]]
                if groups[place, 1, date]:
                    assert (mark == -1).all()
                if groups[place, 2, date]:
                    assert (mark == 2).all()
    assert found > 5


def test_groups_hold_the_same_dates_of_both_sensors():
    for batch in batches(PLAIN):
        num_dates = batch.series["ms"].num_dates
        assert torch.equal(batch.membership_BGT[..., :num_dates], batch.membership_BGT[..., num_dates:])
        assert batch.membership_BGT[:, 0].all()
        assert (batch.membership_BGT[:, 1:].sum(-1) >= 2).all()
        assert not (batch.membership_BGT[:, 1] & batch.membership_BGT[:, 2]).any()


def test_age_is_zero_at_the_newest_date():
    for batch in batches(PLAIN):
        newest = torch.minimum(batch.series["ms"].age_BT.amin(1), batch.series["sar_l2"].age_BT.amin(1))
        assert torch.allclose(newest, torch.zeros_like(newest))


def test_one_sensor_is_left_out_as_often_as_asked():
    config = ChipConfig(size=32, batch=16, one_modality=0.5, date_dropout=0)
    lost = [
        (not series.valid_BTHW[place].any())
        for batch in batches(config, count=20)
        for series in batch.series.values()
        for place in range(series.num_places)
    ]
    assert 0.18 < np.mean(lost) < 0.32


def test_band_subsets_are_what_users_bring():
    config = ChipConfig(size=32, batch=8, band_subset=1.0)
    allowed = {tuple(sorted(subset)) for subset in BAND_SUBSETS}
    for batch in batches(config):
        for present in batch.series["ms"].present_BTC[:, 0]:
            assert tuple(torch.nonzero(present)[:, 0].tolist()) in allowed


def test_a_gain_acts_on_reflectance():
    """Reflectance 0 stays 0 under any gain: in normalised units it lies at -mean / std."""
    from pipelines.inference.channels import CONVENTIONS, MS_BANDS

    place = scene(0)
    zero = np.array([-CONVENTIONS[band].mean / CONVENTIONS[band].std for band in MS_BANDS], np.float32)
    place.ms.pixels[:] = zero[:, None, None]
    config = ChipConfig(size=32, batch=4, one_modality=0, band_subset=0, date_dropout=0, reflectance_gain=0.2)
    batch = ChipSampler([place], config, seed=0).draw()
    ms = batch.series["ms"]
    values = ms.pixels_BTCHW.permute(0, 1, 3, 4, 2)[ms.valid_BTHW]
    assert torch.allclose(values, torch.from_numpy(zero).expand_as(values), atol=5e-3)


@pytest.mark.parametrize("name", ["ms", "sar_l2"])
def test_padding_never_carries_a_nan(name):
    for batch in batches(ChipConfig(size=32, batch=4)):
        assert torch.isfinite(batch.series[name].pixels_BTCHW).all()
