from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ringmoe_core import RingMoE, RingMoEConfig, Series, nano
from ringmoe_core.flops import count_flops
from ringmoe_core.presets import PRESETS, giant
from ringmoe_core.prune.configs import dense_config, extracted_config, pruned_config
from ringmoe_core.sizes import count_parameters, measure_sizes

PUBLISHED = {  # parameters in 10^9: total, one modality, active, dense
    "paper-t": (0.373, 0.166, 0.062, 0.028),
    "paper-s": (0.678, 0.301, 0.112, 0.049),
    "base": (1.205, 0.534, 0.199, 0.087),
    "large": (2.710, 1.201, 0.447, 0.195),
    "huge": (9.105, 4.035, 1.500, 0.655),
    "giant": (14.746, 6.535, 2.430, 1.061),
}
"""From the authors' code, by arithmetic of our own: an FFN of width d has 8 d^2 + 5 d parameters, and so on."""

SMALL = {"dim": 16, "head_dim": 8, "depths": (1, 2, 1), "window": 4, "fusion_dim": 16, "skip_dim": 8, "map_dim": 8}
SIDE = 64


@pytest.fixture(scope="module")
def giant_sizes():
    return measure_sizes(giant())


def test_the_published_model_has_the_published_size(giant_sizes):
    assert giant_sizes.total == pytest.approx(14.746e9, rel=1e-3)
    assert giant_sizes.one_modality == pytest.approx(6.535e9, rel=1e-3)
    assert giant_sizes.after_ep == pytest.approx(4.482e9, rel=1e-3)
    assert giant_sizes.active == pytest.approx(2.430e9, rel=1e-3)
    assert giant_sizes.dense == pytest.approx(1.061e9, rel=1e-3)
    assert giant_sizes.gflop_192 == pytest.approx(632, rel=2e-3)
    assert giant_sizes.bf16_bytes == 2 * giant_sizes.total
    assert giant_sizes.bf16_bytes_one_modality / 2**30 == pytest.approx(12.2, abs=0.05)


def test_the_dense_giant_takes_276_gflop():
    dense = RingMoE(dense_config(extracted_config(giant(), ["optical"])), seed=None)
    assert count_flops(dense, side=192) == pytest.approx(276e9, rel=3e-3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_family(name):
    sizes = measure_sizes(PRESETS[name]())
    found = [count / 1e9 for count in (sizes.total, sizes.one_modality, sizes.active, sizes.dense)]
    assert found == pytest.approx(PUBLISHED[name], abs=6e-4)


def test_giant_by_hand(giant_sizes):
    """Against arithmetic that knows the layers, not the modules."""
    dims, depths, windows, heads = (448, 896, 1792, 3584), (2, 2, 18, 2), (12, 12, 12, 6), (14, 28, 56, 112)
    every = list(zip(dims, depths, strict=True))
    network = sum(num * (8 * d * d + 5 * d) for d, num in every)
    attention = sum(num * (4 * d * d + 4 * d) for d, num in every)
    tables = sum(n * (2 * w - 1) ** 2 * a for n, w, a in zip(depths, windows, heads, strict=True))
    norms = sum(num * 4 * d for d, num in every) + 2 * dims[-1]
    mergings = sum(8 * d * d + 4 * d for d in dims[:-1])
    embeds = {channels: 16 * channels * 448 + 3 * 448 for channels in (3, 8, 4)}
    scores = sum(num * 4 * d for d, num in every)  # one router of four experts
    rest = attention + tables + norms + mergings
    assert giant_sizes.total == rest + 21 * network + 5 * scores + 2 * embeds[3] + embeds[8] + embeds[4]
    assert giant_sizes.one_modality == rest + 9 * network + 2 * scores + embeds[8]
    assert giant_sizes.after_ep == rest + 6 * network + 2 * scores + embeds[8]
    assert giant_sizes.active == rest + 3 * network + 2 * scores + embeds[8]
    assert giant_sizes.dense == rest + network + embeds[8]


def one_image(config, side):
    channels = config.channels[0]
    return Series(
        pixels_BTCHW=torch.randn(1, 1, channels, side, side, generator=torch.Generator().manual_seed(0)),
        valid_BTHW=torch.ones(1, 1, side, side, dtype=torch.bool),
        present_BTC=torch.ones(1, 1, channels, dtype=torch.bool),
        day_BT=torch.full((1, 1), 0.5),
    )


def counted_by_torch(config, side):
    """What a real forward of one image multiplies, by torch's own counter."""
    model = RingMoE(config, seed=0).eval()
    series = {config.modalities[0]: one_image(config, side)}
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):

        def forward():
            features = model.encode(series)
            if config.maps:
                model.segment(model.decode(model.fuse(features, torch.ones(1, 1, 1, dtype=torch.bool))))

        forward()  # what is made once is made here
        with FlopCounterMode(display=False) as counter:
            forward()
    return counter.get_total_flops()


CASES = {
    "paper": RingMoEConfig(**SMALL, style="paper", maps=False, mlp_ratio=4),
    "paper, dense": dense_config(RingMoEConfig(**SMALL, style="paper", maps=False, mlp_ratio=4)),
    "backbone": RingMoEConfig(**SMALL, maps=False, num_specialised=3),
    "two experts a token": RingMoEConfig(**SMALL, maps=False, num_specialised=3, top_k=2),
    "pruned": pruned_config(RingMoEConfig(**SMALL, maps=False, num_collaborative=4), keep=0.25),
    "maps": RingMoEConfig(**SMALL),
    "cosine": RingMoEConfig(**SMALL, maps=False, attention="cosine"),
    "spectral": RingMoEConfig(**SMALL, embedding="spectral", encodes_acquisition=True),
}


@pytest.mark.parametrize("side", [SIDE, 52])
@pytest.mark.parametrize("name", CASES)
def test_flops_are_those_of_a_real_forward(name, side):
    """All but the losses' and fusion's own sums over one image, which are products for torch's counter too."""
    config = extracted_config(CASES[name], ["sar_l1"])
    counted, real = count_flops(RingMoE(config, seed=None), side=side), counted_by_torch(config, side)
    assert counted <= real
    assert counted == pytest.approx(real, rel=1e-3 if not config.maps else 1e-2)


def test_flops_of_a_mixture_do_not_depend_on_how_many_experts_and_modalities_there_are():
    many = RingMoEConfig(**SMALL, maps=False, num_specialised=4, num_collaborative=4)
    few = replace(many, num_specialised=2, num_collaborative=2)
    scores = sum(
        2 * 4 * dim * num * (16 // 2**stage) ** 2 for stage, (dim, num) in enumerate(((16, 1), (32, 2), (64, 1)))
    )
    difference = count_flops(RingMoE(many, seed=None), side=SIDE) - count_flops(RingMoE(few, seed=None), side=SIDE)
    assert difference == scores  # four more rows of scores a layer
    alone = RingMoE(extracted_config(many, ["optical"]), seed=None)
    assert count_flops(alone, side=SIDE) == count_flops(RingMoE(many, seed=None), side=SIDE)
    with pytest.raises(ValueError, match="at least one pixel a side, got 0"):
        count_flops(alone, side=0)


def test_counts_of_a_dense_or_small_model():
    sizes = measure_sizes(dense_config(nano()))
    assert sizes.after_ep == sizes.one_modality == sizes.active == sizes.dense
    two = measure_sizes(replace(nano(), num_collaborative=3, num_specialised=2, top_k=2))
    kept = pruned_config(extracted_config(replace(nano(), num_collaborative=3, top_k=2), ["ms"]), keep=2 / 3)
    assert two.after_ep == sum(value.numel() for value in RingMoE(kept, seed=None).parameters())


def test_buffers_are_loaded_too_but_are_no_parameters():
    config = replace(nano(), balancing="bias")
    model, plain, biased = RingMoE(config, seed=None), measure_sizes(nano()), measure_sizes(config)
    assert biased.total == plain.total
    assert biased.bf16_bytes - plain.bf16_bytes == 4 * sum(buffer.numel() for buffer in model.buffers()) > 0


def test_count_parameters_gives_the_same():
    count, sizes = count_parameters(nano()), measure_sizes(nano())
    assert (count.total, count.active) == (sizes.total, sizes.active)
