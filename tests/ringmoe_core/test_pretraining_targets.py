"""Targets: scales, polarisations that are absent, boxes, and what a fitted constant means in physical units."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipelines.inference.channels import CONVENTIONS, MODALITY_BANDS, POWER_FLOOR
from ringmoe_core import MODALITIES
from ringmoe_core.losses.scattering import scattering_vector
from ringmoe_core.pretraining import PretrainConfig
from ringmoe_core.pretraining.target import Truth
from ringmoe_core.pretraining.target_scale import target_scale
from ringmoe_core.pretraining.targets import modality_target

pytestmark = pytest.mark.usefixtures("one_thread")

CHANNELS = {"optical": 3, "sar_l1": 8, "sar_l2": 2, "ms": 10}


def make_target(modality, **config):
    return modality_target(modality, CHANNELS[modality], PretrainConfig(**config))


def truth_of(values, present=None, judged=None, known=None):
    N, C, H, W = values.shape
    present = torch.ones(N, C, dtype=torch.bool) if present is None else present
    known = present[..., None, None].expand(N, C, H, W) if known is None else known
    judged = torch.ones(N, H, W, dtype=torch.bool) if judged is None else judged
    return Truth(values_NCHW=values, known_NCHW=known, present_NC=present, judged_NHW=judged)


def speckled(mix, shape=(2, 4, 16, 16), seed=0):
    """HH, HV, VH, VV of uniform ground with reciprocal covariance mix mix^H of (HH, HV, VV)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(shape[0], 3, *shape[2:], dtype=torch.complex64, generator=generator)
    hh, hv, vv = torch.einsum("pq,nqhw->pnhw", torch.tensor(mix, dtype=torch.complex64), noise)
    return torch.stack([hh, hv, hv, vv], dim=1)


MIX = np.array([[0.3, 0, 0], [0.02 + 0.03j, 0.1, 0], [0.15j, 0.01, 0.2]])
"""Mixing of independent noise into HH, HV and VV."""


@pytest.mark.parametrize("modality", MODALITY_BANDS)
def test_scales_are_the_conventions_of_the_models_input(modality):
    scale = target_scale(modality, CHANNELS[modality])
    bands = MODALITY_BANDS[modality]
    assert scale.mean == tuple(CONVENTIONS[band].mean for band in bands)
    assert scale.std == tuple(CONVENTIONS[band].std for band in bands)


def test_complex_scales_are_those_of_detected_power_and_floors_agree():
    detected, single = target_scale("sar_l2", 2), target_scale("sar_l1", 4)
    assert single.mean == tuple(detected.mean[i] for i in (0, 1, 1, 0))
    assert PretrainConfig().sar_l2_noise_power == POWER_FLOOR
    assert list(CHANNELS) == list(MODALITIES)


def test_other_channel_counts_have_a_scale_too():
    assert target_scale("ms", 4).mean == (0.18,) * 4
    with pytest.raises(ValueError, match="thermal"):
        target_scale("thermal", 1)


@pytest.mark.parametrize("modality", ["optical", "ms"])
@pytest.mark.parametrize("kind", ["l1", "huber"])
def test_reflectance_predicted_exactly_costs_nothing(modality, kind):
    target = make_target(modality, reflectance=kind)
    values = torch.rand(2, CHANNELS[modality], 8, 8)
    losses = target.losses(target.scale.standardised(values), truth_of(values))
    assert all(float(value) < 2e-6 for value in losses.values())
    assert set(losses) == ({"", "angle"} if modality == "ms" else {""})
    torch.testing.assert_close(target.physical(target.scale.standardised(values)), values)
    off = target.losses(target.scale.standardised(values) + 2.0, truth_of(values))
    assert float(off[""]) == pytest.approx(2.0 if kind == "l1" else 1.5, rel=1e-4)


def test_absent_bands_have_no_part_in_error_or_angle():
    target = make_target("ms")
    generator = torch.Generator().manual_seed(0)
    values, numbers = torch.rand(2, 10, 8, 8, generator=generator), torch.randn(2, 10, 8, 8, generator=generator)
    present = torch.ones(2, 10, dtype=torch.bool)
    present[0, 4:] = False
    gone = values.clone()
    gone[0, 4:] = math.nan
    other = numbers.clone()
    other[0, 4:] += 3
    first = target.losses(numbers, truth_of(gone, present))
    second = target.losses(other, truth_of(gone, present))
    assert {key: float(value) for key, value in first.items()} == {key: float(value) for key, value in second.items()}
    assert all(math.isfinite(float(value)) for value in first.values())


def fitted(target, values, present=None, num=None):
    """The numbers, one set for all pixels, at which a target's loss is least."""
    numbers = torch.zeros(1, num or target.num_numbers, 1, 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([numbers], max_iter=150, tolerance_grad=1e-7, line_search_fn="strong_wolfe")
    truth = truth_of(values, present)

    def closure():
        optimiser.zero_grad()
        value = target.losses(numbers.expand(len(values), -1, *values.shape[2:]), truth)[""]
        value.backward()
        return value

    optimiser.step(closure)
    return target.physical(numbers.detach())[0, ..., 0, 0]


def test_fitted_power_is_the_mean_power():
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([0.08, 0.01]).reshape(1, 2, 1, 1) * torch.empty(4, 2, 16, 16).exponential_(
        generator=generator
    )
    torch.testing.assert_close(fitted(make_target("sar_l2"), values), values.mean((0, 2, 3)), rtol=5e-3, atol=0)


@pytest.mark.parametrize("box", [1, 2])
def test_fitted_covariance_is_the_sample_covariance(box):
    values = speckled(MIX, (4, 4, 16, 16))
    vectors = scattering_vector(values)
    wanted = torch.einsum("nihw,njhw->ij", vectors, vectors.conj()) / vectors[:, 0].numel()
    found = fitted(make_target("sar_l1", sar_l1_box=box, sar_l1_noise_power=1e-5), values)
    torch.testing.assert_close(found, wanted, rtol=0.03, atol=5e-4)


def test_fitted_span_is_the_mean_span_of_the_polarisations_there_are():
    values = speckled(MIX, (4, 4, 16, 16))
    power = values.abs().square().mean((0, 2, 3))
    found = fitted(make_target("sar_l1", sar_l1="span", sar_l1_noise_power=1e-5), values)
    assert float(found) == pytest.approx(float(power.sum()), rel=5e-3)
    present = torch.tensor([[False, False, True, True]]).expand(4, -1)
    values[:, :2] = math.nan
    found = fitted(make_target("sar_l1", sar_l1="span", sar_l1_noise_power=1e-5), values, present)
    assert float(found) == pytest.approx(float(power[2:].sum()), rel=5e-3)


def test_fitted_decibels_are_the_median_which_is_too_low():
    values = speckled(MIX, (8, 4, 32, 32))
    target = make_target("sar_l1", sar_l1="log_l1", sar_l1_noise_power=1e-7)
    power = values.abs().square()
    levels = torch.linspace(-3, 1, 81)
    for index in (0, 3):
        mean_db = 10 * math.log10(float(power[:, index].mean()))
        losses = []
        for level in levels:
            numbers = torch.zeros(8, 4, 32, 32)
            numbers[:, index] = (mean_db + level - target.scale.mean[index]) / target.scale.std[index]
            losses.append(float(target.losses(numbers, truth_of(values))[""]))
        assert float(levels[int(np.argmin(losses))]) == pytest.approx(-1.59, abs=0.2)


def test_raw_parts_predicted_exactly_cost_nothing():
    values = speckled(MIX)
    target = make_target("sar_l1", sar_l1="raw")
    amplitudes = torch.tensor([(10 ** (mean / 10) / 2) ** 0.5 for mean in target.scale.mean]).reshape(1, 4, 1, 1)
    scaled = values / amplitudes
    numbers = torch.stack([part for i in range(4) for part in (scaled[:, i].real, scaled[:, i].imag)], dim=1)
    assert float(target.losses(numbers, truth_of(values))[""]) < 1e-6
    torch.testing.assert_close(target.physical(numbers), values)
    turned = values * 1j
    assert float(target.losses(numbers, truth_of(turned))[""]) > 0.3


@pytest.mark.parametrize(
    ("choice", "box"), [("covariance", 1), ("covariance", 2), ("span", 1), ("plain_power", 1), ("log_l1", 1)]
)
def test_a_common_phase_changes_no_target_but_the_raw_one(choice, box):
    values = speckled(MIX).to(torch.complex128)
    target = make_target("sar_l1", sar_l1=choice, sar_l1_box=box)
    numbers = torch.randn(
        2, target.num_numbers, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    before = float(target.losses(numbers, truth_of(values))[""])
    for phase in (0.3, 2.0, -1.1):
        turned = values * complex(math.cos(phase), math.sin(phase))
        assert float(target.losses(numbers, truth_of(turned))[""]) == pytest.approx(before, rel=1e-12)


def test_boxes_judge_as_their_pixels_do():
    values = speckled(MIX, (2, 4, 10, 7))
    judged = torch.rand(2, 10, 7, generator=torch.Generator().manual_seed(2)) > 0.4
    numbers = torch.randn(2, 9, 5, 4, generator=torch.Generator().manual_seed(1))
    fine = numbers.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., :10, :7]
    single = make_target("sar_l1").losses(fine, truth_of(values, judged=judged))[""]
    boxes = make_target("sar_l1", sar_l1_box=2).losses(fine, truth_of(values, judged=judged))[""]
    assert float(boxes) == pytest.approx(float(single) - 3 * math.log(math.pi), rel=1e-4)


def test_dual_polarised_images_are_judged_by_their_part_of_one_covariance():
    values = speckled(MIX, (4, 4, 16, 16))
    dual = values.clone()
    dual[:, :2] = math.nan
    present = torch.tensor([[False, False, True, True]]).expand(4, -1)
    target = make_target("sar_l1", sar_l1_noise_power=1e-5)
    found = fitted(target, dual, present)
    vectors = scattering_vector(values)[:, 1:]
    wanted = torch.einsum("nihw,njhw->ij", vectors, vectors.conj()) / vectors[:, 0].numel()
    torch.testing.assert_close(found[1:, 1:], wanted, rtol=0.03, atol=5e-4)


def test_images_of_several_polarisations_share_a_mean_over_pixels():
    values = speckled(MIX, (3, 4, 8, 8))
    present = torch.tensor([[True] * 4, [False, False, True, True], [False] * 4])
    values = torch.where(present[..., None, None], values, torch.full_like(values, math.nan))
    numbers = torch.randn(3, 9, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    judged = torch.ones(3, 8, 8, dtype=torch.bool)
    judged[0, :4] = False
    for box in (1, 2):
        target = make_target("sar_l1", sar_l1_box=box)
        both = target.losses(numbers, truth_of(values, present, judged))[""]
        alone = [
            target.losses(numbers[i : i + 1], truth_of(values[i : i + 1], present[i : i + 1], judged[i : i + 1]))[""]
            for i in range(3)
        ]
        assert both.item() == pytest.approx((32 * alone[0].item() + 64 * alone[1].item()) / 96, rel=1e-5)
        (slope,) = torch.autograd.grad(both, numbers)
        assert bool(torch.isfinite(slope).all())
        assert bool((slope[2] == 0).all())


@pytest.mark.parametrize("choice", ["covariance", "span", "plain_power", "raw", "log_l1"])
def test_nothing_known_costs_nothing(choice):
    values = torch.full((2, 4, 8, 8), complex(math.nan, math.nan))
    target = make_target("sar_l1", sar_l1=choice)
    numbers = torch.randn(2, target.num_numbers, 8, 8, requires_grad=True)
    loss = target.losses(numbers, truth_of(values, torch.zeros(2, 4, dtype=torch.bool)))[""]
    loss.backward()
    assert loss.item() == 0
    assert bool((numbers.grad == 0).all())


def test_azimuth_mirrored_with_negated_cross_polarisation_mirrors_the_covariance():
    # the rule of the augmentation of complex chips: correlations of HV with HH and VV change sign, powers stay
    values = speckled(MIX)
    mirrored = values.flip(2).clone()
    mirrored[:, 1:3] *= -1
    target = make_target("sar_l1")
    numbers = torch.randn(2, 9, 16, 16, generator=torch.Generator().manual_seed(3))
    other = numbers.flip(2).clone()
    other[:, [3, 4, 7, 8]] *= -1  # u of (cross, HH) and of (VV, cross)
    before, after = target.losses(numbers, truth_of(values))[""], target.losses(other, truth_of(mirrored))[""]
    assert float(after) == pytest.approx(float(before), rel=1e-5)


@pytest.mark.parametrize("absent", [1, 2])
def test_what_stands_in_an_absent_polarisation_does_not_matter(absent):
    target = make_target("sar_l1")
    numbers = torch.randn(2, 9, 16, 16, generator=torch.Generator().manual_seed(1))
    present = torch.ones(2, 4, dtype=torch.bool)
    present[:, absent] = False
    found = []
    for filled in (torch.nan, 0.0, 7.0):
        values = speckled(MIX)
        values[:, absent] = filled
        found.append(float(target.losses(numbers, truth_of(values, present))[""]))
    assert found[0] == found[1] == found[2]
    assert found[0] == float(target.losses(numbers, truth_of(speckled(MIX)))[""]), "the other stands for both"
