from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmoe_core import RingMoEConfig
from ringmoe_core.prune import dense_config, extracted_config, pruned_config

FOUR = RingMoEConfig(num_specialised=4, num_collaborative=4)


def test_extraction_keeps_the_configurations_order_and_channels():
    smaller = extracted_config(FOUR, ("ms", "optical"))
    assert smaller == replace(FOUR, modalities=("optical", "ms"), channels=(3, 10))
    assert extracted_config(FOUR, FOUR.modalities) == FOUR


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "named once each, got \\(\\)"),
        (("ms", "ms"), "named once each"),
        (("ms", "lidar"), "must be among .*lidar.*rename"),
    ],
)
def test_wrong_modalities_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        extracted_config(FOUR, names)


def test_pruning_counts_ghosts_only_with_original_gates():
    assert pruned_config(FOUR, keep=0.25) == replace(FOUR, num_collaborative=1, num_pruned=3)
    assert pruned_config(FOUR, keep=0.25, gate="recalibrated") == replace(FOUR, num_collaborative=1)
    again = pruned_config(pruned_config(FOUR, keep=0.75), keep=0.5)
    assert (again.num_collaborative, again.num_pruned) == (2, 2)


def test_specialised_experts_are_pruned_with_recalibrated_gates_only():
    assert pruned_config(dense_config(FOUR), keep=1) == dense_config(FOUR)
    smaller = pruned_config(FOUR, keep=1, gate="recalibrated", keep_specialised=0.5)
    assert (smaller.num_specialised, smaller.num_collaborative) == (2, 4)
    with pytest.raises(ValueError, match=r"keep_specialised 0\.5 and original gates; recalibrate"):
        pruned_config(FOUR, keep=1, keep_specialised=0.5)


@given(num=st.integers(1, 40), kept=st.integers(1, 40))
def test_a_share_of_whole_experts_means_that_many(num, kept):
    kept = min(kept, num)
    config = replace(FOUR, num_collaborative=num)
    smaller = pruned_config(config, keep=kept / num)
    assert (smaller.num_collaborative, smaller.num_pruned) == (kept, num - kept)


@pytest.mark.parametrize("keep", [0, -0.5, 1.01, float("nan")])
def test_a_share_out_of_range_is_refused(keep):
    with pytest.raises(ValueError, match=r"keep must lie in \(0, 1\]"):
        pruned_config(FOUR, keep=keep)


def test_what_cannot_be_pruned_is_refused():
    with pytest.raises(ValueError, match=r"at least the 2 experts that a token takes.*keep more"):
        pruned_config(replace(FOUR, top_k=2), keep=0.25)
    with pytest.raises(ValueError, match="needs a bank with experts"):
        pruned_config(dense_config(FOUR), keep=0.25)
    with pytest.raises(ValueError, match="a gate is one of"):
        pruned_config(FOUR, keep=0.25, gate="renormalised")


def test_dense_has_no_bank_and_any_width():
    pruned = pruned_config(FOUR, keep=0.5)
    assert dense_config(pruned) == replace(FOUR, num_specialised=0, num_collaborative=0)
    assert dense_config(replace(FOUR, top_k=3), mlp_ratio=6).mlp_ratio == 6
    with pytest.raises(ValueError, match="mlp_ratio must be at least 1"):
        dense_config(FOUR, mlp_ratio=0)
