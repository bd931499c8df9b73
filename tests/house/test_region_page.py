"""docs/region.md says what a region may hold and how a run ends: every key, every default, every reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from catalogs.scenes import SkipReason
from flows.config import RegionConfig
from flows.run_report import LOSS_REASONS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "region.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
SCHEMA = RegionConfig.model_json_schema()


def entries(node=SCHEMA, above=""):
    """Every key without keys of its own, by its dotted name."""
    for name, entry in node["properties"].items():
        holders = [entry, *entry.get("anyOf", ()), entry.get("items", {})]
        below = next((SCHEMA["$defs"][held["$ref"].split("/")[-1]] for held in holders if "$ref" in held), None)
        if below is None:
            yield above + name, entry, name in node.get("required", ())
        else:
            yield from entries(below, f"{above}{name}.")


KEYS = {name: (entry, required) for name, entry, required in entries()}


def row_of(key):
    found = [row for row in ROWS if f"`{key}`" in row[0]]
    assert len(found) == 1, f"docs/region.md has {len(found)} rows for {key}, one is wanted"
    return found[0]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_its_row_with_its_default(key):
    entry, required = KEYS[key]
    _, default, meaning = row_of(key)
    assert len(meaning) > 10
    value = entry.get("default")
    if required:
        assert default == "required" or "no `" in default  # a section that may be left out whole
    elif isinstance(value, bool):
        assert default == str(value).lower()
    elif isinstance(value, (int, float)):
        assert re.search(rf"(?<![\d.]){value:g}(?![\d.])", default), default
    elif isinstance(value, str):
        assert value in default, default


def test_every_key_of_the_page_exists():
    named = {key for row in ROWS for key in re.findall(r"`([a-z_0-9.]+)`", row[0]) if "key" not in row[0]}
    sections = {key.rpartition(".")[0] for key in KEYS}
    assert named <= {*KEYS, *sections, *get_args(SkipReason)}


@pytest.mark.parametrize("reason", get_args(SkipReason))
def test_every_reason_says_how_the_run_ends(reason):
    assert row_of(reason)[2] == ("CompletedWithGaps" if reason in LOSS_REASONS else "Completed")


def test_every_page_is_reached_and_every_link_leads_somewhere():
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    linked = set()
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                place = (page.parent / target).resolve()
                assert place.exists(), f"{page.name} links to {target}, which is not there"
                linked.add(place)
    alone = {page.name for page in DOCS.glob("*.md")} - {place.name for place in linked}
    assert not alone
