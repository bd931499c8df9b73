from __future__ import annotations

import pytest
import torch

from ringmoe_core.attention import WindowAttention
from ringmoe_core.windows import MASKED, plan_windows, window_mask

GRIDS = [(4, 4), (8, 8), (16, 16), (3, 11), (10, 8), (1, 1), (17, 9)]


def obvious_attention(layer: WindowAttention, tokens: torch.Tensor) -> torch.Tensor:
    """Pair by pair: two tokens see each other when the shifted tiling puts them in one window without wrapping."""
    N, h, w, D = tokens.shape
    plan = plan_windows((h, w), layer.window, shifted=layer.shifted)
    heads, size = layer.num_heads, D // layer.num_heads
    query, key, value = layer.qkv(tokens.reshape(N, h * w, D)).unflatten(-1, (3, heads, size)).unbind(2)
    rows, columns = (axis.flatten() for axis in torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    # a shift by s puts window borders at s, s + side, ...: the first window is the short one
    part = [(axis - move) // side for axis, move, side in zip((rows, columns), plan.shift, plan.window, strict=True)]
    together = (part[0][:, None] == part[0]) & (part[1][:, None] == part[1])
    down, across = (
        (axis[:, None] - axis).clamp(1 - layer.window, layer.window - 1) + layer.window - 1 for axis in (rows, columns)
    )
    bias = layer.bias_table_RA[down * (2 * layer.window - 1) + across].permute(2, 0, 1)
    scores = torch.einsum("nqae,nkae->naqk", query, key) / size**0.5 + bias
    shares = scores.masked_fill(~together, -torch.inf).softmax(-1)
    return layer.projection(torch.einsum("naqk,nkae->nqae", shares, value).reshape(N, h, w, D))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_windows_equal_the_obvious_pairs(grid, shifted, dtype):
    """float32 takes the fused kernel and float64 the plain product."""
    layer = WindowAttention(16, 8, 8, shifted=shifted).to(dtype)
    with torch.no_grad():
        layer.bias_table_RA.normal_(generator=torch.Generator().manual_seed(0))
    tokens = torch.randn(2, *grid, 16, generator=torch.Generator().manual_seed(1), dtype=dtype)
    torch.testing.assert_close(layer(tokens), obvious_attention(layer, tokens), rtol=1e-5, atol=1e-5)


def test_shift_only_where_the_grid_is_larger():
    assert plan_windows((8, 16), 8, shifted=True).shift == (0, 4)
    assert plan_windows((4, 4), 8, shifted=True).window == (4, 4)
    assert not plan_windows((8, 8), 8, shifted=True).needs_mask


def test_no_row_of_a_mask_is_empty():
    mask = window_mask(plan_windows((10, 17), 8, shifted=True))
    assert (mask == 0).any(-1).all()
    assert set(mask.ravel().tolist()) == {0.0, MASKED}
