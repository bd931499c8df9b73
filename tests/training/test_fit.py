from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from labelled_scene import scene

from pipelines.training import FitConfig, Phase, answer, change_f1, figures, fit, overall_accuracy
from pipelines.training.chips import ChipConfig
from pipelines.training.evaluate import SceneFigures, land_cover_answer, split_membership, window_series
from pipelines.training.fit import learning_rate
from pipelines.training.objective import any_change_dice
from ringmoe_core import RingMoE, nano

PHASES = (Phase(size=32, batch=4, share=1.0),)
CHIPS = ChipConfig(one_modality=0, band_subset=0, unmasked=0, date_dropout=0)


@pytest.mark.slow
def test_training_learns_what_is_written_in_the_pixels():
    scenes = [scene(0), scene(1)]
    chips = replace(CHIPS, num_epochs=4)
    config = FitConfig(steps=70, phases=PHASES, warmup_steps=10, learning_rate=3e-3, average=0.8, chips=chips)
    losses: list[float] = []
    model = fit(RingMoE(nano()), scenes, config, on_step=lambda step: losses.append(step.losses.land_cover))
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    counts = [figures(answer(model, scene(2)), scene(2), threshold=0.5)]
    assert overall_accuracy(counts) > 0.9  # two classes in equal parts


def test_the_same_seed_gives_the_same_weights():
    config = FitConfig(steps=2, phases=PHASES, chips=CHIPS)
    first, second = (fit(RingMoE(nano()), [scene(0)], config).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_learning_rate_warms_up_then_falls_to_its_end():
    config = FitConfig(steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate=0.1)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0.1)


def test_phases_must_share_the_whole_run():
    with pytest.raises(ValueError, match=r"sum to 1, got \[0.5\]"):
        FitConfig(steps=10, phases=(Phase(size=32, batch=1, share=0.5),))


def test_dice_is_zero_for_a_perfect_answer_and_near_one_for_its_opposite():
    target = torch.zeros(1, 16, 16, dtype=torch.long)
    target[:, :8] = 1
    target[:, :, 0] = 255
    logits = torch.zeros(1, 4, 16, 16)
    logits[:, 0] = torch.where(target == 0, 20.0, -20.0)
    assert float(any_change_dice(logits, target)) == pytest.approx(0, abs=1e-3)
    assert float(any_change_dice(-logits, target)) > 0.7


def test_split_membership_pairs_epochs_before_and_after():
    groups = split_membership(5, 2)
    assert groups.shape == (7, 10)
    assert groups[0].all()
    for split in range(4):
        before, after = groups[1 + split][:5].nonzero()[0], groups[3 + split][:5].nonzero()[0]
        assert before.tolist() == [e for e in (split - 1, split) if e >= 0]
        assert after.tolist() == [e for e in (split + 1, split + 2) if e <= 4]


def test_figures_agree_with_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score

    place, model = scene(3), RingMoE(nano()).eval()
    said = answer(model, place)
    counts = [figures(said, place, threshold=0.5)]
    assert overall_accuracy(counts) == pytest.approx(
        accuracy_score(place.land_cover.ravel(), said.land_cover.argmax(0).ravel())
    )
    claimed = (1 - said.change[0] >= 0.5).ravel()
    assert change_f1(counts) == pytest.approx(f1_score((place.change > 0).ravel(), claimed))


def test_f1_without_truth_or_claim_is_zero_not_nan():
    nothing = SceneFigures(right=1, labelled=2, true_positive=0, false_positive=0, false_negative=0)
    assert change_f1([nothing]) == 0.0
    assert math.isclose(overall_accuracy([nothing]), 0.5)


@pytest.mark.parametrize("modalities", [("sar_l2", "ms"), ("ms",)])
def test_land_cover_alone_is_that_of_the_whole_answer(modalities):
    model, place = RingMoE(nano()).eval(), scene(6)
    both = answer(model, place, modalities=modalities).land_cover
    alone = land_cover_answer(model, place, modalities=modalities)
    assert float(abs(alone - both).max()) < 1e-6


def test_ages_of_both_sensors_count_from_the_same_last_date():
    place = scene(6)
    years = np.arange(place.num_epochs - 1, -1, -1, dtype=np.float32) / 10
    place = replace(place, ms=replace(place.ms, age=years), sar=replace(place.sar, age=years + np.float32(0.01)))
    everywhere = (slice(None), slice(None))
    whole, early = window_series(place, everywhere), window_series(place, everywhere, dates=[0, 1])
    assert whole["ms"].age_BT[0].tolist() == pytest.approx(years.tolist())
    assert whole["sar_l2"].age_BT[0].tolist() == pytest.approx((years + 0.01).tolist())
    assert early["ms"].age_BT[0].tolist() == pytest.approx([0.1, 0.0], abs=1e-6)
    assert early["sar_l2"].age_BT[0].tolist() == pytest.approx([0.11, 0.01], abs=1e-6)


def test_one_sensor_alone_gives_an_answer():
    said = answer(RingMoE(nano()).eval(), scene(4), modalities=("sar_l2",))
    assert said.land_cover.sum(0) == pytest.approx(1, abs=1e-4)


def test_selection_biases_follow_the_loads_and_reach_the_average():
    config = FitConfig(steps=2, phases=PHASES, chips=CHIPS)
    fitted = fit(RingMoE(replace(nano(), balancing="bias")), [scene(0)], config)
    biases = {name: value for name, value in fitted.named_buffers() if "collaborative" in name}
    assert len(biases) == 5
    # two experts, two steps of 0.001 in opposite directions: 0.002 apart each, or back at zero
    assert all(float(value.abs().max()) in (0.0, pytest.approx(0.002)) for value in biases.values())
    assert any(value.any() for value in biases.values())
