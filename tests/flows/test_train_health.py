"""Windows of expert use: loads add up, entropies are weighed, JSON brings them back."""

from __future__ import annotations

import json

import pytest
import torch
from torch import tensor

from flows.train_health import LEAST_STEPS, LEAST_TOKENS, LEAST_WINDOW, RoutingHealth
from flows.train_progress import busiest
from ringmoe_core import RingMoE, RingMoEConfig, Series

SHAPE = RingMoEConfig(
    dim=16, head_dim=8, depths=(1, 1), fusion_dim=8, fusion_heads=2, skip_dim=4, skip_fused_dim=4, map_dim=8,
    modalities=("sar_l2", "ms"), channels=(2, 10),
)  # fmt: skip


def reports(count):
    model, found = RingMoE(SHAPE, seed=1), []
    for index in range(count):
        generator = torch.Generator().manual_seed(index)
        names = [("sar_l2", 2), ("ms", 10)] if index % 3 else [("ms", 10)]
        series = {
            name: Series(
                pixels_BTCHW=torch.randn(1 + index % 2, 1, channels, 16, 16, generator=generator),
                valid_BTHW=torch.ones(1 + index % 2, 1, 16, 16, dtype=torch.bool),
                present_BTC=torch.ones(1 + index % 2, 1, channels, dtype=torch.bool),
                day_BT=torch.zeros(1 + index % 2, 1),
            )
            for name, channels in names
        }
        with torch.no_grad():
            found.append(model.encode(series).routing)
    return found


def test_a_window_is_the_sum_of_its_steps():
    health, given = RoutingHealth(SHAPE), reports(LEAST_WINDOW)
    for step, report in enumerate(given, start=1):
        health.add("a", step, 1000, [report])
    assert not health.windows  # 1000 steps are cut into windows of 17
    health.close("a", LEAST_WINDOW)
    assert [(window.stage, window.step) for window in health.windows] == [("a", LEAST_WINDOW)]
    rows = {(row.layer, row.bank, row.modality): row for row in health.windows[0].rows}
    for bank in ("specialised", "collaborative"):
        for index, modality in enumerate(SHAPE.modalities):
            for layer in range(2):
                loads = [getattr(report, f"{bank}_load_YMX")[layer, index] for report in given]
                entropies = [float(getattr(report, f"{bank}_entropy_YM")[layer, index]) for report in given]
                tokens = [float(load.sum()) for load in loads]
                row = rows[layer + 1, bank, modality]
                assert row.load == tuple(int(value) for value in sum(loads))
                weighed = sum(e * t for e, t in zip(entropies, tokens, strict=True) if t) / sum(tokens)
                assert row.entropy_nats == pytest.approx(weighed, rel=1e-5)


def test_windows_close_by_themselves_and_go_through_json():
    health = RoutingHealth(SHAPE)
    for step, report in enumerate(reports(LEAST_WINDOW + 2), start=1):
        health.add("a", step, LEAST_WINDOW + 2, [report])
    assert [window.step for window in health.windows] == [LEAST_WINDOW, LEAST_WINDOW + 2]
    other = RoutingHealth(SHAPE)
    other.load(json.loads(json.dumps(health.to_list())))
    assert other.windows == health.windows
    assert busiest(other) == max(max(row.utilisation) for row in health.windows[-1].rows)


def test_dead_experts_collapse_and_certainty_are_found():
    health, report = RoutingHealth(SHAPE), reports(2)[1]
    dead = tensor([[[4000.0, 0.0], [4000.0, 0.0]]]).double().repeat(2, 1, 1)
    even = torch.full_like(dead, 2000.0)
    changed = {"specialised_load_YMX": even, "collaborative_load_YMX": dead}
    sure = {"specialised_entropy_YM": torch.full((2, 2), 0.69), "collaborative_entropy_YM": torch.full((2, 2), 0.001)}
    from dataclasses import replace

    health.add("a", LEAST_STEPS, LEAST_STEPS, [replace(report, **changed, **sure)])
    states = {finding.about: finding for finding in health.findings("a")}
    assert states["dead"].state == states["collapse"].state == "bad"
    assert states["dead"].cases == ("layer 1, collaborative, expert 2", "layer 2, collaborative, expert 2")
    assert len(health.certain("a")) == 4
    assert all("collaborative" in case for case in health.certain("a"))
    assert health.findings("b") == ()


def with_loads(first, second):
    """One report in which either expert of each bank gets so many tokens of each sensor."""
    from dataclasses import replace

    loads = tensor([[[float(first), float(second)]] * 2] * 2).double()
    entropy = torch.full((2, 2), 1e-3)
    return replace(
        reports(2)[1], specialised_load_YMX=loads, collaborative_load_YMX=loads, specialised_entropy_YM=entropy,
        collaborative_entropy_YM=entropy,
    )  # fmt: skip


def test_a_short_stage_is_not_judged():
    for steps, judged in ((LEAST_STEPS - 1, False), (LEAST_STEPS, True)):
        health = RoutingHealth(SHAPE)
        health.add("a", steps, steps, [with_loads(4000, 0)])
        states = [finding.state for finding in health.findings("a")]
        assert ("bad" in states, bool(health.certain("a"))) == (judged, judged)
        assert states == ["bad", "bad"] if judged else states == ["note"]


def test_a_bank_of_few_tokens_is_not_judged():
    for tokens, states in ((LEAST_TOKENS - 1, ["note"]), (LEAST_TOKENS, ["bad", "bad"])):
        health = RoutingHealth(SHAPE)
        health.add("a", LEAST_STEPS, LEAST_STEPS, [with_loads(tokens, 0)])
        assert [finding.state for finding in health.findings("a")] == states


def test_a_dense_model_has_no_windows():
    health = RoutingHealth(RingMoEConfig(num_specialised=0, num_collaborative=0))
    health.add("a", 1, 1, [])
    health.close("a", 1)
    assert health.windows == []
    assert busiest(health) == 0.0
