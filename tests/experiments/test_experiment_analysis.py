"""Differences, intervals, Holm's correction and the words for a result, against planted rows and known numbers."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from experiments.analysis import difference, holm, paired, smallest_effect, wording
from experiments.claim import Contrast
from experiments.page import BEGIN, END, block, write_page
from experiments.picture import draw_claim
from experiments.registry import claim
from experiments.row import Row, read_rows, write_rows

PAIR = Contrast(arm="sparse", against="dense")


def rows_of(effect, *, seeds=5, scenes=20, spread=0.01, noise=0.05, seed=0, condition="all"):
    """Rows in which `sparse` is better by an effect with a spread over seeds, scenes common to both arms."""
    random = np.random.default_rng(seed)
    level = random.normal(0.6, noise, scenes)
    rows = []
    for index in range(seeds):
        gain = effect + random.normal(0, spread)
        for arm, shift in (("sparse", gain), ("dense", 0.0)):
            rows += [
                Row(claim="sparse-flops", arm=arm, seed=index, condition=condition, scene=scene,
                    value=float(level[scene] + shift), cpu_minutes=1.5, commit="abc", config="def")
                for scene in range(scenes)
            ]  # fmt: skip
    return rows


@pytest.mark.parametrize(("seeds", "published"), [(3, 3.3), (5, 1.7), (8, 1.2), (20, 0.66)])
def test_smallest_effects_are_those_of_the_tables(seeds, published):
    """Cohen's d of a paired t test at 80 % power: the usual tables (G*Power gives 3.26, 1.68, 1.16, 0.66)."""
    assert smallest_effect(seeds) == pytest.approx(published, abs=0.06)


def test_the_smallest_effect_is_found_four_times_in_five():
    random = np.random.default_rng(1)
    draws = random.normal(smallest_effect(5), 1, (20_000, 5))
    assert (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_a_planted_effect_is_found_with_its_interval():
    found = difference(rows_of(0.05), PAIR)
    assert found.low < 0.05 < found.high
    assert found.p < 0.01
    assert (found.num_seeds, found.num_scenes) == (5, 20)
    table = paired(rows_of(0.05), PAIR)
    assert found.p == pytest.approx(float(stats.ttest_rel(table.mean(1), np.zeros(5)).pvalue))
    assert "sparse is better than dense by 0.0" in wording(claim("sparse-flops"), found, found.p)


def test_a_null_is_told_as_a_null_with_what_would_have_been_found():
    found = difference(rows_of(0.0, spread=0.02), PAIR)
    text = wording(claim("sparse-flops"), found, found.p)
    assert text.startswith("Not detected at this size; the smallest effect that would have been: ")
    assert f"{1.68 * found.spread:.3f}" in text


def test_the_better_arm_is_named_whichever_it_is():
    found = difference(rows_of(-0.05), PAIR)
    assert "dense is better than sparse by 0.0" in wording(claim("sparse-flops"), found, found.p)


def test_scenes_that_only_one_arm_has_are_left_out_and_none_is_an_error():
    rows = [row for row in rows_of(0.05) if not (row.arm == "dense" and row.scene == 3)]
    assert paired(rows, PAIR).shape == (5, 19)
    with pytest.raises(ValueError, match="share no seed"):
        paired([row for row in rows if row.arm == "dense"], PAIR)


def test_nan_is_no_measure():
    rows = [dataclasses.replace(row, value=float("nan")) if row.scene == 3 else row for row in rows_of(0.05)]
    assert paired(rows, PAIR).shape == (5, 19)


def test_conditions_can_be_chosen():
    rows = rows_of(0.02, condition="a", seeds=3, spread=0) + rows_of(0.10, condition="b", seeds=3, spread=0)
    only = dataclasses.replace(PAIR, conditions=("b",))
    assert difference(rows, only).mean == pytest.approx(0.10)
    assert difference(rows, PAIR).mean == pytest.approx(0.06)


def test_a_condition_that_one_arm_lacks_counts_for_neither():
    """`dense` sees nothing under `b`, where all do worse: its mean must not be held against another's of both."""
    rows = rows_of(0.02, condition="a", seeds=3, spread=0)
    for row in rows_of(0.02, condition="b", seeds=3, spread=0):
        rows.append(dataclasses.replace(row, value=float("nan") if row.arm == "dense" else row.value - 0.4))
    assert difference(rows, PAIR).mean == pytest.approx(0.02)


def test_a_run_that_has_not_come_far_enough_does_not_stop_the_page():
    half = [row for row in rows_of(0.05) if row.arm == "sparse"]
    assert "### sparse-flops" in block({"sparse-flops": half})
    assert "0 of 7 claims have been run" in block({"sparse-flops": half})


def test_nothing_is_said_before_the_last_seed():
    text = block({"sparse-flops": rows_of(0.05, seeds=4)})
    assert "**Under way, 4 of 5 seeds: nothing is said before the last.**" in text
    assert "0 of 7 claims have been run" in text
    assert "is better than" not in text
    assert "4 x 20" in text


def test_tiny_p_values_are_told_as_such():
    found = difference(rows_of(0.05), PAIR)
    assert "p < 0.001 after Holm" in wording(claim("sparse-flops"), found, 0.0002)
    assert "p = 0.012 after Holm" in wording(claim("sparse-flops"), found, 0.012)


def test_holm_by_hand():
    told = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": float("nan")})
    assert told["a"] == pytest.approx(0.03)
    assert told["c"] == pytest.approx(0.06)
    assert told["b"] == pytest.approx(0.06), "never below that of a smaller p"
    assert np.isnan(told["d"])


def test_rows_survive_their_file(tmp_path):
    rows = rows_of(0.01, seeds=2, scenes=2)
    write_rows(tmp_path / "a.csv", rows)
    assert read_rows(tmp_path / "a.csv") == rows
    assert read_rows(tmp_path / "none.csv") == []
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    with pytest.raises(ValueError, match="columns"):
        read_rows(tmp_path / "b.csv")


def test_the_page_is_redrawn_between_its_markers_alone(tmp_path):
    path = tmp_path / "results.md"
    path.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\ntail\n")
    text = block({"sparse-flops": rows_of(0.05)})
    write_page(path, text)
    first = path.read_text()
    write_page(path, text)
    assert path.read_text() == first
    assert first.startswith("# Title\n\n")
    assert first.endswith("tail\n")
    assert "old" not in first
    assert "sparse is better than dense" in first
    assert "Not run yet: 3 arms, 8 seeds" in first
    path.write_text("no markers")
    with pytest.raises(ValueError, match="lines"):
        write_page(path, text)


def test_the_committed_page_is_what_the_committed_rows_say():
    from experiments.page import ROOT, all_rows

    page = (ROOT / "docs" / "results.md").read_text()
    written = page.split(BEGIN)[1].split(END)[0].strip()
    assert written == block(all_rows(ROOT / "experiments" / "results")).strip()


def test_a_picture_shows_every_arm_and_is_the_same_twice():
    from xml.etree import ElementTree as ET

    rows = rows_of(0.05)
    drawn = draw_claim(claim("sparse-flops"), rows)
    assert drawn == draw_claim(claim("sparse-flops"), rows)
    texts = [element.text for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"sparse", "dense"} <= set(texts)
    circles = list(ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 2 * (5 + 1)
