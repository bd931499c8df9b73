from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import assert_near, obvious_bank

from ringmoe_core.experts import apply_experts, grouped_experts, multiplies_grouped, product_dtype, row_step

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("rows", "expand", "expand bias", "reduce", "reduce bias")


def made(counts, dim, hidden, seed, dtype):
    """Rows and the parameters of a bank, and what pulls at the output."""
    generator = torch.Generator().manual_seed(seed)
    num, total = len(counts), sum(counts)
    shapes = ((total, dim), (num, hidden, dim), (num, hidden), (num, dim, hidden), (num, dim), (total, dim))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).mul(0.5).to(dtype) for shape in shapes]


def value_and_gradients(bank, counts, tensors, dtype):
    rows, *parameters = (tensor.detach().to(dtype, copy=True).requires_grad_() for tensor in tensors[:5])
    output = bank(rows, counts, *parameters)
    (output * tensors[5].to(output.dtype)).sum().backward()
    return [output.detach(), *(tensor.grad for tensor in (rows, *parameters))]


def compare(bank, counts, tensors, dtype, tolerance):
    wanted = value_and_gradients(obvious_bank, counts, tensors, torch.float64)
    for name, got, want in zip(
        ("output", *NAMES), value_and_gradients(bank, counts, tensors, dtype), wanted, strict=True
    ):
        assert got.dtype == dtype
        assert_near(got, want, tolerance, name)


LOADS = st.one_of(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.lists(st.just(0), min_size=1, max_size=4),  # no rows at all
    st.tuples(st.integers(0, 3), st.integers(1, 40)).map(lambda load: [load[1] * (at == load[0]) for at in range(4)]),
)


@settings(deadline=None, max_examples=40)
@given(counts=LOADS, dim=st.sampled_from([1, 4, 7, 16]), hidden=st.sampled_from([1, 8, 13]), seed=st.integers(0, 99))
def test_experts_equal_the_obvious_loop_in_value_and_gradient(counts, dim, hidden, seed):
    tensors = made(counts, dim, hidden, seed, torch.float32)
    compare(apply_experts, counts, tensors, torch.float32, 1e-5)


@settings(deadline=None, max_examples=15)
@given(counts=LOADS, seed=st.integers(0, 99))
def test_in_bfloat16_they_agree_to_its_precision(counts, seed):
    """bfloat16 holds 8 bits: a rounding of 0.4 % at each of the steps, 3 % of the largest value in all."""
    compare(apply_experts, counts, made(counts, 16, 32, seed, torch.bfloat16), torch.bfloat16, 3e-2)


def test_gradients_are_those_of_finite_differences():
    counts = (3, 0, 2)
    tensors = [tensor.requires_grad_() for tensor in made(counts, 3, 4, 0, torch.float64)[:5]]
    assert torch.autograd.gradcheck(lambda rows, *rest: apply_experts(rows, counts, *rest), tensors)


def test_only_the_gradients_asked_for_are_made():
    counts = (2, 3)
    tensors = made(counts, 4, 8, 0, torch.float32)
    want = value_and_gradients(obvious_bank, counts, tensors, torch.float64)[1:]
    for asked in range(5):
        inputs = [tensor.clone().requires_grad_(at == asked) for at, tensor in enumerate(tensors[:5])]
        (apply_experts(inputs[0], counts, *inputs[1:]) * tensors[5]).sum().backward()
        assert [tensor.grad is None for tensor in inputs] == [at != asked for at in range(5)]
        assert_near(inputs[asked].grad, want[asked], 1e-5, NAMES[asked])


def test_autocast_multiplies_in_half_precision_and_keeps_gradients_in_full():
    counts = (5, 0, 9)
    rows, *parameters, pull = made(counts, 16, 32, 1, torch.float32)
    inputs = [tensor.requires_grad_() for tensor in (rows, *parameters)]
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(rows) == torch.bfloat16
        output = apply_experts(inputs[0], counts, *inputs[1:])
        (output * pull).sum().backward()  # inside autocast too
    assert output.dtype == torch.bfloat16
    wanted = value_and_gradients(obvious_bank, counts, [*inputs, pull], torch.float64)
    for name, got, want in zip(NAMES, inputs, wanted[1:], strict=True):
        assert got.grad.dtype == torch.float32
        assert_near(got.grad, want, 3e-2, name)


def test_without_gradients_the_value_is_the_same_and_nothing_is_kept():
    counts = (5, 0, 9)
    tensors = made(counts, 8, 16, 1, torch.float32)
    parameters = [tensor.requires_grad_() for tensor in tensors[1:5]]
    with torch.no_grad():
        quiet = apply_experts(tensors[0], counts, *parameters)
    loud = apply_experts(tensors[0], counts, *parameters)
    assert quiet.grad_fn is None
    assert torch.equal(quiet, loud)


@pytest.mark.parametrize("counts", [(5, 0, 9), (1, 0, 0), (16, 16, 16)])
def test_the_grouped_product_computes_the_same(counts):
    tensors = made(counts, 16, 32, 2, torch.float32)
    compare(grouped_experts, counts, tensors, torch.float32, 1e-5)


def test_a_cpu_never_multiplies_grouped():
    rows = torch.zeros(4, 16, dtype=torch.bfloat16)
    assert not multiplies_grouped(rows, torch.zeros(2, 32, 16, dtype=torch.bfloat16))


def test_rows_are_rounded_where_kernels_are_made_for_a_shape():
    cpu = torch.device("cpu")
    assert row_step(cpu, torch.bfloat16, 48 * 96) >= 64
    assert row_step(cpu, torch.bfloat16, 3584 * 14336) == 1  # a padding row costs as much as a kernel there
    assert row_step(cpu, torch.float32, 48 * 96) == 1
    assert row_step(cpu, torch.float64, 48 * 96) == 1
    assert row_step(torch.device("meta"), torch.bfloat16, 48 * 96) == 1
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        assert row_step(cpu, torch.float32, 48 * 96) >= 64
    finally:
        matmul.fp32_precision = before
