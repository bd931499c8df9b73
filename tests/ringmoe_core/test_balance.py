from __future__ import annotations

import math
import os
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import filled
from torch import distributed, multiprocessing

from ringmoe_core import RingMoEConfig
from ringmoe_core.balance import LayerUse, count_tokens, measure_bank, summarise
from ringmoe_core.moe import MixtureLayer
from ringmoe_core.router import Routing

pytestmark = pytest.mark.usefixtures("one_thread")


def routing(choice: list[list[int]], probability: list[list[list[float]]]) -> Routing:
    """The decision of N x L tokens with K = 1."""
    probability_NLX = torch.tensor(probability)
    choice_NLK = torch.tensor(choice)[..., None]
    return Routing(
        log_partition_NL=torch.zeros(probability_NLX.shape[:2]),
        entropy_NL=torch.distributions.Categorical(probability_NLX).entropy(),
        probability_NXL=probability_NLX.transpose(1, 2),
        gate_NLK=probability_NLX.gather(-1, choice_NLK),
        choice_NLK=choice_NLK,
    )


def report_of(decision, modality, num_modalities=4, *, pooled):
    use = measure_bank(decision, modality, num_modalities)
    tokens_M = count_tokens(modality, num_modalities, decision.choice_NLK.shape[1])
    banks = {"specialised": None, "collaborative": use} if pooled else {"specialised": use, "collaborative": None}
    return summarise([LayerUse(**banks, tokens_M=tokens_M)])


@pytest.mark.parametrize("pooled", [True, False])
def test_perfect_balance_is_one(pooled):
    even = routing([[0, 1]] * 3, [[[0.5, 0.5], [0.5, 0.5]]] * 3)
    report = report_of(even, torch.tensor([0, 0, 2]), pooled=pooled)
    name = "collaborative" if pooled else "specialised"
    entropy_M = getattr(report, f"{name}_entropy_YM")[0]
    utilisation_MX = getattr(report, f"{name}_utilisation_YMX")[0]
    assert float(report.balance_loss) == pytest.approx(1.0)
    assert float(report.z_loss) == 0.0
    assert float(entropy_M[0]) == pytest.approx(math.log(2))
    assert getattr(report, f"{name}_load_YMX")[0].tolist() == [[2, 2], [0, 0], [1, 1], [0, 0]]
    assert utilisation_MX[2].tolist() == [0.5, 0.5]
    assert utilisation_MX[1].isnan().all()
    assert entropy_M[3].isnan()


def test_collapse_is_the_number_of_experts():
    one = routing([[1, 1]], [[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]])
    assert float(report_of(one, torch.tensor([0]), 1, pooled=False).balance_loss) == pytest.approx(3.0)


def test_modalities_that_split_a_shared_bank_are_balanced_only_pooled():
    """Each modality takes one expert for itself: perfect for a pooled bank, collapse within each modality."""
    split = routing([[0, 0], [1, 1]], [[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2])
    modality = torch.tensor([0, 1])
    assert float(report_of(split, modality, 2, pooled=True).balance_loss) == pytest.approx(1.0)
    assert float(report_of(split, modality, 2, pooled=False).balance_loss) == pytest.approx(2.0)


def test_pruned_experts_do_not_lower_the_floor():
    """Two of four experts are left, each with a quarter of the probability: still perfectly balanced."""
    left = routing([[0, 1]], [[[0.25, 0.25]] * 2])
    assert float(report_of(left, torch.tensor([0]), 1, pooled=True).balance_loss) == pytest.approx(1.0)


YAML_EXPERTS = 8
"""`expert_num` of the released configuration, which enters its balance loss in place of the 4 experts of a bank."""


def paper_balance(choice_L, probability_LX):
    """The released balance loss of one router and group (spec 3.3)."""
    num = probability_LX.shape[1]
    share = torch.stack([(choice_L == expert).float().mean() for expert in range(num)])
    return YAML_EXPERTS**2 * (share * probability_LX.mean(0)).mean()


def paper_capacity(tokens, experts=4, factor=1.2):
    return math.ceil(tokens * factor / experts)


def test_the_papers_capacities():
    tokens = [(192 // stride) ** 2 for stride in (4, 8, 16, 32)]
    assert [paper_capacity(num) for num in tokens] == [692, 173, 44, 11]
    assert [paper_capacity(4 * num) for num in tokens] == [2765, 692, 173, 44]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), skew=st.sampled_from([0.0, 1.0, 6.0]))
def test_the_papers_balance_is_four_times_ours_and_its_capacity_would_drop_tokens(seed, skew):
    generator = torch.Generator().manual_seed(seed)
    scores_LX = torch.randn(144, 4, generator=generator) + torch.tensor([skew, 0.0, 0.0, 0.0])
    probability_LX, choice_L = scores_LX.softmax(1), scores_LX.argmax(1)
    report = report_of(routing([choice_L.tolist()], [probability_LX.tolist()]), torch.tensor([0]), 1, pooled=False)
    paper = paper_balance(choice_L, probability_LX)
    assert float(paper) == pytest.approx(4 * float(report.balance_loss), rel=1e-5)
    loads = report.specialised_load_YMX[0, 0]
    assert loads.sum() == 144  # none is dropped
    dropped = (loads - paper_capacity(144)).clamp_min(0).sum()
    assert (dropped > 0) == (float(loads.max()) > 44)
    if skew == 6.0:
        assert dropped > 70


def test_the_papers_floor_over_its_24_blocks():
    even = torch.arange(144) % 4
    floor = paper_balance(even, torch.full((144, 4), 0.25))
    assert float(floor) == pytest.approx(4.0)
    assert 24 * 0.001 * 2 * float(floor) == pytest.approx(0.192)


def layer_use(modality, seed=0, **changes):
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, **changes), 16))
    tokens = torch.randn(len(modality), 5, 16, generator=torch.Generator().manual_seed(seed))
    return layer, layer(tokens, torch.tensor(modality))[1]


def test_absent_banks_have_empty_rows_and_cost_nothing():
    _, use = layer_use([0, 2], num_specialised=0)
    report = summarise([use, use])
    assert report.specialised_utilisation_YMX.shape == report.specialised_load_YMX.shape == (2, 4, 0)
    assert report.specialised_entropy_YM.isnan().all()
    assert report.collaborative_utilisation_YMX.shape == (2, 4, 2)
    _, use = layer_use([0, 2], num_specialised=0, num_collaborative=0)
    report = summarise([use])
    assert report.collaborative_utilisation_YMX.shape == (1, 4, 0)
    weight = torch.ones((), requires_grad=True)
    (weight + 0.01 * report.balance_loss + report.z_loss).backward()
    assert float(weight.grad) == 1.0


def test_losses_are_means_over_layers_and_banks():
    _, first = layer_use([0, 2, 2])
    _, second = layer_use([1], seed=4)
    both = summarise([first, second])
    singles = [summarise([one]) for one in (first, second)]
    for name in ("balance_loss", "z_loss"):
        mean = torch.stack([getattr(single, name) for single in singles]).mean()
        torch.testing.assert_close(getattr(both, name), mean)
    with pytest.raises(ValueError, match="at least one layer"):
        summarise([])


def test_minimising_the_loss_evens_the_load():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, num_specialised=4, num_collaborative=4), 16))
    tokens = torch.randn(8, 64, 16, generator=torch.Generator().manual_seed(0)) + 1.0
    modality = torch.arange(8) % 4
    optimiser = torch.optim.Adam(layer.router.parameters(), lr=0.05)
    losses = []
    for _ in range(40):
        report = summarise([layer(tokens, modality)[1]])
        optimiser.zero_grad()
        report.balance_loss.backward()
        optimiser.step()
        losses.append(float(report.balance_loss.detach()))
    assert losses[0] > 1.2
    assert losses[-1] < 1.1


def _gradients(layer, uses_of, scale=1.0):
    layer.zero_grad()
    report = summarise(uses_of(layer))
    (scale * (report.balance_loss + 0.1 * report.z_loss)).backward()
    return report, {name: parameter.grad for name, parameter in layer.router.named_parameters()}


def _on_rank(rank, store, results):
    """One of two processes; the second of the splits leaves it without an image."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    layer, _ = layer_use([0])
    tokens, modality = _batch()
    outcome = []
    for split in (2, 6):
        part = slice(0, split) if rank == 0 else slice(split, 6)
        report, gradients = _gradients(layer, lambda layer, part=part: [layer(tokens[part], modality[part])[1]])
        for gradient in gradients.values():  # as DDP and FSDP do
            distributed.all_reduce(gradient)
            gradient.div_(2)
        outcome.append(({field.name: getattr(report, field.name).detach() for field in fields(report)}, gradients))
    if rank == 0:
        with torch.no_grad():  # evaluation on one rank waits for nobody
            summarise([layer(tokens[:2], modality[:2])[1]])
        torch.save(outcome, results)
    distributed.barrier()
    distributed.destroy_process_group()
    os._exit(0)  # gloo's threads may outlive the group and abort a process that is ending by itself


def _batch():
    return torch.randn(6, 5, 16, generator=torch.Generator().manual_seed(8)), torch.tensor([0, 0, 1, 3, 3, 3])


@pytest.mark.slow
def test_two_ranks_balance_as_one_process_does(tmp_path):
    multiprocessing.spawn(_on_rank, (tmp_path / "store", tmp_path / "results"), nprocs=2)
    layer, _ = layer_use([0])
    tokens, modality = _batch()
    report, gradients = _gradients(layer, lambda layer: [layer(tokens, modality)[1]])
    for ranks_report, ranks_gradients in torch.load(tmp_path / "results"):
        for field in fields(report):
            want = getattr(report, field.name).detach()
            torch.testing.assert_close(ranks_report[field.name], want, equal_nan=True, rtol=1e-5, atol=1e-6)
        for name, gradient in gradients.items():
            assert gradient.abs().sum() > 0
            torch.testing.assert_close(ranks_gradients[name], gradient, rtol=1e-4, atol=1e-6)
