"""Copies of real files in a folder of one's own, made into a catalogue, give the same cube."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.build_cube import build_cube
from flows.cli import app
from flows.region_file import load_region
from flows.search import search
from pipelines.cube import open_cube

DAYS = ("2023-04-05", "2023-04-15")
KEMPEN = {"crs": "EPSG:32631", "bounds": [643260, 5675820, 643900, 5676480]}
PRAIRIE = {"crs": "EPSG:26914", "bounds": [486000, 5207000, 486500, 5207500]}


@pytest.fixture(scope="module")
def folder(shared_data, tmp_path_factory):
    files = tmp_path_factory.mktemp("own") / "files"
    for day in DAYS:
        source = shared_data / "catalog" / "sentinel-2-l2a" / f"S2-gfmap-be-{day}"
        (files / "kempen").mkdir(parents=True, exist_ok=True)
        for band in ("B04", "B08", "B11", "SCL"):
            shutil.copy(source / f"{band}.tif", files / "kempen" / f"kempen_{day.replace('-', '')}_{band}.tif")
    for day in ("20090818", "20200831"):
        shutil.copytree(shared_data / "catalog" / "naip" / f"NAIP-m_4709963_se_14-{day}", files / f"naip_{day}")
    for item in files.rglob("*.json"):
        item.unlink()
    return files


def cube_of(catalog, area, collection, output):
    values = {
        "name": "own",
        "area": area,
        "resolution": 5 if area is PRAIRIE else 10,
        "time": {"start": "2009-01-01", "end": "2024-01-01"},
        "sources": [{"catalog": str(catalog), "collections": [collection]}],
        "output": str(output),
        "bands": {"s2": ["B04", "B08", "B11"]},
    }
    path = output.parent / f"{output.name}.yaml"
    path.write_text(json.dumps(values))
    config = load_region(path)
    return build_cube(config, search(config))


def test_real_files_without_stac_give_the_same_cube(folder, shared_data, tmp_path):
    plain = CliRunner().invoke(app, ["catalog", str(folder / "kempen")])
    assert plain.exit_code == 0
    assert plain.stdout.count("must say how it is calibrated") == 2
    arguments = ["catalog", str(folder / "kempen"), "--scale", "0.0001", "--offset", "0", "--unit", "1"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    own = cube_of(folder / "kempen" / "catalog.json", KEMPEN, "sentinel-2-l2a", tmp_path / "own")
    theirs = cube_of(shared_data / "catalog" / "catalog.json", KEMPEN, "sentinel-2-l2a", tmp_path / "theirs")
    assert [row.outcome for row in own.outcomes] == ["used", "used"]
    mine, known = (open_cube(result.ref.uri, "s2").load() for result in (own, theirs))
    known = known.isel(time=[str(time)[:10] in DAYS for time in known.time.to_numpy()])
    assert [str(time)[:10] for time in mine.time.to_numpy()] == list(DAYS)
    for name in ("reflectance", "valid", "reason"):
        np.testing.assert_array_equal(mine[name].to_numpy(), known[name].to_numpy())


def test_aerial_images_are_told_by_their_folders(folder, shared_data, tmp_path):
    assert CliRunner().invoke(app, ["catalog", str(folder)]).exit_code == 0
    own = cube_of(folder / "catalog.json", PRAIRIE, "naip", tmp_path / "own")
    theirs = cube_of(shared_data / "catalog" / "catalog.json", PRAIRIE, "naip", tmp_path / "theirs")
    assert own.dates == theirs.dates == {"vhr": 2}
    mine, known = (open_cube(result.ref.uri, "vhr").load() for result in (own, theirs))
    np.testing.assert_array_equal(mine.digital_number.to_numpy(), known.digital_number.to_numpy())
