import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.area import target_grid
from flows.errors import ConfigError
from flows.region_file import dump_region, known_keys, load_region, parse_region
from flows.region_template import TEMPLATE

LEAST = """\
name: haspengouw
area: {crs: "EPSG:32631", bounds: [664000, 5611120, 665000, 5612120]}
resolution: 10
time: {start: 2020-11-01, end: 2021-11-01}
sources:
  - {catalog: path/to/catalog.json, collections: [sentinel-2-l2a, sentinel-1-grd]}
products: [land-cover, change]
output: out/haspengouw
"""


def test_least_region_is_read_as_it_stands(tmp_path):
    (tmp_path / "region.yaml").write_text(LEAST)
    config = load_region(tmp_path / "region.yaml")
    assert config.name == "haspengouw"
    assert config.time.start == datetime(2020, 11, 1, tzinfo=UTC)
    assert config.time.end == datetime(2021, 11, 1, tzinfo=UTC)
    assert config.sources[0].catalog == str(tmp_path / "path/to/catalog.json")
    assert config.output == tmp_path / "out/haspengouw"
    assert config.products == ("land-cover", "change")
    grid = target_grid(config.area, config.resolution)
    assert (grid.epsg, grid.width, grid.height, grid.x_min, grid.y_max) == (32631, 100, 100, 664000.0, 5612120.0)


def test_resolved_region_reads_back_equal():
    config = parse_region(LEAST, folder=Path("/somewhere"))
    assert parse_region(dump_region(config), folder=Path("/elsewhere")) == config


def test_template_of_init_is_a_valid_region():
    config = parse_region(TEMPLATE, folder=Path("/somewhere"))
    assert config.sources[0].catalog == "earth-search"
    assert target_grid(config.area, config.resolution).epsg == 32631


def test_defaults_in_the_template_are_the_defaults():
    commented = [line.split("  #")[0].removeprefix("# ") for line in TEMPLATE.splitlines() if line.startswith("# ")]
    keys = ("max_cloud_cover", "bands", "cube", "inference", "land_cover", "change", "workers")
    optional = "\n".join(line for line in commented if line.split(":")[0] in keys)
    assert parse_region(TEMPLATE + optional, folder=Path("/a")) == parse_region(TEMPLATE, folder=Path("/a"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("name:", "nam:", ["nam: unknown key `nam`", "did you mean `name`?", "name: the key is required"]),
        ("collections:", "colections:", ["sources[0].colections", "did you mean `collections`?"]),
        ("end:", "ende:", ["time.ende", "did you mean `end`?"]),
        ("resolution: 10", "resolution: -10", ["resolution", "-10"]),
        ("resolution: 10", "cube: {chunks: 3}", ["cube.chunks", "did you mean `chunk`?"]),
        ("resolution: 10", "zzz: 1", ["zzz: unknown key", "remove it", "Known keys here: area"]),
        ("end: 2021-11-01", "end: 2019-11-01", ["time", "start must lie before end", "2019-11-01", "swap"]),
        ("end: 2021-11-01", "end: 2020-11-01", ["start must lie before end"]),
        ("end: 2021-11-01", "end: soon", ["time.end", "soon"]),
        ("end: 2021-11-01", "end: 2021", ["time.end", "2021", "year-month-day"]),
        ("[land-cover, change]", "[landcover]", ["products[0]", "land-cover", "landcover"]),
        ("[land-cover, change]", "[change, change]", ["each product is named once"]),
        ("[land-cover, change]", "[]", ["products"]),
        ("664000, 5611120, 665000", "665000, 5611120, 664000", ["bounds must be [x_min, y_min, x_max, y_max]"]),
        ('crs: "EPSG:32631", ', "", ["bounds need the crs"]),
        ("EPSG:32631", "UTM 31N", ["area.crs", "EPSG:<number>"]),
        ("bounds: [664000, 5611120, 665000, 5612120]", "bbox: [5, 95, 6, 96]", ["bbox", "in degrees"]),
        ("bounds:", "bbox: [5, 50, 6, 51], bounds:", ["exactly one of bounds"]),
        ("name: haspengouw", "name: ../up", ["name", "../up"]),
        ("name: haspengouw", "name: haspengouw\nname: again", ["'name' is given twice", "line 2"]),
        ("name: haspengouw", "- a", ["valid YAML"]),
        ("resolution: 10", "inference: {window: 64, stride: 96}", ["stride must be at most window"]),
        ("resolution: 10", "max_cloud_cover: 101", ["max_cloud_cover", "101"]),
        (
            "resolution: 10",
            "coregister: gate",
            ["coregister: must hold keys, got 'gate'", "write coregister: {action: ...}"],
        ),
        ("resolution: 10", "composite: {period: 2w}", ["composite.period: must be `month`", "such as `10d`", "'2w'"]),
        ("name: haspengouw", "name: my field", ["name: must be letters, digits, - and _", "'my field'"]),
    ],
)
def test_each_fault_is_named_with_its_place_and_fix(old, new, parts):
    assert old in LEAST
    with pytest.raises(ConfigError) as caught:
        parse_region(LEAST.replace(old, new), folder=Path("/somewhere"))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1", "just words", "name: !!python/object:os.system {}"])
def test_what_is_no_mapping_is_refused(text):
    with pytest.raises(ConfigError):
        parse_region(text, folder=Path("/somewhere"))


def test_absent_file_and_file_as_output(tmp_path):
    with pytest.raises(ConfigError, match="readable YAML file"):
        load_region(tmp_path / "none.yaml")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="must be a folder"):
        parse_region(LEAST.replace("out/haspengouw", str(tmp_path / "out")), folder=tmp_path)


def test_a_crs_in_degrees_and_a_broken_geojson_are_refused_when_the_grid_is_made(tmp_path):
    config = parse_region(LEAST.replace("32631", "4326"), folder=tmp_path)
    with pytest.raises(ConfigError, match="area"):
        target_grid(config.area, config.resolution)
    with_file = LEAST.replace('crs: "EPSG:32631", bounds: [664000, 5611120, 665000, 5612120]', "geojson: area.geojson")
    config = parse_region(with_file, folder=tmp_path)
    assert config.area.geojson == tmp_path / "area.geojson"
    for text, part in (("{", "must be JSON"), ("[]", "must hold a GeoJSON object"), ('{"type": "Point"}', "GeoJSON")):
        (tmp_path / "area.geojson").write_text(text)
        with pytest.raises(ConfigError, match=part):
            target_grid(config.area, config.resolution)
    (tmp_path / "area.geojson").unlink()
    with pytest.raises(ConfigError, match=r"area\.geojson"):
        target_grid(config.area, config.resolution)


def test_geojson_and_bbox_give_a_utm_grid_that_covers_them(tmp_path):
    ring = [[5.32, 50.63], [5.33, 50.63], [5.33, 50.64], [5.32, 50.64], [5.32, 50.63]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "area.geojson").write_text(json.dumps(feature))
    base = LEAST.replace('crs: "EPSG:32631", bounds: [664000, 5611120, 665000, 5612120]', "{}")
    by_file = parse_region(base.replace("{{}}", "{geojson: area.geojson}"), folder=tmp_path)
    by_box = parse_region(base.replace("{{}}", "{bbox: [5.32, 50.63, 5.33, 50.64]}"), folder=tmp_path)
    grids = [target_grid(config.area, 10) for config in (by_file, by_box)]
    assert {grid.epsg for grid in grids} == {32631}
    for grid in grids:
        longitudes, latitudes = zip(*grid.footprint_wgs84(), strict=True)
        assert min(longitudes) <= 5.32
        assert max(longitudes) >= 5.33
        assert min(latitudes) <= 50.63
        assert max(latitudes) >= 50.64


def test_known_keys_follow_the_document():
    assert known_keys(("sources", 0)) == ["catalog", "collections"]
    assert "output" in known_keys(())
    assert known_keys(("name",)) == []


@pytest.mark.parametrize("day", ["2023-04-31", "2023-13-01", "2023-04-01T25:00:00"])
def test_a_day_that_no_calendar_has_is_refused(day, tmp_path):
    with pytest.raises(ConfigError, match="must be in the calendar"):
        parse_region(f"time: {{start: {day}, end: 2023-06-01}}", folder=tmp_path)
