"""docs/benchmarks-data.md names every benchmark once, as the registry has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.training.benchmarks import benchmark_class, names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks-data.md"


@pytest.mark.parametrize("name", names())
def test_every_benchmark_has_one_row_that_is_right(name):
    rows = re.findall(rf"^\| `{re.escape(name)}` \|.*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(rows) == 1, f"docs/benchmarks-data.md has {len(rows)} rows for {name}, one is wanted"
    info = benchmark_class(name).info
    cells = [cell.strip() for cell in rows[0].split("|")]
    assert cells[2] == info.task.replace("_", " ")
    assert cells[3] == str(len(info.classes) or "-")
    assert cells[4] == info.metrics[0]
    assert cells[5] == ("yes" if info.paper_run else "")
    assert cells[6] == ", ".join(info.splits)
    assert cells[7] == info.licence
    assert cells[8] == f"<{info.home}>"


def test_the_page_names_no_benchmark_that_is_not_there():
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(rows) == list(names())
