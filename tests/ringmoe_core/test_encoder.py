from __future__ import annotations

from dataclasses import replace

import pytest
import torch

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def test_pyramid_has_the_stated_shapes(nano_model, make_series):
    features = nano_model.encode(
        {"ms": make_series("ms", size=(64, 64)), "sar_l2": make_series("sar_l2", dates=2, size=(64, 64))}
    )
    assert [tuple(level.shape) for level in features.levels] == [
        (2, 5, 16, 64, 64), (2, 5, 32, 16, 16), (2, 5, 64, 8, 8), (2, 5, 128, 4, 4), (2, 5, 256, 2, 2)
    ]  # fmt: skip
    assert [tuple(weight.shape) for weight in features.weights] == [
        tuple(level.shape[:2] + level.shape[3:]) for level in features.levels
    ]
    assert features.modality_BT.tolist() == [[2, 2, 3, 3, 3]] * 2  # sar_l2 stands before ms, whatever the dict's order


def test_one_modality_alone_equals_its_part_of_a_mixed_batch(small_model, make_series):
    mixed = {
        "sar_l2": make_series("sar_l2", dates=2),
        "ms": make_series("ms"),
        "optical": make_series("optical", dates=1),
    }
    whole = small_model.encode(mixed)
    start = 0
    for name in ("optical", "sar_l2", "ms"):
        alone = small_model.encode({name: mixed[name]})
        stop = start + mixed[name].num_dates
        for mine, every in zip(alone.levels, whole.levels, strict=True):
            torch.testing.assert_close(mine, every[:, start:stop], **CLOSE)
        start = stop


def test_invalid_pixels_and_absent_bands_have_no_influence(small_model, make_series):
    series = make_series("ms", invalid=0.3)
    present = series.present_BTC.clone()
    present[:, :, 4] = False
    series = replace(series, present_BTC=present)
    pixels = series.pixels_BTCHW.clone()
    pixels[:, :, 4] = float("nan")
    pixels = torch.where(series.valid_BTHW[:, :, None], pixels, torch.inf)
    first = small_model.encode({"ms": series})
    second = small_model.encode({"ms": replace(series, pixels_BTCHW=pixels)})
    for one, other in zip(first.levels, second.levels, strict=True):
        assert torch.equal(one, other)


def test_absent_band_differs_from_a_band_of_zeros(small_model, make_series):
    series = make_series("ms")
    pixels, present = series.pixels_BTCHW.clone(), series.present_BTC.clone()
    pixels[:, :, 4] = 0
    present[:, :, 4] = False
    zero = small_model.encode({"ms": replace(series, pixels_BTCHW=pixels)})
    absent = small_model.encode({"ms": replace(series, pixels_BTCHW=pixels, present_BTC=present)})
    assert not torch.allclose(zero.levels[1], absent.levels[1], atol=1e-3)


def test_half_precision_pixels_are_taken(small_model, make_series):
    series = make_series("ms")
    half = small_model.encode({"ms": replace(series, pixels_BTCHW=series.pixels_BTCHW.half())})
    single = small_model.encode({"ms": replace(series, pixels_BTCHW=series.pixels_BTCHW.half().float())})
    for mine, other in zip(half.levels, single.levels, strict=True):
        assert torch.equal(mine, other)


def test_padding_images_change_nothing_and_are_zero(small_model, make_series):
    series = make_series("ms", dates=4)
    valid = series.valid_BTHW.clone()
    valid[0, 2:] = False
    valid[1, 0] = False
    padded = small_model.encode({"ms": replace(series, valid_BTHW=valid), "sar_l2": make_series("sar_l2")})
    whole = small_model.encode({"ms": series, "sar_l2": make_series("sar_l2")})
    live = valid.flatten(2).any(-1)
    for mine, every in zip(padded.levels, whole.levels, strict=True):
        torch.testing.assert_close(mine[:, :3], every[:, :3], **CLOSE)
        torch.testing.assert_close(mine[:, 3:][live], every[:, 3:][live], **CLOSE)
        assert (mine[:, 3:][~live] == 0).all()
    assert (padded.weights[0][:, 3:][~live] == 0).all()


def test_a_modality_without_a_live_image(small_model, make_series):
    dead = make_series("optical", invalid=2)
    live = make_series("ms")
    features = small_model.encode({"optical": dead, "ms": live})
    alone = small_model.encode({"ms": live})
    torch.testing.assert_close(features.levels[1][:, 3:], alone.levels[1], **CLOSE)
    assert features.routing.specialised_entropy_YM[:, 0].isnan().all()
    nothing = small_model.encode({"optical": dead})
    assert nothing.routing is None
    assert [level.shape[-3:] for level in nothing.levels] == [level.shape[-3:] for level in features.levels]


@pytest.mark.parametrize("size", [(4, 4), (36, 52), (33, 70), (1, 5)])
def test_any_size(small_model, make_series, size):
    series = {"ms": make_series("ms", size=size), "sar_l2": make_series("sar_l2", size=size)}
    logits = small_model(series, torch.ones(2, 2, 6, dtype=torch.bool))
    assert logits.shape == (4, 7, *size)
    assert logits.isfinite().all()
    dead = {"ms": replace(series["ms"], valid_BTHW=torch.zeros_like(series["ms"].valid_BTHW))}
    assert small_model(dead, torch.ones(2, 2, 3, dtype=torch.bool)).shape == (4, 7, *size)


def test_weights_are_shares_of_valid_pixels(small_model, make_series):
    series = make_series("ms", size=(16, 16), invalid=0.4)
    features = small_model.encode({"ms": series})
    coarse = features.weights[-1]
    torch.testing.assert_close(coarse[..., 0, 0], series.valid_BTHW.float().mean((2, 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {}, "at least one modality"),
        (lambda make: {"thermal": make("ms")}, "must be among"),
        (lambda make: {"sar_l2": make("ms")}, "sar_l2 has 2 channels, got 10"),
        (lambda make: {"ms": make("ms"), "sar_l2": make("sar_l2", size=(32, 36))}, "share places and size"),
    ],
)
def test_batches_that_do_not_fit_are_refused(small_model, make_series, change, message):
    with pytest.raises(ValueError, match=message):
        small_model.encode(change(make_series))


def test_bfloat16_autocast_stays_near_float32(nano_model, make_series):
    series = {"ms": make_series("ms", size=(64, 64)), "sar_l2": make_series("sar_l2", size=(64, 64))}
    member = torch.ones(2, 1, 6, dtype=torch.bool)
    with torch.no_grad():
        exact = nano_model(series, member)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = nano_model(series, member)
    assert (exact - rounded).abs().mean() < 0.05 * exact.std()
