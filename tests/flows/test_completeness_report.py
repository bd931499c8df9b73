"""Plans and reports say what a catalogue lacks."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.completeness import completeness_lines, judge_completeness
from flows.region_file import load_region
from flows.search import search


@pytest.fixture
def poorer(catalog, tmp_path):
    """The catalogue without one of its optical scenes."""
    shutil.copytree(catalog.parent, tmp_path / "poorer")
    path = tmp_path / "poorer" / "sentinel-2-l2a" / "collection.json"
    document = json.loads(path.read_text())
    links = [link for link in document["links"] if link["rel"] == "item"]
    document["links"].remove(links[1])
    path.write_text(json.dumps(document))
    return tmp_path / "poorer" / "catalog.json", links[1]["href"].split("/")[-1].removesuffix(".json")


def test_a_scene_that_the_second_catalogue_has_is_told(poorer, catalog, document, write_region, tmp_path):
    first, lacking = poorer
    path = write_region(document(first, tmp_path / "out", completeness={"second_catalog": str(catalog)}))

    planned = CliRunner().invoke(app, ["plan", str(path), "--json"])
    text = CliRunner().invoke(app, ["plan", str(path)]).stdout

    told = json.loads(planned.stdout.splitlines()[-1])["completeness"]
    assert [row["id"] for row in told["second"]["lacking"]] == [lacking]
    assert told["second"]["only_first"] == 0
    assert told["found"] <= told["expected"]
    assert f"lacking: {lacking} of sentinel-2-l2a" in text
    assert "1 lacking here" in text


def test_without_a_second_catalogue_the_orbits_alone_are_asked(catalog, document, write_region, tmp_path):
    config = load_region(write_region(document(catalog, tmp_path / "out")))

    judged = judge_completeness(config, search(config))

    assert judged.second is None
    assert judged.expected - judged.found == sum(gap.passes for gap in judged.gaps) > 0
    assert completeness_lines(judged)[0].startswith(f"completeness: {judged.found} of {judged.expected} expected")


def test_a_second_catalogue_that_does_not_answer_is_told_and_stops_nothing(catalog, document, write_region, tmp_path):
    values = document(catalog, tmp_path / "out", completeness={"second_catalog": str(tmp_path / "none.json")})
    config = load_region(write_region(values))

    judged = judge_completeness(config, search(config))

    assert "which does not" in judged.second.error
    assert "could not be asked" in completeness_lines(judged)[-1]


def test_the_path_of_the_second_catalogue_stands_beside_the_region(catalog, document, write_region, tmp_path):
    values = document(catalog, tmp_path / "out", completeness={"second_catalog": "other/catalog.json"})

    assert load_region(write_region(values)).completeness.second_catalog == str(tmp_path / "other" / "catalog.json")
    values["completeness"] = {"second_catalog": "planetary-computer", "collections": ["sentinel-2-l2a"]}
    assert load_region(write_region(values)).completeness.second_catalog == "planetary-computer"
