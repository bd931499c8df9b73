from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prune_models import SMALL, batch, everyone, lively
from torch.nn import functional

from ringmoe_core.prune import DistilConfig, DistilView, calibrate, densify, distillation_loss

N, P, K, C, H, W = 2, 5, 4, 3, 8, 12


def view(seed: int, *, scale: float = 1.0, **more) -> DistilView:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return scale * torch.randn(*shape, generator=generator)

    levels = draw(N, 6, H, W), draw(1, N, 7, H // 2, W // 2)  # fused; of each image
    return DistilView(
        maps_NPHW=draw(N, P, H, W),
        land_cover_NKHW=draw(1, K, H, W),
        change_NKHW=draw(N, C, H, W),
        levels=levels,
        **more,
    )


def masks(seed: int, share: float) -> dict:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator)

    return {
        "map_valid_NHW": draw(N, H, W) < share,
        "land_cover_valid_NHW": draw(1, H, W) < share,
        "change_valid_NHW": draw(N, H, W) < share,
        "level_weights": (draw(N, H, W), draw(1, N, H // 2, W // 2).round()),
    }


def test_a_perfect_student_has_no_loss_and_no_gradient():
    teacher = view(1, **masks(2, 0.6))
    student = replace(teacher, maps_NPHW=teacher.maps_NPHW.clone().requires_grad_())
    loss = distillation_loss(student, teacher, DistilConfig())
    for name in ("total", "levels", "maps", "land_cover", "change"):
        assert float(getattr(loss, name).detach()) == pytest.approx(0, abs=1e-6)
    loss.total.backward()
    assert student.maps_NPHW.grad.abs().max() == 0


def test_logit_terms_are_the_divergence_pixel_by_pixel():
    student, teacher = view(1), view(2, **masks(3, 0.4))
    loss = distillation_loss(student, teacher, DistilConfig(temperature=3.0))
    total, count = 0.0, 0
    for place in range(N):
        for row in range(H):
            for column in range(W):
                if teacher.change_valid_NHW[place, row, column]:
                    said = functional.log_softmax(student.change_NKHW[place, :, row, column] / 3, 0)
                    wanted = (teacher.change_NKHW[place, :, row, column] / 3).softmax(0)
                    total += 9 * float(functional.kl_div(said, wanted, reduction="sum"))
                    count += 1
    assert float(loss.change) == pytest.approx(total / count, rel=1e-4)


def test_feature_terms_are_relative_to_the_teachers_spread():
    """A student that says each channel's weighted mean everywhere has a loss of 1, at any scale."""
    for scale in (0.01, 1.0, 300.0):
        teacher = view(5, scale=scale, **masks(6, 0.5))
        weight = teacher.map_valid_NHW[:, None].float()
        mean = (teacher.maps_NPHW * weight).sum((0, 2, 3), keepdim=True) / weight.sum()
        weight = teacher.level_weights[1][:, :, None]
        level_mean = (teacher.levels[1] * weight).sum((0, 1, 3, 4), keepdim=True) / weight.sum()
        student = replace(
            teacher,
            maps_NPHW=mean.expand_as(teacher.maps_NPHW),
            levels=(teacher.levels[0], level_mean.expand_as(teacher.levels[1])),
        )
        loss = distillation_loss(student, teacher, DistilConfig())
        assert float(loss.maps) == pytest.approx(1, rel=1e-3)
        assert float(loss.levels) == pytest.approx(0.5, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_what_is_not_valid_has_no_part(seed, share):
    teacher, student = view(seed, **masks(seed, share)), view(seed + 1)
    loss = distillation_loss(student, teacher, DistilConfig())
    spoilt = replace(
        student,
        maps_NPHW=student.maps_NPHW + 100 * ~teacher.map_valid_NHW[:, None],
        land_cover_NKHW=student.land_cover_NKHW + torch.randn(1, K, H, W) * ~teacher.land_cover_valid_NHW[:, None],
        change_NKHW=student.change_NKHW + torch.randn(N, C, H, W) * ~teacher.change_valid_NHW[:, None],
        levels=(student.levels[0], student.levels[1] + 100 * (teacher.level_weights[1] == 0)[:, :, None]),
    )
    again = distillation_loss(spoilt, teacher, DistilConfig())
    torch.testing.assert_close(again.total, loss.total, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(loss.total)
    if share == 0:
        assert float(loss.maps) == float(loss.change) == 0


def test_weights_weigh_and_the_teacher_gets_no_gradient():
    teacher, student = view(1), view(2)
    for tensor in (teacher.maps_NPHW, teacher.change_NKHW, *teacher.levels, student.maps_NPHW, *student.levels):
        tensor.requires_grad_()
    config = DistilConfig(levels=0.5, maps=2.0, land_cover=0.0, change=3.0)
    loss = distillation_loss(student, teacher, config)
    wanted = 0.5 * loss.levels + 2 * loss.maps + 3 * loss.change
    assert float(loss.total.detach()) == pytest.approx(float(wanted), rel=1e-6)
    assert not loss.maps.requires_grad
    loss.total.backward()
    assert teacher.maps_NPHW.grad is None
    assert student.levels[1].grad.abs().sum() > 0


def test_a_few_steps_bring_a_dense_student_nearer():
    teacher = lively(SMALL)
    student = densify(teacher, calibrate(teacher, [batch(SMALL)]), method="KC")

    def seen(model, series) -> DistilView:
        features = model.encode(series)
        member = everyone(series)
        maps = model.decode(model.fuse(features, torch.cat([member, member], 1)))
        return DistilView(
            maps_NPHW=maps,
            land_cover_NKHW=model.segment(maps),
            change_NKHW=model.change(maps[::2], maps[1::2]),
            levels=features.levels,
            level_weights=features.weights,
        )

    optimiser, losses = torch.optim.Adam(student.parameters(), lr=3e-3), []
    for step in range(12):
        series = batch(SMALL, "ms", seed=step % 3)
        with torch.no_grad():
            target = seen(teacher, series)
        loss = distillation_loss(seen(student, series), target, DistilConfig())
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append(float(loss.total.detach()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"maps": -1.0}, "maps must be a weight of at least 0, got -1"),
        ({"change": float("nan")}, "change must be a weight"),
        ({"temperature": 0.0}, "temperature must be positive, got 0"),
    ],
)
def test_wrong_weights_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        DistilConfig(**values)


def test_views_that_do_not_fit_are_refused():
    one = view(1)
    with pytest.raises(ValueError, match="equally many levels, got 1 and 2"):
        distillation_loss(replace(one, levels=one.levels[:1]), one, DistilConfig())
    with pytest.raises(ValueError, match="compared shape by shape, got level 1"):
        distillation_loss(replace(one, levels=(one.levels[0], one.levels[1][..., :2])), one, DistilConfig())
    with pytest.raises(ValueError, match=r"map_valid_NHW must be bool \(2, 8, 12\)"):
        view(1, map_valid_NHW=torch.ones(N, H, W))
    with pytest.raises(ValueError, match="level_weights must have the levels' shapes without channels"):
        view(1, level_weights=(torch.ones(N, H, W),))
    with pytest.raises(ValueError, match="must have 4 axes"):
        replace(one, maps_NPHW=one.maps_NPHW[0])
