"""The paper's style against its arithmetic written out token by token."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from ringmoe_core import RingMoE, RingMoEConfig, Series

CONFIG = RingMoEConfig(
    style="paper",
    maps=False,
    modalities=("optical", "ms"),
    channels=(3, 4),
    dim=8,
    head_dim=4,
    depths=(2, 2),
    window=4,
    mlp_ratio=2,
    num_specialised=2,
    num_collaborative=3,
)


@pytest.fixture(scope="module")
def model(enliven) -> RingMoE:
    return enliven(RingMoE(CONFIG, seed=3)).double()


def series(channels: int, size: tuple[int, int], seed: int) -> Series:
    generator = torch.Generator().manual_seed(seed)
    return Series(
        pixels_BTCHW=torch.randn(1, 1, channels, *size, generator=generator, dtype=torch.float64),
        valid_BTHW=torch.ones(1, 1, *size, dtype=torch.bool),
        present_BTC=torch.ones(1, 1, channels, dtype=torch.bool),
        day_BT=torch.zeros(1, 1),
    )


@pytest.mark.parametrize("name", ["optical", "ms"])
@pytest.mark.parametrize("size", [(32, 32), (16, 32), (12, 20)])
def test_encoder_equals_the_arithmetic_written_out(model, name, size):
    one = series(dict(zip(CONFIG.modalities, CONFIG.channels, strict=True))[name], size, seed=5)
    with torch.no_grad():
        ours = model.encode({name: one}).pyramid()
        wanted = written_out(model, name, one.pixels_BTCHW[0, 0])
    assert list(ours) == [4, 8]
    for level, reference in zip(ours.values(), wanted, strict=True):
        # routers, and with them all that follows, work in float32
        torch.testing.assert_close(level[0, 0].permute(1, 2, 0), reference, atol=1e-5, rtol=1e-5)


def written_out(model, name, pixels_CHW):
    """Features of both stages, (h, w, D) each."""
    encoder, index = model.encoder, CONFIG.modalities.index(name)
    embed = encoder.embeds[name]
    grid = functional.conv2d(pixels_CHW[None], embed.projection.weight, embed.projection.bias, stride=4)[0]
    tokens = norm(grid.permute(1, 2, 0), embed.norm, 1e-6)
    outputs = []
    for number, stage in enumerate(encoder.stages):
        if number:
            tokens = merge(tokens, encoder.mergings[number - 1])
        window = min(4, 192 // (4 * 2**number))
        for position, block in enumerate(stage):
            tokens = tokens + norm(attend(tokens, block.attention, window, position % 2), block.norm_attention, 1e-5)
            tokens = tokens + norm(mix(tokens, block.mixture, index), block.norm_mixture, 1e-5)
        outputs.append(tokens)
    outputs[-1] = norm(outputs[-1], encoder.norms[-1], 1e-6)
    return outputs


def norm(values, layer, eps):
    mean, variance = values.mean(-1, keepdim=True), values.var(-1, unbiased=False, keepdim=True)
    return (values - mean) / torch.sqrt(variance + eps) * layer.weight + layer.bias


def merge(tokens, merging):
    h, w, D = tokens.shape
    merged = tokens.new_zeros((h + 1) // 2, (w + 1) // 2, 4 * D)
    for i in range(h):
        for j in range(w):
            part = (i % 2) + 2 * (j % 2)  # (0,0), (1,0), (0,1), (1,1)
            merged[i // 2, j // 2, part * D : (part + 1) * D] = tokens[i, j]
    return norm(merged @ merging.reduction.weight.t(), merging.norm, 1e-4)


def attend(tokens, attention, window, odd):
    """Each token looks at those of its window: same cell of a lattice moved by half a window in odd blocks."""
    h, w, D = tokens.shape
    sides = (min(window, h), min(window, w))
    moves = tuple(side // 2 if odd and size > side else 0 for side, size in zip(sides, (h, w), strict=True))
    joint = tokens @ attention.qkv.weight.t() + attention.qkv.bias
    heads = D // 4
    query, key, value = joint.reshape(h, w, 3, heads, 4).unbind(2)

    def cell(i, j):
        return (i - moves[0]) // sides[0], (j - moves[1]) // sides[1]

    result = torch.zeros_like(tokens)
    for i in range(h):
        for j in range(w):
            seen = [(a, b) for a in range(h) for b in range(w) if cell(a, b) == cell(i, j)]
            for head in range(heads):
                bias = attention.bias_table_RA[:, head].reshape(2 * window - 1, 2 * window - 1)
                scores = torch.stack(
                    [
                        query[i, j, head] @ key[a, b, head] / math.sqrt(4)
                        + bias[i - a + window - 1, j - b + window - 1]
                        for a, b in seen
                    ]
                ).softmax(0)
                result[i, j, head * 4 : head * 4 + 4] = sum(
                    score * value[a, b, head] for score, (a, b) in zip(scores, seen, strict=True)
                )
    return result @ attention.projection.weight.t() + attention.projection.bias


def mix(tokens, mixture, modality):
    """The best expert of the modality's bank, the best collaborative one and the shared one, added."""
    result = torch.zeros_like(tokens)
    for place in torch.cartesian_prod(torch.arange(tokens.shape[0]), torch.arange(tokens.shape[1])):
        token = tokens[tuple(place)]
        own = int((mixture.router.specialised_MSD[modality] @ token).argmax())
        common = int((mixture.router.collaborative_CD @ token).argmax())
        result[tuple(place)] = (
            expert(token, mixture.specialised, modality * CONFIG.num_specialised + own)
            + expert(token, mixture.collaborative, common)
            + mixture.shared.reduce(functional.gelu(mixture.shared.expand(token)))
        )
    return result


def expert(token, bank, index):
    hidden = functional.gelu(bank.expand_weight_XFD[index] @ token + bank.expand_bias_XF[index])
    return bank.reduce_weight_XDF[index] @ hidden + bank.reduce_bias_XD[index]


def test_backbone_has_no_maps(model):
    features = model.encode({"ms": series(4, (16, 16), seed=1)})
    with pytest.raises(ValueError, match="maps=False"):
        model.fuse(features, torch.ones(1, 1, 1, dtype=torch.bool))
