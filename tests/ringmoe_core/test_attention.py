from __future__ import annotations

import copy

import pytest
import torch
from attention_pairs import attend_pairs, make_layer

from ringmoe_core.attention import WindowAttention
from ringmoe_core.windows import MASKED, cut_tokens, plan_windows, shift_grid, unshift_grid, window_mask, window_tokens

GRIDS = [(4, 4), (8, 8), (3, 7), (6, 5), (1, 1)]


def random_tokens(*shape, seed=1, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("kind", ["bias", "cosine"])
@torch.no_grad()
def test_windows_equal_the_obvious_pairs(grid, shifted, kind):
    """float32 takes the fused kernel and float64 the plain product."""
    layer = make_layer(kind, window=4, shifted=shifted)
    tokens = random_tokens(2, *grid, 32)
    live = torch.rand(2, *grid, generator=torch.Generator().manual_seed(2)) > 0.7
    live[0] = False
    for seen in (None, live):
        wanted = attend_pairs(layer, tokens, seen)
        torch.testing.assert_close(layer(tokens, seen).double(), wanted, rtol=1e-5, atol=1e-5)
        double = copy.deepcopy(layer).double()
        torch.testing.assert_close(double(tokens.double(), seen), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["bias", "cosine"])
@pytest.mark.parametrize(
    ("way", "dtype"),
    [
        *(("weights", dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)),
        *(("autocast", dtype) for dtype in (torch.bfloat16, torch.float16)),
    ],
)
def test_every_number_format_gives_the_same_attention(kind, dtype, way):
    layer = make_layer(kind, shifted=True)
    tokens = random_tokens(2, 11, 9, 32)
    live = torch.rand(2, 11, 9, generator=torch.Generator().manual_seed(2)) > 0.5
    with torch.no_grad():
        wanted = layer(tokens, live)
        if way == "weights":
            got = copy.deepcopy(layer).to(dtype)(tokens.to(dtype), live)
        else:
            with torch.autocast("cpu", dtype):
                got = layer(tokens, live)
    assert got.dtype == dtype
    limit = {torch.float32: 1e-6, torch.float64: 1e-5, torch.bfloat16: 4e-2, torch.float16: 1e-2}[dtype]
    assert (got.double() - wanted.double()).norm() / wanted.double().norm() < limit


@pytest.mark.parametrize("kind", ["bias", "cosine"])
def test_gradients_equal_those_of_the_pairs(kind):
    layer, obvious = make_layer(kind, window=4, shifted=True), make_layer(kind, window=4, shifted=True)
    tokens = random_tokens(1, 5, 6, 32)
    live = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(3)) > 0.5
    weight = random_tokens(1, 5, 6, 32, seed=4)
    (layer(tokens, live) * weight).sum().backward()
    (attend_pairs(obvious, tokens, live) * weight).sum().backward()
    for (name, one), other in zip(layer.named_parameters(), obvious.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text)


def test_moving_an_image_by_a_window_moves_the_result():
    layer = make_layer(window=4)
    tokens = random_tokens(1, 8, 12, 32)
    with torch.no_grad():
        moved = layer(tokens.roll((4, -4), (1, 2)))
        torch.testing.assert_close(moved, layer(tokens).roll((4, -4), (1, 2)))


def test_parameters_of_the_default_keep_their_names_and_shapes():
    shapes = {name: tuple(value.shape) for name, value in WindowAttention(32, 16, 8, shifted=True).state_dict().items()}
    assert shapes == {
        "qkv.weight": (96, 32), "qkv.bias": (96,), "projection.weight": (32, 32), "projection.bias": (32,),
        "bias_table_RA": (225, 2),
    }  # fmt: skip


def test_shift_only_where_the_grid_is_larger():
    assert plan_windows((8, 16), 8, shifted=True).shift == (0, 4)
    assert plan_windows((4, 4), 8, shifted=True).window == (4, 4)
    assert not plan_windows((8, 8), 8, shifted=True).needs_mask


def test_no_row_of_a_mask_is_empty():
    mask = window_mask(plan_windows((10, 17), 8, shifted=True))
    assert (mask == 0).any(-1).all()
    assert set(mask.ravel().tolist()) == {0.0, MASKED}


@pytest.mark.parametrize("grid", [(8, 8), (10, 17), (3, 20), (1, 1)])
def test_windows_hold_every_token_once(grid):
    plan = plan_windows(grid, 8, shifted=True)
    real = window_tokens(plan)[window_tokens(plan) >= 0]
    assert sorted(real.tolist()) == list(range(grid[0] * grid[1]))
    values = torch.arange(1, grid[0] * grid[1] + 1).reshape(1, *grid)
    assert torch.equal(cut_tokens(values, plan)[0], torch.from_numpy(window_tokens(plan)) + 1)
    assert torch.equal(unshift_grid(shift_grid(values[..., None], plan), plan), values[..., None])
