from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ringmoe_core import RingMoE, RingMoEConfig, Series
from ringmoe_core.band import Band, describe_bands
from ringmoe_core.modality_bands import modality_bands
from ringmoe_core.patch_embed import masked_input
from ringmoe_core.spectral import SpectralEmbed, SpectralSkip

CLOSE = {"rtol": 1e-5, "atol": 2e-6}
MIXED = (*modality_bands("ms"), *modality_bands("sar_l1"))


def lively(module, seed=3):
    """Parameters large enough that an error in any of them shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.dim() > 1 else 0.5))
            if name.endswith("norm.weight"):
                parameter.add_(1)
    return module


@pytest.fixture(params=["embed", "skip"])
def layer(request):
    return lively(SpectralEmbed(12, 4) if request.param == "embed" else SpectralSkip(6))


def images(num_bands, *, seed=0, side=16, absent=0.2):
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(3, num_bands, generator=generator) >= absent
    present[:, 0] = True
    valid = torch.rand(3, side, side, generator=generator) >= 0.2
    return masked_input(torch.randn(3, num_bands, side, side, generator=generator), valid, present, 4), present


def reference(layer, values, present, bands):
    """Image by image and band by band, with torch's own convolution."""
    descriptors = describe_bands(bands)
    kernel, stride, padding = (4, 4, 0) if isinstance(layer, SpectralEmbed) else (3, 1, 1)
    size = layer.dim * kernel**2
    answers = []
    for image, there in zip(values, present, strict=True):
        total = functional.conv2d(
            image[None, -1:], layer.validity.weight.view(layer.dim, 1, kernel, kernel), None, stride, padding
        )
        total = total + layer.validity.bias[:, None, None]
        live = there.nonzero()[:, 0].tolist()
        for band in live:
            made = layer.filters(descriptors[band : band + 1])[0]
            filters = made[:size].view(layer.dim, 1, kernel, kernel) / kernel
            part = functional.conv2d(image[None, band : band + 1], filters, None, stride, padding)
            if isinstance(layer, SpectralEmbed):
                part = part + made[size:, None, None]
            total = total + part / len(live)
        total = total.permute(0, 2, 3, 1)
        answers.append(layer.norm(total) if isinstance(layer, SpectralEmbed) else functional.gelu(total))
    return torch.cat(answers)


@pytest.mark.parametrize("bands", [MIXED, MIXED[:1], MIXED[-2:]])
def test_equals_a_loop_over_bands(layer, bands):
    values, present = images(len(bands))
    answer = layer(values, present, describe_bands(bands))
    torch.testing.assert_close(answer, reference(layer, values, present, bands), **CLOSE)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(len(MIXED))), seed=st.integers(0, 1000))
@pytest.mark.parametrize("make", [lambda: SpectralEmbed(12, 4), lambda: SpectralSkip(6)])
def test_no_order_of_bands_matters(make, order, seed):
    layer = lively(make())
    values, present = images(len(MIXED), seed=seed)
    first = layer(values, present, describe_bands(MIXED))
    moved = layer(values[:, [*order, -1]], present[:, order], describe_bands([MIXED[band] for band in order]))
    torch.testing.assert_close(moved, first, **CLOSE)


def test_descriptors_do_matter(layer):
    values, present = images(len(MIXED), absent=0)
    first = layer(values, present, describe_bands(MIXED))
    assert (layer(values, present, describe_bands(MIXED[::-1])) - first).abs().mean() > 0.05


def test_an_absent_band_is_as_if_it_were_not_named(layer):
    values, present = images(len(MIXED), absent=0)
    present[:, [2, 11]] = False
    values[:, [2, 11]] = 0
    kept = [band for band in range(len(MIXED)) if band not in (2, 11)]
    short = layer(values[:, [*kept, -1]], present[:, kept], describe_bands([MIXED[band] for band in kept]))
    torch.testing.assert_close(layer(values, present, describe_bands(MIXED)), short, **CLOSE)


def test_naming_every_band_twice_changes_nothing(layer):
    values, present = images(len(MIXED))
    twice = torch.cat([values[:, :-1], values], dim=1)
    answer = layer(twice, present.repeat(1, 2), describe_bands([*MIXED, *MIXED]))
    torch.testing.assert_close(answer, layer(values, present, describe_bands(MIXED)), **CLOSE)


def test_a_band_split_in_two_weighs_twice_as_much():
    layer = lively(SpectralEmbed(12, 4))
    layer.norm = torch.nn.Identity()  # what is left is linear in the bands
    values, _ = images(2, absent=0)
    first, second = MIXED[:2]

    def tokens(channels, bands):
        there = torch.ones(3, len(bands), dtype=torch.bool)
        return layer(values[:, channels], there, describe_bands(bands))

    split = tokens([0, 0, 1, 2], [first, first, second])
    mean = tokens([0, 2], [first]) * 2 / 3 + tokens([1, 2], [second]) / 3
    torch.testing.assert_close(split, mean, **CLOSE)


def test_near_wavelengths_have_near_filters():
    maker = RingMoE(RingMoEConfig(depths=(1,), embedding="spectral"), seed=4).encoder.embeds["ms"].filters
    blue, near, nearer, far = (
        maker(describe_bands([Band(name="x", wavelength_nm=wavelength)]))
        for wavelength in (490.0, 842.0, 865.0, 2190.0)
    )
    assert (near - nearer).norm() < 0.5 * min((near - blue).norm(), (near - far).norm())


@pytest.mark.parametrize("dim", [16, 64])
def test_fresh_filters_have_the_deviation_of_their_fan_in(dim):
    model = RingMoE(RingMoEConfig(dim=dim, depths=(1,), embedding="spectral"), seed=4)
    for layer in (model.encoder.embeds["sar_l1"], model.encoder.skips["ms"]):
        assert 0.8 < layer.filters(describe_bands(MIXED)).std().item() < 1.2


def test_every_parameter_gets_gradient(layer):
    values, present = images(len(MIXED))
    answer = layer(values, present, describe_bands(MIXED))
    (answer * torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().max() > 1e-4, name


@pytest.mark.parametrize("num", [1, 200])
def test_any_number_of_bands(layer, num):
    bands = [Band(name=str(band), wavelength_nm=400.0 + 10 * band, width_nm=10.0) for band in range(num)]
    values, present = images(num)
    answer = layer(values, present, describe_bands(bands))
    assert answer.isfinite().all()
    assert answer.std() > 0.1  # a sum would drown one band, or be drowned by hundreds


def test_an_image_without_any_band_is_defined(layer):
    values, present = images(4)
    values[:, :-1] = 0
    assert layer(values, torch.zeros_like(present), describe_bands(MIXED[:4])).isfinite().all()


def test_descriptors_of_other_channels_are_refused(layer):
    values, present = images(4)
    with pytest.raises(ValueError, match=r"one descriptor of 28 entries a channel .* \(4, 28\), got \(5, 28\)"):
        layer(values, present, describe_bands(MIXED[:5]))


def spectral_series(bands, *, seed=0, size=(32, 32)):
    generator = torch.Generator().manual_seed(seed)
    return Series(
        pixels_BTCHW=torch.randn(2, 2, len(bands), *size, generator=generator),
        valid_BTHW=torch.rand(2, 2, *size, generator=generator) >= 0.1,
        present_BTC=torch.ones(2, 2, len(bands), dtype=torch.bool),
        day_BT=torch.rand(2, 2, generator=generator),
        bands=bands,
    )


def test_a_model_takes_bands_of_any_sensor_in_any_order():
    config = RingMoEConfig(dim=16, head_dim=8, depths=(1, 1), fusion_dim=16, embedding="spectral")
    model = lively(RingMoE(config, seed=0)).eval()
    landsat = tuple(Band(name=name, wavelength_nm=nm) for name, nm in (("SR_B4", 655), ("SR_B5", 865), ("SR_B6", 1609)))
    series = spectral_series(landsat)
    member = torch.ones(2, 1, 2, dtype=torch.bool)
    first = model({"ms": series}, member)
    order = [2, 0, 1]
    moved = Series(
        pixels_BTCHW=series.pixels_BTCHW[:, :, order],
        valid_BTHW=series.valid_BTHW,
        present_BTC=series.present_BTC,
        day_BT=series.day_BT,
        bands=tuple(landsat[band] for band in order),
    )
    # a token near a tie may take another expert: nearly all pixels agree
    near = (model({"ms": moved}, member) - first).abs() < 1e-3
    assert near.float().mean() > 0.99


def test_bands_that_are_not_given_are_the_modality_s_own():
    config = RingMoEConfig(dim=16, head_dim=8, depths=(1, 1), embedding="spectral", maps=False)
    model = RingMoE(config, seed=0)
    named = spectral_series(modality_bands("sar_l1"))
    for one, other in zip(
        model.encode({"sar_l1": named}).levels,
        model.encode({"sar_l1": replace(named, bands=None)}).levels,
        strict=True,
    ):
        assert torch.equal(one, other)
