"""The offset of Sentinel-2: each rule, each contradiction, and the statements of real items."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from catalogs.scenes import Asset, Scene
from pipelines.physics import Uncalibrated, decide_rule

NOON = datetime(2021, 6, 1, 12, tzinfo=UTC)


def scene(*, flag=None, offset=None, scale=1e-4, baseline="", assets=None):
    if assets is None:
        assets = [Asset(band="B02", href="/b", scale=scale, offset=offset), Asset(band="SCL", href="/s", scale=1.0)]
    return Scene(
        id="S2",
        collection="sentinel-2-l2a",
        sensor="sentinel-2-msi",
        time=NOON,
        time_start=NOON,
        time_end=NOON,
        footprint=((0, 0), (1, 0), (1, 1)),
        assets=tuple(assets),
        offset_applied=flag,
        processing_baseline=baseline,
    )


@pytest.mark.parametrize(
    ("said", "name", "offset_dn", "contradicted"),
    [
        ((True, 0.0, ""), "flag", 0, False),  # Belgium: the source took the offset out
        ((True, -0.1, "05.09"), "flag", 0, True),  # Earth Search sentinel-2-l2a 13TDE
        ((True, None, "05.11"), "flag", 0, False),
        ((True, None, "02.14"), "flag", 0, True),
        ((None, -0.1, "05.11"), "declared", -1000, False),  # Earth Search sentinel-2-c1-l2a
        ((False, -0.1, "04.00"), "declared", -1000, False),
        ((None, -0.1, ""), "declared", -1000, False),
        ((None, -0.1, "02.14"), "declared", -1000, True),
        ((False, 0.0, "02.14"), "declared_zero", 0, False),  # 29RKH
        ((False, 0.0, ""), "declared_zero", 0, False),  # BigEarthNet
        ((None, 0.0, "05.09"), "declared_zero", 0, True),
        ((None, None, "04.00"), "baseline_with_offset", -1000, False),
        ((False, None, "05.10"), "baseline_with_offset", -1000, False),
        ((None, None, "N0511"), "baseline_with_offset", -1000, False),
        ((None, None, "02.12"), "baseline_without_offset", 0, False),  # Planetary Computer 2019
        ((None, None, "03.01"), "baseline_without_offset", 0, False),
    ],
)
def test_rules_in_their_order(said, name, offset_dn, contradicted):
    flag, offset, baseline = said
    rule = decide_rule(scene(flag=flag, offset=offset, baseline=baseline))
    assert (rule.name, rule.offset_dn, rule.scale) == (name, offset_dn, 1e-4)
    assert rule.offset == offset_dn * 1e-4
    assert bool(rule.evidence["contradictions"]) == contradicted


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "must say how it is calibrated"),
        ({"flag": False}, "must say how it is calibrated"),
        ({"baseline": "unknown"}, "must say how it is calibrated"),
        ({"flag": False, "offset": 0.0, "baseline": "05.11"}, "must agree"),
        ({"flag": True, "scale": 2.75e-5}, "scale"),
        ({"flag": True, "scale": 1.0}, "scale"),
        ({"offset": -1000.0 / 3}, "whole number"),
        ({"offset": float("nan")}, "whole number"),
        ({"flag": True, "assets": [Asset(band="SCL", href="/s")]}, "must hold Sentinel-2 reflectance"),
        ({"offset": -1000.0}, "below 1"),
    ],
)
def test_what_is_not_known_is_not_guessed(values, says):
    with pytest.raises(Uncalibrated, match=says):
        decide_rule(scene(**values))


def test_bands_with_different_offsets_are_refused():
    bands = [Asset(band="B02", href="/a", offset=-0.1), Asset(band="B03", href="/b", offset=0.0)]
    with pytest.raises(Uncalibrated, match="share one offset"):
        decide_rule(scene(assets=bands))


def test_a_band_without_a_declaration_takes_the_others_and_is_named():
    rule = decide_rule(scene(assets=[Asset(band="B02", href="/a", offset=-0.1), Asset(band="B03", href="/b")]))
    assert rule.offset_dn == -1000
    assert rule.evidence["bands_without_declaration"] == ["B03"]


def test_planes_with_scales_of_their_own_do_not_matter():
    assets = [
        Asset(band="B02", href="/a", scale=1e-4, offset=0.0),
        Asset(band="AOT", href="/b", scale=1e-3, offset=-0.5),
    ]
    assert decide_rule(scene(assets=assets)).offset_dn == 0


def test_decision_and_evidence_are_one_json_object():
    record = json.loads(decide_rule(scene(flag=True, offset=-0.1, baseline="05.09")).to_json())
    assert record["rule"] == "flag"
    assert record["offset_dn"] == 0
    assert record["declared_offset_dn"] == -1000
    assert record["processing_baseline"] == "05.09"
    assert record["contradictions"] == ["declared offset -1000 not applied: the item says it was taken out"]


@pytest.mark.parametrize(
    ("folder", "names"),
    [("earth-search/sentinel-2-l2a", {"flag"}), ("earth-search/sentinel-2-c1-l2a", {"declared"})],
)
def test_statements_of_real_items(shared_data, folder, names):
    found = set()
    for path in sorted((shared_data / "stac_items" / folder).glob("*.json")):
        item = json.loads(path.read_text())
        if item.get("type") != "Feature":
            continue
        band = item["assets"]["red"]["raster:bands"][0]
        asset = Asset(band="B04", href="/x", scale=band["scale"], offset=band["offset"])
        flag = item["properties"].get("earthsearch:boa_offset_applied")
        baseline = item["properties"]["s2:processing_baseline"]
        found.add(decide_rule(scene(assets=[asset], flag=flag, baseline=baseline)).name)
    assert found == names
