"""What one stage does: rates, layers, averages, tasks, and what it says when it cannot go on."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_places import place
from made_stage import OWN, SHAPE, PlainFabric, learner, stage

from pipelines.training.loop import ChipPhase, DivergedError, Schedule, StageConfig, StageRun, TaskSpec, run_stage
from pipelines.training.loop.multi_task import upright
from pipelines.training.loop.optimiser import OptimiserConfig, make_optimiser, set_rate
from pipelines.training.loop.prefetch import prefetching
from pipelines.training.loop.schedule import rate_at
from pipelines.training.loop.stage import TIMED_STEPS, phase_at, steps_for
from pipelines.training.places import PlaceStore, SamplerError, write_place
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import RingMoE
from ringmoe_core.heads import HeadConfig, build_head

ALL_TASKS = (
    *OWN,
    TaskSpec(name="height", kind="vhr", target="height_m"),
    TaskSpec(name="objects", kind="vhr", target="boxes", rotated=True),
    TaskSpec(name="scene", kind="vhr", target="scene_class"),
    TaskSpec(name="radar", kind="slc", target="land_cover"),
    TaskSpec(name="movers", kind="video", target="boxes"),
)
HEADS = {
    "height": HeadConfig(kind="height", task="height", options={"channels": 8}),
    "objects": HeadConfig(kind="rotated", task="objects", class_names=("ship", "car"), options={"channels": 8}),
    "scene": HeadConfig(kind="classification", task="scene", class_names=("port", "town")),
    "radar": HeadConfig(kind="segmentation", task="radar", class_names=("a", "b"), options={"channels": 8}),
    "movers": HeadConfig(kind="detection", task="movers", class_names=("ship", "car"), options={"channels": 8}),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    for kind in ("series", "slc", "vhr", "video"):
        for number in range(2):
            write_place(place(kind, number), folder)
    return PlaceStore.open(folder)


def train(learnt, config, **changes):
    records = []
    run = StageRun(learner=learnt, stage=config, fabric=PlainFabric(), seed=1, on_step=records.append, **changes)
    return run_stage(run), records


def test_rates_follow_their_schedule():
    cosine = Schedule(kind="cosine", peak=1.0, final=0.1, warmup_steps=4)
    rates = [rate_at(step, 24, cosine) for step in range(25)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[14] == pytest.approx(0.55)
    assert rates[24] == pytest.approx(0.1)
    assert rate_at(9, 24, cosine) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 5 / 20)))
    assert rate_at(14, 24, replace(cosine, kind="linear")) == pytest.approx(0.55)
    assert rate_at(9, 24, replace(cosine, kind="linear")) == pytest.approx(0.1 + 0.9 * 0.75)
    assert rate_at(20, 24, replace(cosine, kind="constant")) == 1.0
    with pytest.raises(ValueError, match="learning rates are"):
        Schedule(peak=0.1, final=0.2)


def test_every_parameter_of_a_backbone_has_its_rate_and_decay():
    model = RingMoE(SHAPE)
    optimiser = make_optimiser(model, OptimiserConfig(layer_decay=0.5, weight_decay=0.1), backbone=SHAPE)
    set_rate(optimiser, 0.8)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    wanted = {"encoder.embeds.": 0.1, "encoder.stages.0.": 0.2, "encoder.stages.1.": 0.4, "fusion.": 0.8}
    for name, parameter in model.named_parameters():
        rate, decay = found[id(parameter)]
        assert decay == (0.1 if parameter.ndim > 1 and "bias" not in name and "norm" not in name else 0.0), name
        for start, one in wanted.items():
            if name.startswith(start):
                assert rate == pytest.approx(one), name
    assert {round(rate, 6) for rate, _ in found.values()} == {0.8, 0.4, 0.2, 0.1}


def test_phases_share_the_steps():
    phases = (ChipPhase(size=16, batch=1, share=0.7), ChipPhase(size=32, batch=1, share=0.3))
    numbers = [phase_at(step, 10, phases) for step in range(10)]
    assert numbers == [0] * 7 + [1] * 3


def test_accumulated_batches_give_the_mean_gradient(store):
    """Two batches a step against the same two by hand, one plain step of AdamW."""
    changes = {"steps": 1, "phases": (ChipPhase(size=16, batch=2),), "average": 0.0}
    flat = OptimiserConfig(clip_norm=1e9, weight_decay=0.0)
    schedule = Schedule(kind="constant", peak=1e-3, warmup_steps=0)
    learnt = learner(store)
    reference = copy.deepcopy(learnt.module).train()
    train(learnt, stage(accumulate=2, optimiser=flat, schedule=schedule, **changes))
    other = learner(store)
    other._model = reference
    sampler = other.sampler(size=16, batch=2, seed=1)
    optimiser = torch.optim.AdamW(reference.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0)
    for index in range(2):
        (other.losses(other.prepare(sampler.batch(index))).total / 2).backward()
    optimiser.step()
    for (name, value), wanted in zip(learnt.module.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(value, wanted, msg=name)


def test_a_stage_leaves_the_running_average(store):
    learnt, seen = learner(store), []
    first = [value.detach().clone() for value in learnt.module.parameters()]

    def remember(_):
        seen.append([value.detach().clone() for value in learnt.module.parameters()])

    config = stage(steps=6, average=0.6)
    run_stage(StageRun(learner=learnt, stage=config, fabric=PlainFabric(), seed=1, on_step=remember))
    wanted = first
    decays = [min(0.6, (1 + step) / (10 + step)) for step in range(6)]
    for steps in (range(4), range(4, 6)):  # the average looks at every fourth step's weights, and at the last ones
        decay, values = math.prod(decays[step] for step in steps), seen[steps[-1]]
        wanted = [decay * kept + (1 - decay) * value for kept, value in zip(wanted, values, strict=True)]
    for value, one in zip(learnt.module.parameters(), wanted, strict=True):
        torch.testing.assert_close(value.detach(), one)


def test_a_stage_in_minutes_fixes_its_steps(store):
    config = stage(steps=None, minutes=1e-4, phases=(ChipPhase(size=16, batch=1),))
    state, records = train(learner(store), config)
    assert state.steps == TIMED_STEPS == len(records)
    assert [record.steps for record in records[:-1]] == [None] * (TIMED_STEPS - 1)
    assert steps_for(35, 1.4, done=20) == 1500
    with pytest.raises(ValueError, match="either steps or minutes"):
        StageConfig(name="x", steps=3, minutes=2.0)


def test_all_tasks_are_learnt_together(store):
    heads = {name: build_head(config, SHAPE) for name, config in HEADS.items()}
    learnt = learner(store, ALL_TASKS, heads)
    config = stage(
        steps=30, phases=(ChipPhase(size=32, batch=4),), average=0.0, schedule=Schedule(peak=5e-3, warmup_steps=2)
    )
    _, records = train(learnt, config)
    kinds = {
        "series": {"land_cover", "change"},
        "vhr": {"height", "objects", "scene"},
        "slc": {"radar"},
        "video": {"movers"},
    }
    for record in records:
        assert set(record.terms) == kinds[record.kinds[0]] | {"balance"}
        assert all(math.isfinite(value) for value in record.terms.values())
        assert len(record.routing) == 1
        assert 0 <= record.waited <= 1
    assert {record.kinds[0] for record in records} == set(kinds)
    own = [record.terms for record in records if "land_cover" in record.terms]
    height = [record.terms["height"] for record in records if "height" in record.terms]
    assert own[-1]["land_cover"] < own[0]["land_cover"]
    assert height[-1] < height[0]


def test_weights_scale_their_task(store):
    plain = learner(store, [OWN[0]])
    half = learner(store, [replace(OWN[0], weight=0.5)])
    sampler = plain.sampler(size=16, batch=2, seed=1)
    prepared = plain.prepare(sampler.batch(0))
    one, other = plain.losses(prepared), half.losses(prepared)
    assert float((one.total - other.total).detach()) == pytest.approx(0.5 * one.terms["land_cover"], rel=1e-4)


def test_a_batch_without_truth_of_a_task_leaves_the_task_out(tmp_path):
    one = place("series")
    unknown = {**one.targets, "land_cover": np.full(one.shape, IGNORE, np.uint8)}
    write_place(replace(one, targets=unknown), tmp_path)
    _, records = train(learner(PlaceStore.open(tmp_path)), stage(steps=2))
    assert all(set(record.terms) == {"change", "balance"} for record in records)
    assert all(math.isfinite(record.total) for record in records)
    write_place(replace(one, targets=unknown | {"change": unknown["land_cover"]}), tmp_path)
    _, records = train(learner(PlaceStore.open(tmp_path)), stage(steps=2))
    assert all(set(record.terms) == {"balance"} for record in records)


def test_a_task_without_places_or_head_is_refused(tmp_path, store):
    write_place(place("series"), tmp_path)
    heads = {"height": build_head(HEADS["height"], SHAPE)}
    tasks = (*OWN, ALL_TASKS[2])
    with pytest.raises(SamplerError, match=r"there must be a place of \['vhr'\], got \['series'\]"):
        train(learner(PlaceStore.open(tmp_path), tasks, heads), stage())
    with pytest.raises(ValueError, match=r"got none for \['height'\] of 3 tasks"):
        learner(store, tasks)


def test_a_loss_that_is_not_finite_ends_the_stage(store):
    learnt = learner(store)
    with torch.no_grad():
        learnt.backbone.decoder.refine.weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="the loss must stay finite, got nan at step 1 of small"):
        train(learnt, stage())


def test_batches_divide_among_processes(store):
    fabric = PlainFabric(world_size=4)
    with pytest.raises(ValueError, match=r"multiple of the 4 processes, got \[2\]"):
        run_stage(StageRun(learner=learner(store), stage=stage(), fabric=fabric, seed=1))


def test_upright_boxes_hold_the_corners_of_rotated_ones():
    random = np.random.default_rng(0)
    for _ in range(20):
        cx, cy, w, h = random.uniform(2, 30, 4)
        angle = random.uniform(-np.pi / 2, np.pi / 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn.T + [cx, cy]
        found = upright(torch.tensor([[cx, cy, w, h, angle]]))[0].numpy()
        np.testing.assert_allclose(found, [*corners.min(0), *corners.max(0)], rtol=1e-5)


def test_what_makes_a_batch_fail_is_raised_where_it_is_taken():
    def make(index):
        if index == 2:
            raise SamplerError("nothing")
        return index

    with prefetching(make, first=0, last=5) as batches:
        assert [batches.take(), batches.take()] == [0, 1]
        with pytest.raises(SamplerError, match="nothing"):
            batches.take()
