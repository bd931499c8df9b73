"""The named sizes against the published arithmetic."""

from __future__ import annotations

import pytest

from ringmoe_core import RingMoE
from ringmoe_core.presets import PRESETS, giant

# billions, from the paper's recipe (reference specification, 1.6), to three decimals
PUBLISHED = {"paper-t": 0.373, "paper-s": 0.678, "base": 1.205, "large": 2.710, "huge": 9.105, "giant": 14.746}
OURS = {"nano": 5.36e6, "tiny": 21.2e6, "small": 192e6}


@pytest.mark.parametrize("name", PUBLISHED)
def test_papers_sizes(name):
    total = sum(parameter.numel() for parameter in RingMoE(PRESETS[name](), seed=None).parameters())
    assert total / 1e9 == pytest.approx(PUBLISHED[name], abs=0.0006)


@pytest.mark.parametrize("name", OURS)
def test_our_sizes(name):
    total = sum(parameter.numel() for parameter in RingMoE(PRESETS[name](), seed=None).parameters())
    assert total == pytest.approx(OURS[name], rel=0.01)


def test_every_preset_is_one_or_the_other_and_has_no_storage_on_meta():
    assert set(PRESETS) == set(PUBLISHED) | set(OURS)
    assert all(parameter.is_meta for parameter in RingMoE(giant(), seed=None).parameters())


def test_paper_presets_have_the_published_shape():
    config = giant()
    assert config.stage_dims == (448, 896, 1792, 3584)
    assert config.depths == (2, 2, 18, 2)
    assert [dim // config.head_dim for dim in config.stage_dims] == [14, 28, 56, 112]
    assert config.stage_windows == (12, 12, 12, 6)
    assert config.strides == (4, 8, 16, 32)
    assert config.channels == (3, 8, 3, 4)


def test_bias_tables_of_the_giant_hold_six_hundred_thousand_values():
    tables = [p.numel() for name, p in RingMoE(giant(), seed=None).named_parameters() if name.endswith("bias_table_RA")]
    # (2 w - 1)^2 x heads: 529 x (2 x 14 + 2 x 28 + 18 x 56) + 121 x 2 x 112
    assert sum(tables) == 529 * 1092 + 121 * 224
