from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from labelled_scene import scene

from pipelines.training import DistillationConfig, FitConfig, Phase, distil, fit
from pipelines.training.chips import ChipConfig, ChipSampler
from pipelines.training.objective import answers
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.prune import DistilConfig, dense_config

CONFIG = RingMoEConfig(
    modalities=("sar_l2", "ms"), channels=(2, 10), dim=16, depths=(1, 1), fusion_dim=16, skip_dim=8, map_dim=8
)
CHIPS = ChipConfig(num_epochs=4, one_modality=0, band_subset=0, unmasked=0, date_dropout=0)
FIT = FitConfig(steps=2, phases=(Phase(size=32, batch=2, share=1.0),), warmup_steps=1, average=0.5, chips=CHIPS)


def teacher(seed=0):
    return RingMoE(CONFIG, seed=seed)


def student(seed=1):
    return RingMoE(dense_config(CONFIG), seed=seed)


def test_students_in_lockstep_end_as_each_alone():
    config = DistillationConfig(fit=FIT)
    both = distil(teacher(), {"a": student(1), "b": student(2)}, [scene(0)], config)
    for name, seed in (("a", 1), ("b", 2)):
        alone = distil(teacher(), {name: student(seed)}, [scene(0)], config)[name].state_dict()
        assert all(torch.equal(value, alone[key]) for key, value in both[name].state_dict().items())
    assert not torch.equal(both["a"].encoder.norms[0].weight, both["b"].encoder.norms[0].weight)


def test_the_teacher_is_left_as_it_was():
    model = teacher().train()
    before = copy.deepcopy(model.state_dict())
    distil(model, {"a": student()}, [scene(0)], DistillationConfig(fit=FIT))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_copy_of_the_teacher_has_nothing_to_learn_from_it():
    first = []
    distil(
        teacher(),
        {"copy": teacher(), "other": teacher(seed=3)},
        [scene(0)],
        DistillationConfig(fit=replace(FIT, steps=1)),
        on_step=first.append,
    )
    assert first[0].students["copy"].distillation == pytest.approx(0, abs=1e-6)
    assert first[0].students["other"].distillation > 0.1


def test_labels_alone_train_as_fit_does():
    config = DistillationConfig(fit=FIT, distillation=0.0)
    taught = distil(teacher(), {"a": student()}, [scene(0)], config)["a"].state_dict()
    fitted = fit(student(), [scene(0)], FIT).state_dict()
    assert all(torch.allclose(taught[name], fitted[name], atol=1e-6) for name in fitted)


def test_a_student_comes_to_answer_as_its_teacher():
    long = replace(FIT, steps=40, learning_rate=5e-3, warmup_steps=5)
    losses = []
    config = DistillationConfig(fit=long, labels=0.0, loss=DistilConfig(levels=0.3))
    distil(teacher(), {"a": student()}, [scene(0)], config, on_step=lambda step: losses.append(step.students["a"]))
    assert sum(loss.distillation for loss in losses[-5:]) < 0.5 * sum(loss.distillation for loss in losses[:5])


def test_a_pixel_counts_where_any_image_of_its_group_sees_it():
    batch = ChipSampler([scene(0)], replace(CHIPS, size=32, batch=2), seed=0).draw()
    batch.series["ms"].valid_BTHW[:, :, :8] = False
    batch.series["sar_l2"].valid_BTHW[:, :, :8] = False
    seen_BTHW = torch.cat([batch.series[name].valid_BTHW for name in ("sar_l2", "ms")], dim=1)
    member_BGT = batch.membership_BGT[..., None, None]
    expected = (seen_BTHW[:, None] & member_BGT).any(2)
    assert not expected[:, :, :8].any()
    assert expected.any()
    assert torch.equal(answers(teacher(), batch).observed_BGHW, expected)


def test_no_student_and_no_loss_are_refused():
    with pytest.raises(ValueError, match="at least one student, got none"):
        distil(teacher(), {}, [scene(0)], DistillationConfig(fit=FIT))
    with pytest.raises(ValueError, match="not both 0, got 0"):
        DistillationConfig(fit=FIT, distillation=0, labels=0)
    with pytest.raises(ValueError, match="at least 0 and not both 0, got -1"):
        DistillationConfig(fit=FIT, distillation=-1)
