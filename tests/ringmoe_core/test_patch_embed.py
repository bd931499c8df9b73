from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ringmoe_core.patch_embed import FullResolutionSkip, PatchEmbed, masked_input


def batch(size=(8, 12), seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(2, 3, *size, generator=generator)
    valid = torch.rand(2, *size, generator=generator) >= 0.3
    return pixels, valid, torch.tensor([[True, True, False], [True, False, True]])


def test_input_is_selected_by_validity_and_presence():
    pixels, valid, present = batch()
    values = masked_input(pixels, valid, present, 4)
    assert values.shape == (2, 4, 8, 12)
    for image in range(2):
        for band in range(3):
            for row in range(8):
                for column in range(12):
                    usable = bool(valid[image, row, column]) and bool(present[image, band])
                    expected = pixels[image, band, row, column] if usable else 0.0
                    assert values[image, band, row, column] == expected
    assert torch.equal(values[:, 3] > 0.5, valid)


def test_nan_where_nothing_counts_leaves_no_trace():
    pixels, valid, present = batch()
    broken = torch.where(valid[:, None] & present[..., None, None], pixels, torch.nan).requires_grad_()
    values = masked_input(broken, valid, present, 4)
    assert torch.equal(values, masked_input(pixels, valid, present, 4))
    values.square().sum().backward()
    assert broken.grad.isfinite().all()


@pytest.mark.parametrize(("size", "padded"), [((8, 12), (8, 12)), ((5, 9), (8, 12)), ((1, 1), (4, 4))])
def test_padding_is_invalid_and_at_the_end(size, padded):
    pixels, _, _ = batch(size)
    values = masked_input(pixels, torch.ones(2, *size, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool), 4)
    assert values.shape == (2, 4, *padded)
    assert torch.equal(values[:, :3, : size[0], : size[1]], pixels)
    assert values[:, 3].sum() == 2 * size[0] * size[1]


def lively(module):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def test_tokens_equal_torch_s_convolution():
    pixels, valid, present = batch()
    embed = lively(PatchEmbed(3, 16, 4))
    values = masked_input(pixels, valid, present, 4)
    tokens = embed(values, present)
    assert tokens.shape == (2, 2, 3, 16)
    plain = embed.projection(values).permute(0, 2, 3, 1)
    for image in range(2):
        there = embed.presence_CD[present[image]].sum(0)
        expected = functional.layer_norm(plain[image] + there, (16,), embed.norm.weight, embed.norm.bias)
        torch.testing.assert_close(tokens[image], expected, rtol=1e-5, atol=1e-5)


def test_a_token_depends_on_its_patch_alone():
    pixels, valid, present = batch()
    embed = lively(PatchEmbed(3, 16, 4))
    before = embed(masked_input(pixels, valid, present, 4), present)
    pixels[:, :, 4:, 4:8] += 1
    changed = (embed(masked_input(pixels, valid, present, 4), present) - before).abs().amax((0, 3)) > 0
    assert changed.tolist() == [[False] * 3, [False, True, False]]


def test_full_resolution_features_see_three_by_three():
    pixels, valid, present = batch()
    skip = lively(FullResolutionSkip(3, 8))
    before = skip(masked_input(pixels, valid, present, 4))
    assert before.shape == (2, 8, 12, 8)
    valid[:, 3, 5] = ~valid[:, 3, 5]
    changed = (skip(masked_input(pixels, valid, present, 4)) - before).abs().amax((0, 3)) > 0
    rows, columns = changed.nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 4, 4, 6)
