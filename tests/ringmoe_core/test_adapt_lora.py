from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from ringmoe_core import RingMoE
from ringmoe_core.adapt import (
    ConvpassConfig,
    LoraConfig,
    add_convpass,
    add_lora,
    freeze,
    layer_groups,
    merge_lora,
    trainable_parameters,
)
from ringmoe_core.adapt.convpass import Convpass
from ringmoe_core.adapt.layer_groups import layer_depth
from ringmoe_core.adapt.lora import LowRank

MEMBER = torch.ones(1, 1, 2, dtype=torch.bool)
EVERYWHERE = LoraConfig(rank=3, targets=("qkv", "projection", "shared", "experts"))


@pytest.fixture
def series(make_series):
    return {"ms": make_series("ms", places=1, dates=2)}


def stir(model, kind, seed=3):
    """Adapters that are no longer at their start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, kind):
                for parameter in module.parameters():
                    parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize(("style", "attention"), [("modern", "bias"), ("modern", "cosine"), ("paper", "bias")])
def test_lora_changes_nothing_at_first_and_merged_equals_unmerged(small_config, enliven, series, attention, style):
    model = enliven(RingMoE(replace(small_config, attention=attention, style=style), seed=1))
    names = list(model.state_dict())
    with torch.no_grad():
        plain = model(series, MEMBER)
        add_lora(model, EVERYWHERE)
        assert torch.equal(model(series, MEMBER), plain)
        stir(model, LowRank)
        adapted = model(series, MEMBER)
        assert not torch.allclose(adapted, plain, atol=1e-2), "every target has a part in the output"
        num = merge_lora(model)
        assert torch.equal(model(series, MEMBER), adapted)
    blocks = sum(small_config.depths)
    assert num == blocks * 8
    assert sorted(model.state_dict()) == sorted(names)
    assert trainable_parameters(model).trainable == 0


def test_lora_is_the_product_that_the_paper_writes(small_model):
    weight = small_model.encoder.stages[0][0].attention.qkv.weight.detach().clone()
    add_lora(small_model, LoraConfig(rank=2, alpha=6.0, targets=("qkv",)))
    stir(small_model, LowRank)
    layer = small_model.encoder.stages[0][0].attention.qkv
    low = layer.parametrizations.weight[0]
    torch.testing.assert_close(layer.weight, weight + 3.0 * low.up @ low.down)
    expected = sum(2 * (dim + 3 * dim) * depth for dim, depth in zip((16, 32, 64), (1, 2, 1), strict=True))
    count = trainable_parameters(small_model)
    assert count.trainable == expected
    assert count.by_part == {"encoder": expected}
    assert f"{expected:,} of {count.total:,}" in str(count)


@pytest.mark.parametrize("target", ["qkv", "projection", "shared", "experts"])
def test_each_target_alone_learns(small_model, series, target):
    add_lora(small_model, LoraConfig(rank=2, targets=(target,)))
    small_model(series, MEMBER).square().mean().backward()
    ups = [module.up for module in small_model.modules() if isinstance(module, LowRank)]
    assert ups
    assert any(bool(up.grad.abs().sum() > 0) for up in ups)
    assert all(p.grad is None for n, p in small_model.named_parameters() if not n.endswith((".up", ".down")))


def test_lora_on_copies_and_in_half_precision(small_model, series):
    add_lora(small_model, EVERYWHERE)
    twin = copy.deepcopy(small_model)
    stir(twin, LowRank)
    with torch.no_grad():
        assert not torch.equal(twin(series, MEMBER), small_model(series, MEMBER))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.isfinite(twin(series, MEMBER)).all()


def test_adapters_are_added_once_and_to_what_has_their_targets(small_model):
    add_lora(small_model)
    with pytest.raises(ValueError, match="merge_lora first"):
        add_lora(small_model)
    with pytest.raises(ValueError, match="got none"):
        add_lora(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="once"):
        add_convpass(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="among"):
        LoraConfig(targets=("router",))
    with pytest.raises(ValueError, match="rank"):
        LoraConfig(rank=0)
    with pytest.raises(ValueError, match="channel"):
        ConvpassConfig(channels=0)


def test_convpass_changes_nothing_at_first_then_mixes_neighbours(small_model, series):
    with torch.no_grad():  # attention may choose another way with gradient
        plain = small_model(series, MEMBER)
        add_convpass(small_model, ConvpassConfig(channels=4))
        assert torch.equal(small_model(series, MEMBER), plain)
    count = trainable_parameters(small_model)
    expected = sum(
        depth * (dim * 4 + 4 + 4 * 4 * 9 + 4 + 4 * dim + dim)
        for dim, depth in zip((16, 32, 64), (1, 2, 1), strict=True)
    )
    assert count.trainable == expected
    small_model(series, MEMBER).square().mean().backward()
    bypass = next(module for module in small_model.modules() if isinstance(module, Convpass))
    assert float(bypass.up.weight.grad.abs().sum()) > 0
    stir(small_model, Convpass)
    assert not torch.allclose(small_model(series, MEMBER), plain, atol=1e-2)
    grid = torch.zeros(1, 7, 7, 16)
    moved = grid.clone()
    moved[0, 3, 3] = 1.0
    changed = (bypass(moved) - bypass(grid)).abs().sum(-1)[0] > 0
    assert changed.nonzero().amin(0).tolist() == [2, 2]
    assert changed.nonzero().amax(0).tolist() == [4, 4]


def test_convpass_does_not_see_tokens_without_data(small_model):
    add_convpass(small_model)
    stir(small_model, Convpass)
    bypass = next(module for module in small_model.modules() if isinstance(module, Convpass))
    tokens = torch.randn(1, 5, 5, 16, generator=torch.Generator().manual_seed(0))
    live = torch.ones(1, 5, 5, dtype=torch.bool)
    live[0, 2, 2] = False
    other = tokens.clone()
    other[0, 2, 2] += 100.0
    torch.testing.assert_close(bypass(tokens, live), bypass(other, live))
    twin = copy.deepcopy(small_model)
    assert len(twin.encoder.stages[0][0].attention._forward_hooks) == 1


def test_layers_learn_slower_the_deeper_they_lie(small_model):
    config = small_model.config  # blocks 1, 2, 1: depth 5 is the top
    for name, depth in (
        ("encoder.embeds.ms.projection.weight", 0),
        ("encoder.stages.0.0.attention.qkv.weight", 1),
        ("encoder.norms.0.weight", 1),
        ("encoder.mergings.0.reduction.weight", 2),
        ("encoder.stages.1.1.mixture.shared.expand.weight", 3),
        ("model.encoder.stages.2.0.norm_mixture.weight", 4),
        ("fusion.levels.0.output.weight", 5),
        ("heads.crop.classify.weight", 5),
    ):
        assert layer_depth(name, config) == depth, name
    groups = layer_groups(small_model, config, learning_rate=1e-3, decay=0.5, weight_decay=0.1)
    for group in groups:
        assert group["lr"] == pytest.approx(1e-3 * 0.5 ** (5 - group["depth"]))
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert {id(one) for one in grouped} == {id(one) for one in small_model.parameters()}
    assert len(grouped) == len(list(small_model.parameters()))
    plain = {id(p) for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    own = dict(small_model.named_parameters())
    assert id(own["encoder.stages.0.0.attention.bias_table_RA"]) in plain
    assert id(own["encoder.stages.0.0.attention.qkv.weight"]) not in plain
    torch.optim.AdamW(groups)
    freeze(small_model)
    assert layer_groups(small_model, config, learning_rate=1e-3) == []
    with pytest.raises(ValueError, match="decay"):
        layer_groups(small_model, config, learning_rate=1e-3, decay=0)


def test_parts_of_a_head_are_of_the_top_whatever_they_are_called(small_config):
    for name in ("heads.own.encoder.stages.0.0.weight", "heads.own.encoder.embed.weight"):
        assert layer_depth(name, small_config) == 5
