"""The curves of a training's page: each kind of place by itself, so that alternating steps make no saw."""

import re

import pytest

from flows.train_charts import POINTS
from flows.train_curves import CurvePoint
from flows.train_page import training_page
from flows.train_summary import StageSummary, TrainingReport

LEVELS = {"series": -8.0, "vhr": 0.7}


def page_of(kinds):
    """Of a stage whose steps are of the kinds in turn; a kind's sum falls evenly to its level."""
    points = []
    for step in range(1, 401):
        kind = kinds[step % len(kinds)]
        values = {"total": LEVELS[kind] + 1 / step, "balance": 1 + 1 / step, "rate": 1e-3, "seconds": float(step)}
        points += [CurvePoint(stage="look", step=step, kind=kind, name=name, value=one) for name, one in values.items()]
    stage = StageSummary(
        name="look", steps=400, minutes=1.0, waited=0.0, last={}, held_out={}, draws={"chips": 1}, findings=()
    )
    report = TrainingReport(config={"name": "made", "preset": "nano"}, places={"series": 1}, stages=(stage,))
    return training_page(report, points, [])


def charts(page):
    """Heights of the line of each chart, by title; they grow downwards."""
    found = re.findall(r"<article><h3>(.*?)</h3>(.*?)</article>", page, flags=re.DOTALL)
    lines = {title: re.search(r'<polyline class="curve" points="(.*?)"', svg)[1] for title, svg in found}
    return {title: [float(pair.split(",")[1]) for pair in line.split()] for title, line in lines.items()}


def test_a_sum_is_drawn_by_kind_of_place_and_falls_without_a_saw():
    drawn = charts(page_of(["series", "vhr"]))
    assert list(drawn) == [
        "weighted sum of all terms, vhr", "weighted sum of all terms, series", "balance", "learning rate",
    ]  # fmt: skip
    for kind in LEVELS:
        heights = drawn[f"weighted sum of all terms, {kind}"]
        assert heights == sorted(heights), "a falling value goes down the page"
        assert heights[-1] > heights[0] + 50
        assert 20 <= len(heights) <= POINTS


@pytest.mark.parametrize("kind", LEVELS)
def test_one_kind_of_place_needs_no_name(kind):
    assert list(charts(page_of([kind]))) == ["weighted sum of all terms", "balance", "learning rate"]
