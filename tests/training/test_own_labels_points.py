"""Tables of points: WorldCereal's layout by itself, others by a mapping; planted seasons are learnt."""

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.inference.channels import CONVENTIONS, MODALITY_BANDS
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.point_table import read_points
from pipelines.training.own_labels.series_learner import layout_of, series_learner


def worldcereal(num=3, steps=12):
    table = {"lon": np.linspace(33, 34, num), "lat": np.linspace(3, 4, num), "start_date": ["2016-12-01"] * num}
    table |= {"ref_id": ["one", "two"] * (num // 2) + ["one"] * (num % 2), "sampling_label": ["maize"] * num}
    for t in range(steps):
        table |= {f"OPTICAL-{band}-ts{t}-10m": np.full(num, 1000 + t) for band in MODALITY_BANDS["ms"]}
        table |= {f"SAR-{band}-ts{t}-20m": np.full(num, 10_000) for band in ("VV", "VH")}
    return pd.DataFrame(table)


def test_worldcereal_is_recognised_and_decoded(tmp_path):
    made = worldcereal()
    made.loc[1, "OPTICAL-B04-ts3-10m"] = 65535
    made.loc[2, "SAR-VV-ts0-20m"] = 0
    made.to_parquet(tmp_path / "p.parquet")
    table, column = read_points(tmp_path / "p.parquet", None)
    assert column == "sampling_label"
    red = MODALITY_BANDS["ms"].index("B04")
    wanted = (0.1003 - CONVENTIONS["B04"].mean) / CONVENTIONS["B04"].std
    assert table.series["ms"].shape == (3, 12, 10)
    assert table.series["ms"][0, 3, red] == pytest.approx(wanted, rel=1e-5)
    assert np.isnan(table.series["ms"][1, 3, red])
    assert np.isnan(table.series["sar_l2"][2, 0, 0])
    decibel = 20 * np.log10(10_000) - 83
    assert table.series["sar_l2"][0, 0, 0] == pytest.approx((decibel + 11) / 5, rel=1e-4)
    # the middle of December 2016, a leap year, and of January 2017
    assert table.day[0, :2].tolist() == pytest.approx([349 / 366, 14 / 365], rel=1e-5)
    assert table.survey.tolist() == ["one", "two", "one"]


def test_other_tables_are_read_by_a_mapping(tmp_path):
    frame = pd.DataFrame(
        {"x": [5.0, 6.0], "y": [50.0, 51.0], "what": ["a", "b"], "vv_0": [-10.0, -12.0], "vv_1": [-9.0, None]}
        | {"red_1": [0.1, 0.2]}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    mapping = {
        "lon": "x",
        "lat": "y",
        "start": "2020-03-01",
        "series": {"sar_l2": {"VV": "vv_{step}"}, "ms": {"B04": "red_{step}"}},
        "units": {"sar_l2": "db", "ms": "reflectance"},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(mapping))
    table, _ = read_points(tmp_path / "p.csv", "what", tmp_path / "c.yaml")
    assert table.name.tolist() == ["a", "b"]
    assert table.series["sar_l2"][:, 0, 0].tolist() == pytest.approx([0.2, -0.2], abs=1e-5)
    assert np.isnan(table.series["sar_l2"][1, 1, 0])
    assert np.isnan(table.series["ms"][:, 0]).all()
    assert table.day.shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"units": {"sar_l2": "reflectance"}}, "unit of sar_l2"),
        ({"series": {"thermal": {"B": "b_{step}"}}}, r"series are of \['ms', 'sar_l2'\], got \['thermal'\]"),
        ({"series": {"sar_l2": {"HH": "vv_{step}"}}}, "bands of sar_l2"),
        ({"series": {"sar_l2": {"VV": "vv"}}}, "in their columns"),
        ({"series": {"sar_l2": {"VV": "none_{step}"}}}, "a column a step"),
        ({"colour": "red"}, r"unknown \['colour'\]"),
        ({"start": "soon"}, "start must be a column"),
        ({"lon": "east"}, "got 'east' among"),
    ],
)
def test_wrong_mappings_are_told(tmp_path, change, match):
    pd.DataFrame({"lon": [5.0], "lat": [50.0], "what": ["a"], "vv_0": [-10.0]}).to_json(tmp_path / "p.json")
    mapping = {"start": "2020-03-01", "series": {"sar_l2": {"VV": "vv_{step}"}}, "units": {"sar_l2": "db"}} | change
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(mapping))
    with pytest.raises(LabelError, match=match):
        read_points(tmp_path / "p.json", "what", tmp_path / "c.yaml")


def test_rows_without_class_place_or_observation_are_counted(tmp_path):
    made = worldcereal(5)
    made.loc[1, "sampling_label"] = None
    made.loc[2, "lon"] = np.nan
    values = [name for name in made.columns if "-ts" in name]
    made[values] = made[values].astype(float)
    made.loc[3, values] = 65535.0
    made.to_parquet(tmp_path / "p.parquet")
    table, _ = read_points(tmp_path / "p.parquet", None)
    assert table.skipped == {"no_class": 1, "no_observation": 1, "no_place": 1}
    assert len(table.lon) == 2


def test_tables_that_are_none_are_told(tmp_path):
    with pytest.raises(LabelError, match="which is none"):
        read_points(tmp_path / "absent.parquet", None)
    (tmp_path / "p.txt").write_text("x")
    with pytest.raises(LabelError, match="convert it"):
        read_points(tmp_path / "p.txt", None)
    pd.DataFrame({"lon": [1.0]}).to_csv(tmp_path / "p.csv")
    with pytest.raises(LabelError, match="no WorldCereal table"):
        read_points(tmp_path / "p.csv", "lon")
    worldcereal(0).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(LabelError, match="needs rows"):
        read_points(tmp_path / "e.parquet", None)
    worldcereal().to_parquet(tmp_path / "w.parquet")
    with pytest.raises(LabelError, match="got 'crop' among"):
        read_points(tmp_path / "w.parquet", "crop")


def test_a_planted_season_is_learnt_from_the_order_of_dates(tmp_path):
    """Both classes have the same values; only when in the year they peak differs."""
    random = np.random.default_rng(0)
    made = worldcereal(160)
    late = random.random(160) < 0.5
    made["sampling_label"] = np.where(late, "late", "early")
    for t in range(12):
        green = np.exp(-(((t - np.where(late, 8, 4)) / 1.5) ** 2))
        made[f"OPTICAL-B08-ts{t}-10m"] = (2000 + 2500 * green + 200 * random.normal(size=160)).astype(int)
    made.to_parquet(tmp_path / "p.parquet")
    table, _ = read_points(tmp_path / "p.parquet", None)
    layout, label = layout_of(table), late.astype(np.int64)
    rows = layout.rows(table)
    first = slice(0, 100)
    answers = [
        series_learner(layout, seed=1, steps=60)(rows[first], label[first], np.ones(100), 2)(rows[100:]) for _ in "ab"
    ]
    assert (answers[0] == answers[1]).all()
    assert (answers[0].argmax(1) == label[100:]).mean() > 0.9
    statistics = layout.statistics(rows)
    assert abs(statistics[late].mean() - statistics[~late].mean()) < 0.05  # nothing to see without the dates


def read_made(tmp_path, start="2020-03-01", **columns):
    made = {"lon": [5.0, 6.0], "lat": [50.0, 51.0], "what": ["a", "b"], "vv_0": [-10.0, -9.0]} | columns
    pd.DataFrame(made).to_csv(tmp_path / "p.csv", index=False)
    mapping = {"start": start, "series": {"sar_l2": {"VV": "vv_{step}"}}, "units": {"sar_l2": "db"}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(mapping))
    return read_points(tmp_path / "p.csv", "what", tmp_path / "c.yaml")[0]


def test_steps_that_a_table_leaves_out_take_their_months_with_them(tmp_path):
    table = read_made(tmp_path, vv_1=[-10.0, -9.0], vv_4=[-10.0, -9.0])
    # the middle of March, April and July of a leap year
    assert table.day[0].tolist() == pytest.approx([74 / 366, 105 / 366, 196 / 366], rel=1e-5)


@pytest.mark.parametrize("start", ["", "NaT", "spring"])
def test_rows_without_a_first_month_are_left_out_and_counted(tmp_path, start):
    table = read_made(tmp_path, start="when", when=["2020-03-01", start])
    assert table.skipped == {"no_start": 1}
    assert table.name.tolist() == ["a"]
    assert np.isfinite(table.day).all()


def test_texts_among_numbers_are_told_or_left_out(tmp_path):
    assert read_made(tmp_path, lon=["5.0", "6,1"]).skipped == {"no_place": 1}
    with pytest.raises(LabelError, match=r"series are numbers or empty, got .*-9,5.* in column 'vv_0'"):
        read_made(tmp_path, vv_0=["-10", "-9,5"])
