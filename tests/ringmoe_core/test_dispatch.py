from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmoe_core.dispatch import combine_rows, gather_rows, padded_count, plan_dispatch

pytestmark = pytest.mark.usefixtures("one_thread")


@st.composite
def choices(draw):
    """Experts of T tokens, K different ones each, and their number."""
    num = draw(st.integers(1, 6))
    top_k = draw(st.integers(1, min(3, num)))
    taken = st.permutations(range(num)).map(lambda order: order[:top_k])
    rows = draw(st.lists(taken, max_size=25))
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, top_k), num


@settings(deadline=None, max_examples=60)
@given(chosen=choices(), step=st.sampled_from([1, 4, 16]))
def test_every_choice_has_a_slot_of_its_expert_in_the_tokens_order(chosen, step):
    expert_TK, num = chosen
    plan = plan_dispatch(expert_TK, num, largest_step=step)
    ends = torch.tensor(plan.counts).cumsum(0)
    assert plan.token_P.shape == (int(ends[-1]),)
    slots = plan.slot_TK.flatten()
    assert slots.unique().numel() == slots.numel()
    for token, experts in enumerate(expert_TK.tolist()):
        for expert, slot in zip(experts, plan.slot_TK[token].tolist(), strict=True):
            assert int(ends[expert]) - plan.counts[expert] <= slot < int(ends[expert])
            assert int(plan.token_P[slot]) == token
    for expert in range(num):
        rows = int((expert_TK == expert).sum())
        assert plan.counts[expert] == padded_count(rows, step)
        own = plan.slot_TK[expert_TK == expert]
        assert (
            own.tolist() == list(range(int(ends[expert]) - plan.counts[expert], int(own[-1]) + 1 if rows else 0))[:rows]
        )


@settings(deadline=None, max_examples=40)
@given(chosen=choices(), step=st.sampled_from([1, 16]), seed=st.integers(0, 99))
def test_gather_and_combine_equal_indexing(chosen, step, seed):
    expert_TK, num = chosen
    plan = plan_dispatch(expert_TK, num, largest_step=step)
    generator = torch.Generator().manual_seed(seed)
    T, K = expert_TK.shape
    tokens, onto, pull = (torch.randn(T, 5, dtype=torch.float64, generator=generator) for _ in range(3))
    gate, scale = torch.rand(T, K, dtype=torch.float64, generator=generator), torch.arange(1.0, num + 1)
    scale_P = scale.repeat_interleave(torch.tensor(plan.counts)).double()[:, None]  # an expert multiplies by its number

    def fast(tokens, onto, gate):
        return combine_rows(onto, gather_rows(tokens, plan) * scale_P, gate, plan)

    def obvious(tokens, onto, gate):
        return onto + sum(gate[:, [k]] * scale[expert_TK[:, k], None] * tokens for k in range(K))

    results = []
    for function in (fast, obvious):
        inputs = [value.clone().requires_grad_() for value in (tokens, onto, gate)]
        output = function(*inputs)
        (output * pull).sum().backward()
        results.append([output.detach(), *(value.grad for value in inputs)])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want)


def test_dispatch_is_stable():
    plan = plan_dispatch(torch.tensor([2, 0, 2, 4, 0, 2])[:, None], 6)
    assert plan.counts == (2, 0, 3, 0, 1, 0)
    assert plan.token_P.tolist() == [1, 4, 0, 2, 5, 3]


@pytest.mark.parametrize(
    ("count", "largest", "want"),
    [(0, 64, 0), (1, 64, 16), (16, 64, 16), (17, 64, 32), (500, 64, 512), (513, 64, 544), (6000, 1024, 6144), (7, 1, 7),
     (9, 2, 10)],
)  # fmt: skip
def test_padded_counts(count, largest, want):
    assert padded_count(count, largest) == want


@given(count=st.integers(0, 10**6))
def test_padding_is_small_and_sizes_are_few(count):
    padded = padded_count(count, 1 << 20)
    assert count <= padded < count + max(16, count / 16 + 1)
    assert padded == padded_count(padded, 1 << 20)
