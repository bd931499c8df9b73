"""Tokens without data are hidden, and windows without any data are a defined case."""

from __future__ import annotations

import pytest
import torch
from attention_pairs import make_layer

KINDS = ("bias", "cosine")


@pytest.fixture
def live():
    seen = torch.rand(2, 9, 10, generator=torch.Generator().manual_seed(5)) > 0.6
    seen[0, :5, :5] = False  # windows with none
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_a_dead_token_holds_changes_no_live_one(kind, dtype, live):
    layer = make_layer(kind, window=4, shifted=True).to(dtype)
    tokens = torch.randn(2, 9, 10, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    other = torch.where(live[..., None], tokens, 50 * tokens.flip(1, 3) + 7)
    with torch.no_grad():
        assert torch.equal(layer(tokens, live)[live], layer(other, live)[live])
        assert not torch.equal(layer(tokens)[live], layer(other)[live])


@pytest.mark.parametrize("kind", KINDS)
def test_live_results_send_no_gradient_to_dead_tokens(kind, live):
    layer = make_layer(kind, window=4, shifted=True)
    tokens = torch.randn(2, 9, 10, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    layer(tokens, live)[live].square().sum().backward()
    assert not tokens.grad[~live].any()
    assert tokens.grad[live].any(-1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_live_at_all_is_finite_and_as_if_all_were(kind, dtype):
    layer = make_layer(kind, window=4, shifted=True).to(dtype)
    tokens = torch.zeros(1, 6, 7, 32, dtype=dtype, requires_grad=True)  # what the encoder makes of no data
    got = layer(tokens, torch.zeros(1, 6, 7, dtype=torch.bool))
    got.sum().backward()
    assert torch.isfinite(got).all()
    assert all(torch.isfinite(value.grad).all() for value in (tokens, *layer.parameters()))
    full = torch.randn(1, 6, 7, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    with torch.no_grad():
        torch.testing.assert_close(layer(full, torch.zeros(1, 6, 7, dtype=torch.bool)), layer(full))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_of_the_grid_is_never_seen(kind):
    """A grid of 5 x 6 in windows of 4 gives each token what it gets where the windows are cut by hand."""
    layer = make_layer(kind, window=4)
    tokens = torch.randn(1, 5, 6, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        got = layer(tokens)
        for rows in (slice(0, 4), slice(4, 5)):
            for columns in (slice(0, 4), slice(4, 6)):
                torch.testing.assert_close(got[:, rows, columns], layer(tokens[:, rows, columns]))


def test_all_live_is_the_same_as_no_mask():
    layer = make_layer(window=4, shifted=True)
    tokens = torch.randn(1, 9, 9, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(layer(tokens, torch.ones(1, 9, 9, dtype=torch.bool)), layer(tokens))
