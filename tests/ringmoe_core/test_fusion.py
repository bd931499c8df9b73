from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ringmoe_core import RingMoE

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def shuffled(series, order):
    return replace(
        series,
        pixels_BTCHW=series.pixels_BTCHW[:, order],
        valid_BTHW=series.valid_BTHW[:, order],
        present_BTC=series.present_BTC[:, order],
        day_BT=series.day_BT[:, order],
    )


def test_order_of_images_does_not_matter(small_model, make_series):
    series = {"sar_l2": make_series("sar_l2", dates=2), "ms": make_series("ms", dates=4)}
    member = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0)) > 0.4
    order = [2, 0, 3, 1]
    other = {"ms": shuffled(series["ms"], order), "sar_l2": series["sar_l2"]}
    first = small_model(series, member)
    second = small_model(other, member[:, :, [0, 1, *(2 + index for index in order)]])
    torch.testing.assert_close(first, second, **CLOSE)


def test_groups_are_batched_group_fastest_and_see_their_members_only(small_model, make_series):
    series = make_series("ms", dates=4)
    member = torch.tensor(
        [[[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]], [[1, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]]]
    ).bool()
    fused = small_model.fuse(small_model.encode({"ms": series}), member)
    for place in range(2):
        for group in range(3):
            part = shuffled(series, member[place, group].nonzero()[:, 0].tolist())
            alone = small_model.fuse(
                small_model.encode({"ms": part}), torch.ones(2, 1, part.num_dates, dtype=torch.bool)
            )
            for every, mine in zip(fused.levels, alone.levels, strict=True):
                torch.testing.assert_close(every[place * 3 + group], mine[place], **CLOSE)
            torch.testing.assert_close(fused.count_NHW[place * 3 + group], part.valid_BTHW.float().sum(1)[place])


def test_fusion_equals_the_obvious_weighted_mean_and_spread(small_model, make_series):
    """One level, cell by cell, in float64."""
    features = small_model.encode({"ms": make_series("ms", places=1, dates=5, size=(8, 8), invalid=0.3)})
    member = torch.tensor([[[True, True, False, True, True]]])
    fused = small_model.fuse(features, member).levels[0][0]
    level = small_model.fusion.levels[0]
    inputs = small_model.fusion._inputs(features)
    hidden = level.projection(features.levels[0][0].permute(0, 2, 3, 1)) + level.context(inputs)[0][:, None, None]
    value, score = hidden.double().split((8, 4), -1)
    value = torch.nn.functional.gelu(value)
    for row, column in ((0, 0), (3, 6), (7, 7)):
        keep = [t for t in (0, 1, 3, 4) if features.weights[0][0, t, row, column] > 0]
        weight = torch.exp(8 * torch.tanh(score[keep, row, column] / 8)).repeat_interleave(2, dim=-1)
        mean = (weight * value[keep, row, column]).sum(0) / weight.sum(0)
        variance = (weight * (value[keep, row, column] - mean) ** 2).sum(0) / weight.sum(0)
        spread = torch.sqrt(variance + 1e-4) - 1e-2
        summary = torch.cat([mean, spread, torch.tensor([len(keep)]).double().log1p()]).float()
        expected = torch.nn.functional.gelu(level.output(summary))
        torch.testing.assert_close(fused[:, row, column], expected, rtol=1e-4, atol=1e-4)


def test_unseen_pixels_get_the_learnt_vector(small_model, make_series):
    series = make_series("ms", invalid=0)
    valid = series.valid_BTHW.clone()
    valid[:, :, :8, :8] = False
    features = small_model.encode({"ms": replace(series, valid_BTHW=valid)})
    fused = small_model.fuse(features, torch.tensor([[[True, True, True], [False, False, False]]] * 2))
    for index, level in enumerate(fused.levels):
        nothing = small_model.fusion.levels[index].nothing_F
        torch.testing.assert_close(level[1::2], nothing[None, :, None, None].expand_as(level[1::2]))
    corner = fused.levels[0][0, :, :8, :8]
    torch.testing.assert_close(corner, small_model.fusion.levels[0].nothing_F[:, None, None].expand_as(corner))
    assert (fused.count_NHW[1::2] == 0).all()
    assert small_model.decode(fused).isfinite().all()


def test_gradients_are_finite_with_empty_groups_and_unseen_pixels(small_model, make_series):
    series = make_series("ms", invalid=0.8)
    valid = series.valid_BTHW.clone()
    valid[:, :, :9] = False
    member = torch.tensor([[[True, False, True], [False, False, False]]] * 2)
    small_model({"ms": replace(series, valid_BTHW=valid)}, member).square().sum().backward()
    gradients = [parameter.grad for parameter in small_model.parameters() if parameter.grad is not None]
    assert len(gradients) > 50
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_day_and_age_are_seen(small_model, make_series):
    series = make_series("ms")
    member = torch.ones(2, 1, 3, dtype=torch.bool)
    base = small_model({"ms": series}, member)
    later = small_model({"ms": replace(series, day_BT=(series.day_BT + 0.5) % 1)}, member)
    older = small_model({"ms": replace(series, age_BT=torch.tensor([[0.5, 0.2, 0.0]] * 2))}, member)
    present = small_model({"ms": replace(series, age_BT=torch.zeros(2, 3))}, member)
    assert not torch.allclose(base, later, atol=1e-3)
    assert not torch.allclose(base, older, atol=1e-3)
    assert torch.equal(base, present)


@pytest.mark.parametrize(
    "member", [torch.ones(2, 1, 3), torch.ones(2, 1, 4, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)]
)
def test_membership_that_does_not_fit_is_refused(small_model, make_series, member):
    features = small_model.encode({"ms": make_series("ms")})
    with pytest.raises(ValueError, match="membership must be bool"):
        small_model.fuse(features, member)


def test_order_of_modalities_does_not_matter(small_config, enliven, make_series):
    """Neither that of the mapping, nor that in which a configuration lists them."""
    config = replace(small_config, modalities=("sar_l2", "ms"), channels=(2, 10))
    model = enliven(RingMoE(config, seed=1))
    turned = RingMoE(replace(config, modalities=("ms", "sar_l2"), channels=(10, 2)), seed=None)
    turned.load_state_dict({name: turn(name, value) for name, value in model.state_dict().items()}, assign=True)
    radar, optical = make_series("sar_l2", dates=2), make_series("ms", dates=3)
    everything = torch.ones(2, 1, 5, dtype=torch.bool)
    with torch.no_grad():
        wanted = model({"sar_l2": radar, "ms": optical}, everything)
        assert torch.equal(model({"ms": optical, "sar_l2": radar}, everything), wanted)
        torch.testing.assert_close(turned({"ms": optical, "sar_l2": radar}, everything), wanted, atol=1e-4, rtol=1e-4)


def turn(name, value):
    """The parameter with its two modalities in the other order."""
    if ".specialised." in name:
        return value.unflatten(0, (2, -1)).flip(0).flatten(0, 1)
    if name.endswith("specialised_MSD"):
        return value.flip(0)
    if name.endswith(".context.weight"):
        return torch.cat([value[:, :-2], value[:, -2:].flip(1)], dim=1)
    return value
