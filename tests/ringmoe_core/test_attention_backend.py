from __future__ import annotations

import copy
import pickle

import pytest
import torch
from attention_pairs import make_layer

from ringmoe_core import attention
from ringmoe_core.attention_backend import choose_backend, has_matrix_units
from ringmoe_core.position_bias import KeptBias

HALF = (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("device", ["cuda", "xpu", "mps"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALF])
@pytest.mark.parametrize("bias_gradient", [False, True])
def test_an_accelerator_takes_the_fused_kernel(device, dtype, bias_gradient):
    chosen = choose_backend(device=device, dtype=dtype, matrix_units=False, bias_gradient=bias_gradient)
    assert chosen == "fused"


@pytest.mark.parametrize(
    ("dtype", "matrix_units", "chosen"),
    [
        (torch.float32, False, "fused"),
        (torch.float32, True, "fused"),
        (torch.float64, True, "product"),
        *((dtype, False, "product") for dtype in HALF),
        *((dtype, True, "fused") for dtype in HALF),
    ],
)
def test_a_cpu_takes_what_is_fastest_for_the_format(dtype, matrix_units, chosen):
    assert choose_backend(device="cpu", dtype=dtype, matrix_units=matrix_units, bias_gradient=False) == chosen
    assert choose_backend(device="cpu", dtype=dtype, matrix_units=matrix_units, bias_gradient=True) == "product"


def test_matrix_units_are_those_the_processor_names():
    with open("/proc/cpuinfo") as lines:  # noqa: PTH123 a kernel file
        assert has_matrix_units() == ("amx_tile" in lines.read())


@pytest.mark.parametrize("kind", ["bias", "cosine"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_back_ends_give_the_same(kind, shifted, dtype, monkeypatch):
    layer = make_layer(kind, shifted=shifted).to(dtype)
    tokens = torch.randn(2, 11, 9, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    live = torch.rand(2, 11, 9, generator=torch.Generator().manual_seed(2)) > 0.5
    limit = 1e-6 if dtype == torch.float32 else 2e-2
    for seen in (None, live):
        results = []
        for backend in ("fused", "product"):
            monkeypatch.setattr(attention, "choose_backend", lambda backend=backend, **_: backend)
            with torch.no_grad():
                results.append(layer(tokens, seen).double())
        assert (results[0] - results[1]).norm() / results[1].norm() < limit


@pytest.mark.parametrize("kind", ["bias", "cosine"])
def test_kept_biases_follow_every_change_of_the_parameters(kind):
    layer = make_layer(kind)
    tokens = torch.randn(1, 8, 8, 32, generator=torch.Generator().manual_seed(1))
    other = make_layer(kind, seed=3)

    def agrees():
        with torch.no_grad():
            kept = layer(tokens)
            return torch.equal(layer(tokens), kept) and torch.equal(copy.deepcopy(layer)(tokens), kept)

    assert agrees()
    layer(tokens).square().sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()
    assert agrees()
    layer.load_state_dict(other.state_dict())
    assert agrees()
    layer.load_state_dict(make_layer(kind, seed=4).state_dict(), assign=True)
    assert agrees()
    layer.bfloat16().float()
    assert agrees()


def test_a_bias_is_made_once_without_gradients_and_every_time_with_them():
    kept, parameter, made = KeptBias(), torch.nn.Parameter(torch.ones(2)), []

    def make():
        made.append(1)
        return parameter * 2

    with torch.no_grad():
        assert kept.get("a", (parameter,), make) is kept.get("a", (parameter,), make)
        assert len(made) == 1
        for key in range(20):
            kept.get(key, (parameter,), make)
        parameter.add_(1)
        assert kept.get("a", (parameter,), make).tolist() == [4.0, 4.0]
    assert kept.get("a", (parameter,), make).requires_grad
    assert pickle.loads(pickle.dumps(kept))._kept == {}


def test_inference_mode_then_training_works():
    layer = make_layer()
    tokens = torch.randn(1, 8, 8, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        layer(tokens)
    layer(tokens).sum().backward()
    assert layer.bias_table_RA.grad is not None
