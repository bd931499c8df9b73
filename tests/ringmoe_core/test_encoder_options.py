"""What the encoder's switches promise: masks, descriptors of bands and acquisition, ranks that run alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ringmoe_core import RingMoE, RingMoEConfig, Series
from ringmoe_core.band import Band

SMALL = RingMoEConfig(
    dim=16, head_dim=8, depths=(1, 1), window=4, fusion_dim=16, skip_dim=8, skip_fused_dim=8, map_dim=8
)


def blocks_of_valid(size: tuple[int, int], width: int) -> torch.Tensor:
    valid = torch.zeros(1, 1, *size, dtype=torch.bool)
    valid[..., :width] = True
    return valid


def cut(one: Series, width: int) -> Series:
    return replace(one, pixels_BTCHW=one.pixels_BTCHW[..., :width], valid_BTHW=one.valid_BTHW[..., :width])


def test_masked_tokens_are_as_if_they_were_not_there(make_series, enliven):
    """Half a window of missing data gives what an image that ends there gives."""
    config = replace(SMALL, masks_attention=True, depths=(1,), maps=False)
    model = enliven(RingMoE(config, seed=1))
    unmasked = RingMoE(replace(config, masks_attention=False), seed=None)
    unmasked.load_state_dict(model.state_dict(), assign=True)
    one = replace(make_series("ms", places=1, dates=1, size=(16, 16)), valid_BTHW=blocks_of_valid((16, 16), 8))
    with torch.no_grad():
        whole = model.encode({"ms": one}).levels[0][..., :2]
        short = model.encode({"ms": cut(one, 8)}).levels[0]
        seen = unmasked.encode({"ms": one}).levels[0][..., :2]
    torch.testing.assert_close(whole, short, atol=1e-5, rtol=1e-5)
    assert (seen - short).abs().max() > 1e-3


def test_any_number_of_described_bands_in_any_order(make_series, enliven):
    model = enliven(RingMoE(replace(SMALL, embedding="spectral"), seed=1))
    bands = tuple(Band(name=str(nm), wavelength_nm=nm) for nm in (490.0, 560.0, 665.0, 842.0, 1610.0))
    one = make_series("ms", dates=1)
    five = replace(one, pixels_BTCHW=one.pixels_BTCHW[:, :, :5], present_BTC=one.present_BTC[:, :, :5], bands=bands)
    order = [3, 0, 4, 1, 2]
    shuffled = replace(five, pixels_BTCHW=five.pixels_BTCHW[:, :, order], bands=tuple(bands[i] for i in order))
    with torch.no_grad():
        plain, moved = (model.encode({"ms": each}) for each in (five, shuffled))
    for ours, theirs in zip(plain.levels, moved.levels, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_channels_without_names_take_the_modalitys_own_bands(make_series):
    model = RingMoE(replace(SMALL, embedding="spectral"), seed=1)
    one = make_series("ms", dates=1)
    assert model.encode({"ms": one}).levels[0].isfinite().all()
    with pytest.raises(ValueError, match="ms has 10 channels, got 5"):
        model.encode(
            {"ms": replace(one, pixels_BTCHW=one.pixels_BTCHW[:, :, :5], present_BTC=one.present_BTC[:, :, :5])}
        )


def test_acquisition_reaches_tokens_once_it_has_learned(make_series, enliven):
    model = RingMoE(replace(SMALL, encodes_acquisition=True), seed=1)
    near = replace(make_series("ms", dates=1), gsd_m_BT=torch.full((2, 1), 10.0))
    far = replace(near, gsd_m_BT=torch.full((2, 1), 30.0))
    with torch.no_grad():
        assert torch.equal(model.encode({"ms": near}).levels[1], model.encode({"ms": far}).levels[1])
        enliven(model)
        assert not torch.allclose(model.encode({"ms": near}).levels[1], model.encode({"ms": far}).levels[1])


@pytest.mark.parametrize("changes", [{}, {"style": "paper"}, {"embedding": "spectral", "channels": (3, 8, 3, 10)}])
def test_running_every_modality_changes_no_output_and_gives_every_embed_a_gradient(make_series, changes, enliven):
    model = enliven(RingMoE(replace(SMALL, **changes), seed=1))
    batch = {"ms": make_series("ms", dates=1)}
    alone = model.encode(batch)
    model.encoder.runs_every_modality = True
    together = model.encode(batch)
    for ours, theirs in zip(alone.levels, together.levels, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    sum(level.square().mean() for level in together.levels).backward()
    for name, parameter in model.encoder.named_parameters():
        assert parameter.grad is not None, name
        if name.startswith(("embeds.optical", "skips.sar_l1")):
            assert not parameter.grad.any(), name


@pytest.mark.parametrize("style", ["modern", "paper"])
def test_a_rank_without_live_images_still_runs_every_layer(make_series, style, enliven):
    model = enliven(RingMoE(replace(SMALL, style=style), seed=1))
    model.encoder.runs_every_modality = True
    one = make_series("ms", dates=1, invalid=1.1)
    features = model.encode({"ms": one})
    assert not any(level.any() for level in features.levels)
    total = sum(level.sum() for level in features.levels) + features.routing.balance_loss + features.routing.z_loss
    total.backward()
    for name, parameter in model.encoder.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def test_pyramid_has_the_stages_strides_for_any_size(make_series):
    model = RingMoE(replace(SMALL, depths=(1, 1, 1, 1), maps=False), seed=1)
    features = model.encode({"ms": make_series("ms", places=1, dates=2, size=(37, 50))})
    assert {stride: level.shape for stride, level in features.pyramid().items()} == {
        4: (1, 2, 16, 10, 13),
        8: (1, 2, 32, 5, 7),
        16: (1, 2, 64, 3, 4),
        32: (1, 2, 128, 2, 2),
    }
    assert features.strides == (4, 8, 16, 32)
