from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from flows.models_command import models
from ringmoe_core.presets import PRESETS

KEYS = (
    "name", "total", "one_modality", "after_ep", "active", "dense",
    "gflop_192", "bf16_bytes", "bf16_bytes_one_modality",
)  # fmt: skip


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(models)
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_json_is_one_object_a_preset_a_line(invoke):
    done = invoke("--json")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [tuple(row) for row in rows] == [KEYS] * len(PRESETS)
    assert [row["name"] for row in rows] == list(PRESETS)
    found = {row["name"]: row for row in rows}["giant"]
    wanted = {"total": 14.746e9, "one_modality": 6.535e9, "after_ep": 4.482e9, "active": 2.430e9, "dense": 1.061e9}
    for key, count in wanted.items():
        assert found[key] == pytest.approx(count, rel=1e-3)


def test_table_has_a_row_a_preset(invoke, monkeypatch):
    chosen = {name: PRESETS[name] for name in ("nano", "giant")}
    monkeypatch.setattr("ringmoe_core.presets.PRESETS", chosen)
    done = invoke()
    assert done.exit_code == 0
    head, nano, giant, blank, *note = done.stdout.splitlines()
    assert head.split("  ")[0].strip() == "preset"
    assert nano.split()[0] == "nano"
    assert giant.split() == [
        "giant", "14,746.1", "6,535.0", "4,482.3", "2,429.7", "1,060.9", "631.9", "29.49", "GB", "13.07", "GB",
    ]  # fmt: skip
    assert blank == ""
    assert "in millions" in note[0]
    assert max(map(len, done.stdout.splitlines())) <= 120
