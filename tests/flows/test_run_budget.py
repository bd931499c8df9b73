"""Forecasts of runs, what they learn, and budgets that refuse."""

import dataclasses
import json
import math
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.budget import BudgetConfig, excesses, parse_budget, parse_duration
from flows.errors import ConfigError, RunFailedError
from flows.experience import Lesson, learn, lesson_of
from flows.monitor import run_region
from flows.plan import plan_region, plan_text
from flows.region_file import load_region
from flows.search import search


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30min", 1800), ("2h", 7200), ("1.5 h", 5400), ("1d", 86400)]
)
def test_times_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "-3s", "0s", "2 weeks", "min"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="write 30min"):
        parse_duration(text)


def test_budgets_of_the_command_line_win():
    base = BudgetConfig(time="1h", read="5GB")
    assert parse_budget(["time=30min", "requests=10"], base) == BudgetConfig(time="30min", read="5GB", requests=10)
    with pytest.raises(ConfigError, match="--budget is one of time="):
        parse_budget(["money=3"])
    with pytest.raises(ConfigError, match="write 2GB"):
        parse_budget(["read=many"])


def test_lessons_are_medians_and_their_scatter():
    assert lesson_of([]) == Lesson(factor=1.0, spread=3.0, num_runs=0)
    assert lesson_of([2.0]) == Lesson(factor=2.0, spread=2.0, num_runs=1)
    many = lesson_of([1.9, 2.0, 2.1, 2.0, 30.0])
    assert many.factor == pytest.approx(2.0)
    assert many.spread == pytest.approx(max(1.15, math.exp(1.4826 * abs(math.log(2.1 / 2.0)))))
    assert lesson_of([1.0] * 50 + [4.0] * 30).factor == pytest.approx(4.0)  # the newest thirty


GOOD = {
    "status": "Completed",
    "started": "2026-01-01",
    "timings": '{"infer": 4}',
    "estimate": '{"raw_stage_seconds": {"infer": 2}}',
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"estimate": "{"},
        {"estimate": "{}"},
        {"estimate": "[]"},
        {"estimate": 3},
        {"estimate": '{"raw_stage_seconds": {"infer": Infinity}}'},
        {"estimate": '{"raw_stage_seconds": {"infer": "2"}}'},
        {"timings": '{"infer": Infinity}'},
        {"timings": '{"infer": NaN}'},
        {"timings": '{"infer": {}}'},
        {"timings": '{"infer": 0}'},
        {"timings": None},
    ],
)
def test_a_ledger_that_tells_no_times_teaches_nothing_and_fails_nothing(tmp_path, wrong):
    for name, row in (("good", GOOD), ("wrong", {**GOOD, **wrong}), ("old", {"status": "Completed"})):
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / f"{name}.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    assert learn([tmp_path, tmp_path / "absent"]) == {"infer": lesson_of([2.0])}


@pytest.fixture
def region(catalog, document, write_region, tmp_path):
    def make(**changes):
        output = changes.pop("output", tmp_path / "out")
        return load_region(write_region(document(catalog, output, **changes)))

    return make


def test_a_run_keeps_its_forecast_and_the_next_one_learns(region, tmp_path):
    planned = plan_region(region())
    assert planned.estimate.scenes == 8
    assert planned.estimate.learned_from == 0
    assert "no past run to learn from" in plan_text(planned)
    assert not (tmp_path / "out").exists()
    report = run_region(region())
    assert report.estimate["scenes"] == 8
    lessons = learn([tmp_path / "out" / "ledger"])
    foreseen = report.estimate["raw_stage_seconds"]
    assert {stage for stage, seconds in foreseen.items() if seconds >= 0.2} == set(lessons)
    stages = [stage for stage in foreseen if stage != "rest"]
    taken = report.timings | {"rest": report.timings["total"] - sum(report.timings[stage] for stage in stages)}
    for stage, lesson in lessons.items():
        assert lesson.factor == pytest.approx(taken[stage] / foreseen[stage], rel=0.01)
    again = plan_region(region())
    assert (again.estimate.scenes, again.estimate.settled) == (0, 8)
    assert "nothing new to read" in plan_text(again)
    elsewhere = plan_region(region(output=tmp_path / "elsewhere"))  # a region beside it
    assert elsewhere.estimate.learned_from == 1
    for stage, lesson in lessons.items():
        assert elsewhere.estimate.stage_seconds[stage] == pytest.approx(foreseen[stage] * lesson.factor, rel=0.01)


def test_a_plan_counts_the_tiles_of_one_pass_once(region, monkeypatch):
    config = region()
    found = search(config)
    first = next(scene for scene in found.scenes if scene.sensor == "sentinel-2-msi")
    times = {name: getattr(first, name) + timedelta(seconds=20) for name in ("time", "time_start", "time_end")}
    tile = dataclasses.replace(first, id="next-tile", **times)
    before = plan_region(config)
    monkeypatch.setattr("flows.plan.search", lambda _: dataclasses.replace(found, scenes=(*found.scenes, tile)))
    after = plan_region(config)
    assert after.dates == before.dates == dict(before.estimate.dates)
    assert after.estimate.bytes_cube == before.estimate.bytes_cube > 0
    assert after.estimate.rasters > before.estimate.rasters


def test_over_budget_nothing_is_read(region, tmp_path):
    config = region(budget={"scenes": 3, "read": "1kB", "time": "30d"})
    planned = plan_region(config)
    assert [line.split(":")[0] for line in planned.over_budget] == ["read", "scenes"]
    assert "OVER BUDGET" in plan_text(planned)
    with pytest.raises(RunFailedError, match="scenes: 8 scenes foreseen, 3 allowed") as refused:
        run_region(config)
    assert refused.value.report.cube is None
    assert not (tmp_path / "out" / "cube").exists()
    assert {row.outcome for row in refused.value.report.scenes} == {"not_reached"}


def test_within_its_budget_a_run_goes_on(region):
    config = region(budget={"scenes": 8, "memory": "4GB"})
    assert plan_region(config).over_budget == ()
    assert excesses(None, plan_region(config).estimate) == ()


def test_a_wrong_budget_is_a_fault_of_the_region(region):
    for budget in ({"time": "soon"}, {"cost": 3}, {"read": "-1GB"}):
        with pytest.raises(ConfigError, match="budget"):
            region(budget=budget)


def test_a_plan_is_plain_json(region):
    told = json.loads(json.dumps(plan_region(region()).to_dict()))
    assert {"bytes_read", "requests", "units", "core_seconds", "bytes_output", "peak_bytes", "seconds"} <= set(
        told["estimate"]
    )


def test_a_collection_without_items_is_told(region):
    config = region()
    mistyped = config.sources[0].model_copy(update={"collections": ("sentinel-2-l2a", "sentinel-1-gdr")})
    config = config.model_copy(update={"sources": (mistyped,)})
    (warning,) = plan_region(config).warnings
    assert "sentinel-1-gdr" in warning
    assert f"note: {warning}" in plan_text(plan_region(config))
    assert warning in run_region(config).notes
