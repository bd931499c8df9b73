"""Levels of a pyramid lie over each other, also where a size is no multiple of the coarsest stride."""

from __future__ import annotations

import pytest
import torch

from ringmoe_core.heads.neck import FeaturePyramid, enlarge


def centres(cells, stride):
    """Position of each cell's middle along an axis, in pixels, as a map."""
    return ((torch.arange(cells) + 0.5) * stride).expand(1, 1, 4, cells).clone()


@pytest.mark.parametrize("cells", [8, 9, 13, 18])
@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_an_enlarged_level_stays_where_it_was(cells, doublings):
    coarse = cells
    for _ in range(doublings):
        coarse = (coarse + 1) // 2
    factor = 2**doublings
    fine = centres(cells, 4)
    found = enlarge(centres(coarse, 4 * factor), factor, fine)
    assert found.shape == fine.shape
    inner = slice(factor // 2, (coarse - 1) * factor + factor // 2)  # beyond the outer middles there is but one value
    torch.testing.assert_close(found[..., inner], fine[..., inner])


def test_what_lies_at_the_lower_right_changes_nothing_far_from_it():
    """A wider image whose added columns are empty: squeezed levels would move everything."""
    torch.manual_seed(0)
    pyramid = FeaturePyramid((4, 4), 4)
    with torch.no_grad():
        for join in pyramid.pooling.branches:  # what sees the whole image
            join.norm.norm.weight.zero_()
            join.norm.norm.bias.zero_()
    fine, coarse = torch.randn(1, 4, 8, 18), torch.randn(1, 4, 4, 9)
    whole = pyramid([fine, coarse])[0]
    cut = pyramid([fine[..., :17], coarse])[0]
    torch.testing.assert_close(cut[..., :15], whole[..., :15])
