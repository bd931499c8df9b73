"""The compiled window kernel beside the pairs and the plain way; skipped where there is no C compiler."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from attention_pairs import attend_pairs, make_layer

from ringmoe_core import window_kernel
from ringmoe_core.window_kernel import WindowKernel, kernel_refusal, use_window_kernel

LIMITS = {torch.float32: 2e-6, torch.bfloat16: 2.5e-2}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=list(LIMITS), ids=str)
def dtype(request):
    reason = kernel_refusal(request.param)
    if reason is not None:
        pytest.skip(reason)
    return request.param


@pytest.mark.parametrize("kind", ["bias", "cosine"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("grid", [(1, 1), (8, 8), (11, 17)])
@pytest.mark.parametrize("head_dim", [16, 32, 48])
def test_kernel_equals_the_plain_way(kind, shifted, grid, head_dim, dtype):
    layer = make_layer(kind, dim=96, head_dim=head_dim, shifted=shifted)
    fast = copy.deepcopy(layer).to(dtype)
    assert use_window_kernel(fast, dtype) is None
    tokens = torch.randn(2, *grid, 96, generator=torch.Generator().manual_seed(1))
    live = torch.rand(2, *grid, generator=torch.Generator().manual_seed(2)) > 0.6
    live[0] = False
    for seen in (None, live):
        with torch.inference_mode():
            assert fast.kernel.refusal(fast, tokens.to(dtype)) is None
            wanted, got = layer(tokens, seen), fast(tokens.to(dtype), seen)
        assert got.dtype == dtype
        assert (got.float() - wanted).norm() / wanted.norm() < LIMITS[dtype]


def test_kernel_equals_the_pairs_on_a_wide_window(dtype):
    layer = make_layer("cosine", window=7, shifted=True)
    tokens = torch.randn(1, 8, 9, 32, generator=torch.Generator().manual_seed(1))
    wanted = attend_pairs(layer, tokens).detach()
    use_window_kernel(layer.to(dtype), dtype)
    with torch.inference_mode():
        got = layer(tokens.to(dtype)).double()
    assert (got - wanted).norm() / wanted.norm() < LIMITS[dtype]


def test_large_scores_neither_overflow_nor_vanish(dtype):
    layer = make_layer("bias")
    with torch.no_grad():
        layer.qkv.weight.mul_(20)
    fast = copy.deepcopy(layer).to(dtype)
    use_window_kernel(fast, dtype)
    tokens = torch.randn(1, 8, 8, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        got, wanted = fast(tokens.to(dtype)), copy.deepcopy(layer).to(dtype)(tokens.to(dtype))
    assert torch.isfinite(got).all()
    if dtype == torch.float32:  # scores in the hundreds: bfloat16 rounds them to whole numbers
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_a_nan_stays_a_nan_and_stays_in_its_window(dtype):
    layer = make_layer("bias").to(dtype)
    use_window_kernel(layer, dtype)
    tokens = torch.randn(1, 8, 16, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    tokens[0, 0, 0, 0] = torch.nan
    with torch.inference_mode():
        got = layer(tokens)
    assert got[:, :, :8].isnan().all()
    assert torch.isfinite(got[:, :, 8:]).all()


def test_threads_do_not_change_the_result(dtype):
    layer = make_layer("cosine", shifted=True).to(dtype)
    use_window_kernel(layer, dtype)
    tokens = torch.randn(2, 24, 24, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            results.append(layer._attend_grid(layer.kernel, tokens, None, window_plan(layer, tokens)))
    assert torch.equal(*results) if dtype == torch.float32 else (results[0] - results[1]).abs().max() < 0.1


def window_plan(layer, tokens):
    return window_kernel.WindowPlan(
        grid=(tokens.shape[1], tokens.shape[2]), window=(layer.window, layer.window), shift=(4, 4)
    )


def test_calls_that_it_cannot_serve_are_refused_with_a_reason_and_served_plainly():
    kernel = WindowKernel(dtype=torch.bfloat16)
    layer, odd = make_layer(), make_layer(head_dim=8)
    layer.kernel = odd.kernel = kernel
    tokens = torch.randn(1, 8, 8, 32, generator=torch.Generator().manual_seed(1))
    half = tokens.bfloat16()
    assert "gradient" in kernel.refusal(layer, half)
    assert layer(tokens).requires_grad
    with torch.no_grad():
        assert "torch.bfloat16, products are in torch.float32" in kernel.refusal(layer, tokens)
        assert "multiple of 16" in kernel.refusal(odd, half)
        assert "tokens are on meta" in kernel.refusal(layer, half.to("meta"))
        assert kernel.refusal(layer, half) is None
        with torch.autocast("cpu", torch.bfloat16):
            assert kernel.refusal(layer, tokens) is None
        plain = make_layer(head_dim=8)
        assert torch.equal(odd(tokens), plain(tokens))


def test_without_a_compiler_the_model_stays_as_it_is(monkeypatch):
    window_kernel._load.cache_clear()
    kernel_refusal.cache_clear()
    monkeypatch.setattr(window_kernel, "COMPILERS", ())
    layer = make_layer()
    try:
        assert "C compiler is needed" in use_window_kernel(layer)
        assert layer.kernel is None
        assert "not for torch.float16" in use_window_kernel(layer, torch.float16)
    finally:
        kernel_refusal.cache_clear()


def test_a_compiler_that_fails_is_reported(monkeypatch):
    window_kernel._load.cache_clear()
    kernel_refusal.cache_clear()
    monkeypatch.setattr(window_kernel, "COMPILERS", ("false",))
    try:
        assert "could not be compiled" in use_window_kernel(make_layer())
    finally:
        kernel_refusal.cache_clear()


def test_a_model_with_the_kernel_can_be_copied_and_pickled(dtype):
    layer = make_layer().to(dtype)
    use_window_kernel(layer, dtype)
    again = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    tokens = torch.randn(1, 8, 8, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    with torch.inference_mode():
        assert torch.equal(again(tokens), layer(tokens))
