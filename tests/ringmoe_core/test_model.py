from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from ringmoe_core import RingMoE, RingMoEConfig, Series, nano
from ringmoe_core.presets import tiny
from ringmoe_core.sizes import count_parameters


@pytest.mark.parametrize(("preset", "total", "active"), [(nano, 5.36e6, 2.04e6), (tiny, 21.2e6, 4.4e6)])
def test_sizes(preset, total, active):
    count = count_parameters(preset())
    sys.stdout.write(f"{preset.__name__}: {count.total:,} parameters, {count.active:,} active\n")
    assert count.total == pytest.approx(total, rel=0.05)
    assert count.active == pytest.approx(active, rel=0.05)


def test_one_seed_one_model_and_no_global_random_state_is_used(small_config):
    before = torch.get_rng_state()
    first, second, third = RingMoE(small_config, seed=5), RingMoE(small_config, seed=5), RingMoE(small_config, seed=6)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(first.parameters(), third.parameters(), strict=True))
    assert all(parameter.isfinite().all() for parameter in first.parameters())


def test_no_buffers_and_no_batch_statistics(nano_model):
    assert not list(nano_model.buffers())


def test_configuration_round_trip():
    config = replace(tiny(), class_codes=(1, 2, 3), depths=(1, 2))
    assert RingMoEConfig.from_dict(config.to_dict()) == config
    assert config.strides == (1, 4, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 30}, "dim must be a multiple of 16"),
        ({"depths": ()}, "depths must hold"),
        ({"channels": (3, 8)}, "channels must hold one positive number"),
        ({"class_codes": (1, 1)}, "class_codes must be"),
        ({"window": 0}, "window must be at least 1"),
        ({"style": "post"}, "style must be one of"),
        ({"style": "paper", "attention": "cosine"}, "the paper's style knows no"),
        ({"num_pruned": -1}, "num_pruned must be at least 0"),
        ({"num_collaborative": 0, "num_pruned": 1}, "pruned experts belong to a bank"),
    ],
)
def test_bad_configuration_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(nano(), **changes)


def test_change_head_shapes_and_mismatch(small_model):
    before, after = torch.randn(2, 3, 8, 16, 12).unbind()
    assert small_model.change(before, after).shape == (3, 4, 16, 12)
    with pytest.raises(ValueError, match="one shape"):
        small_model.change(before, after[:2])


def toy_batch(step: int) -> tuple[Series, torch.Tensor]:
    """Blocks of classes told apart by the mean of the first band over dates, in noise."""
    generator = torch.Generator().manual_seed(step)
    truth = torch.randint(0, 2, (8, 2, 2), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    pixels = 0.3 * torch.randn(8, 3, 10, 16, 16, generator=generator)
    pixels[:, :, 0] += truth[:, None] * 2.0 - 1.0
    series = Series(
        pixels_BTCHW=pixels,
        valid_BTHW=torch.rand(8, 3, 16, 16, generator=generator) > 0.2,
        present_BTC=torch.ones(8, 3, 10, dtype=torch.bool),
        day_BT=torch.rand(8, 3, generator=generator),
    )
    return series, truth


def test_twenty_steps_learn_a_toy_task(small_config):
    model = RingMoE(small_config, seed=0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for step in range(20):
        series, truth = toy_batch(step)
        features = model.encode({"ms": series})
        logits = model.segment(model.decode(model.fuse(features, torch.ones(8, 1, 3, dtype=torch.bool))))
        task = torch.nn.functional.cross_entropy(logits, truth)
        loss = task + 0.01 * features.routing.balance_loss + 1e-3 * features.routing.z_loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(task.item())
    assert losses[0] == pytest.approx(1.95, abs=0.2)
    assert sum(losses[-3:]) / 3 < 0.3
    reached = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == {"encoder", "fusion", "decoder", "segmentation_head"}
