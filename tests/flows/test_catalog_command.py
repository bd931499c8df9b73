"""A folder of GeoTIFFs becomes a catalogue that plans and runs read like any other."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from flows.build_cube import build_cube
from flows.cli import app
from flows.region_file import load_region
from flows.search import search
from pipelines.cube import open_cube
from pipelines.publish.validate import validate_catalog

RNG = np.random.default_rng(0)
PLACE = Affine(10, 0, 600_000, 0, -10, 5_620_000)


def write(path: Path, values=None, *, tags=None, **profile):
    values = RNG.integers(200, 4000, (1, 32, 32)).astype("uint16") if values is None else values
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    place = {"crs": "EPSG:32631", "transform": PLACE}
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=values.dtype, **(place | profile)
    ) as raster:
        raster.write(values)
        if tags:
            raster.update_tags(**tags)


def make(*arguments):
    answer = CliRunner().invoke(app, ["catalog", *map(str, arguments), "--json"])
    return answer, json.loads(answer.stdout.splitlines()[-1]) if answer.stdout.strip() else None


@pytest.fixture
def optical(tmp_path):
    for day in ("20210601", "2021-06-11"):
        for band in ("B02", "B04", "B8A"):
            write(tmp_path / "files" / f"field_{day}_{band}.tif")
    return tmp_path / "files"


def test_files_are_gathered_by_day_and_band(optical):
    answer, made = make(optical, "--scale", 0.0001, "--offset", -0.1)

    assert answer.exit_code == 0
    assert made["catalog"] == str(optical / "catalog.json")
    assert [(item["id"], item["sensor"], item["bands"]) for item in made["items"]] == [
        ("field_2021-06-11", "sentinel-2-msi", ["B02", "B04", "B8A"]),
        ("field_20210601", "sentinel-2-msi", ["B02", "B04", "B8A"]),
    ]
    assert made["refused"] == []
    assert made["open_questions"] == []


def test_an_item_says_what_its_files_are(optical):
    _, made = make(optical, "--scale", 0.0001, "--offset", -0.1, "--nodata", 0, "--checksums")
    item = json.loads(Path(made["items"][1]["path"]).read_text())
    blue = item["assets"]["B02"]
    path = Path(made["items"][1]["path"]).parent / blue["href"]

    assert path.resolve() == optical / "field_20210601_B02.tif"
    assert (item["properties"]["datetime"], item["properties"]["start_datetime"]) == (None, "2021-06-01T00:00:00Z")
    assert item["properties"]["end_datetime"] == "2021-06-01T23:59:59Z"
    assert (blue["raster:scale"], blue["raster:offset"], blue["nodata"]) == (0.0001, -0.1, 0.0)
    assert (blue["proj:code"], blue["proj:shape"]) == ("EPSG:32631", [32, 32])
    assert blue["proj:transform"] == [10.0, 0.0, 600000.0, 0.0, -10.0, 5620000.0]
    assert blue["file:size"] == path.stat().st_size
    assert blue["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_items_are_valid_stac(optical, shared_data):
    make(optical, "--scale", 0.0001, "--offset", 0, "--checksums")

    assert validate_catalog(optical, shared_data / "schemas") == []


def test_what_cannot_be_told_is_listed_with_its_reason(optical):
    write(optical / "mystery_20210601.tif")
    write(optical / "undated_B8A.tif")
    write(optical / "many_20210601.tif", RNG.integers(0, 255, (3, 8, 8)).astype("uint8"))
    write(optical / "nowhere_20210601_B02.tif", crs=None)
    (optical / "text_20210601_B02.tif").write_text("no raster")
    (optical / "away_20210601_B02.tif").symlink_to("/etc/hostname")
    (optical / "loop").symlink_to(optical)
    write(optical / "radar_20210601_VV.tif")
    write(optical / "twice_20210601_B02.tif")
    write(optical / "twice_20210601_blue.tif")

    answer, made = make(optical)
    reasons = {row["path"]: row["reason"] for row in made["refused"]}

    assert answer.exit_code == 0
    assert len(made["items"]) == 2
    for path, told in {
        "mystery_20210601.tif": "the band must be known",
        "undated_B8A.tif": "the time must be known.*--time",
        "many_20210601.tif": "holds one band, it holds 3; add --split",
        "nowhere_20210601_B02.tif": "where it lies",
        "text_20210601_B02.tif": "readable GeoTIFF",
        "away_20210601_B02.tif": "lies below the folder, it leads to /etc/hostname",
        "loop": "linked folder",
        "radar_20210601_VV.tif": "the sensor must be known.*--sensor",
        "twice_20210601_B02.tif": "each band once",
        "twice_20210601_blue.tif": "each band once",
    }.items():
        assert re.search(told, reasons.pop(path)), path
    assert reasons == {}
    text = CliRunner().invoke(app, ["catalog", str(optical)]).stdout
    assert "not told: mystery_20210601.tif: the band must be known" in text
    assert "2 items, 10 files not told" in text


def test_nothing_to_tell_is_exit_2_and_writes_nothing(tmp_path):
    write(tmp_path / "files" / "mystery.tif")

    answer, made = make(tmp_path / "files")

    assert answer.exit_code == 2
    assert made["items"] == []
    assert sorted(path.name for path in (tmp_path / "files").rglob("*")) == ["mystery.tif"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "{folder}/sub/catalog.json"], "below the folder of their catalogue"),
        (["--out", "{folder}/../beside/catalog.json"], "below the folder of their catalogue"),
        (["--sensor", "sentinel-9"], "a sensor is one of"),
        (["--scale", "0.0001"], "said together"),
        (["--time", "yesterday"], "--time is 2021-06-01"),
        (["--bands", "red"], "add the splitting"),
    ],
)
def test_wrong_options_are_exit_2(optical, arguments, told):
    answer, _ = make(optical, *(argument.format(folder=optical) for argument in arguments))

    assert answer.exit_code == 2
    assert told in answer.stderr


def test_a_foreign_catalogue_is_never_replaced_and_our_own_is(optical):
    (optical / "catalog.json").write_text('{"type": "Catalog"}')
    answer, _ = make(optical)
    assert answer.exit_code == 2
    assert "was not made by this command" in answer.stderr

    (optical / "catalog.json").unlink()
    assert make(optical)[1]["items"] == make(optical)[1]["items"]


def test_the_catalogue_may_lie_above_its_files(optical):
    _, made = make(optical, "--out", optical.parent / "own.json", "--scale", 0.0001, "--offset", 0)

    assert made["catalog"] == str(optical.parent / "own.json")
    assert made["open_questions"] == []
    assert (optical.parent / "own_files").is_dir()


def test_a_scale_holds_for_one_sensor(optical):
    write(optical / "S1A_20210603T173953_VV.tif", RNG.random((1, 32, 32)).astype("float32"))

    answer, _ = make(optical, "--scale", 0.0001, "--offset", 0)

    assert answer.exit_code == 2
    assert "hold for one sensor, the folder has sentinel-1-csar, sentinel-2-msi" in answer.stderr


def test_radiometry_that_is_not_said_is_an_open_question(optical):
    _, made = make(optical)

    assert len(made["open_questions"]) == 2
    assert "must say how it is calibrated" in made["open_questions"][0]
    assert "--offset" in made["open_questions"][0]


def test_the_time_comes_from_a_tag_or_the_user(tmp_path):
    write(tmp_path / "a" / "x_B02.tif", tags={"TIFFTAG_DATETIME": "2021:06:01 10:50:31"})
    write(tmp_path / "b" / "x_B02.tif")

    tagged = make(tmp_path / "a", "--sensor", "sentinel-2-msi")[1]["items"]
    said = make(tmp_path / "b", "--sensor", "sentinel-2-msi", "--time", "2021-07-02T03:04:05Z")[1]["items"]

    assert [item["start"] for item in (*tagged, *said)] == ["2021-06-01T10:50:31Z", "2021-07-02T03:04:05Z"]


def test_files_of_several_bands_are_split_bit_for_bit(tmp_path):
    values = RNG.integers(0, 255, (4, 70, 90)).astype("uint8")
    path = tmp_path / "files" / "county_20200831.tif"
    write(path, values, nodata=0)

    answer, made = make(
        tmp_path / "files", "--split", "--bands", "red,green,blue,nir", "--sensor", "naip-aerial", "--unit", "DN"
    )

    assert answer.exit_code == 0
    (item,) = made["items"]
    assert sorted(item["bands"]) == ["blue", "green", "nir", "red"]
    for number, band in enumerate(("red", "green", "blue", "nir")):
        with rasterio.open(tmp_path / "files" / "catalog_files" / "bands" / f"county_20200831_{band}.tif") as raster:
            assert (raster.read(1) == values[number]).all()
            assert (raster.nodata, raster.crs.to_epsg()) == (0, 32631)
            assert raster.transform == PLACE
    assert make(tmp_path / "files", "--split", "--sensor", "naip-aerial")[1]["refused"][0]["reason"].startswith(
        "each of the 4 bands needs a name"
    )


def name_of(path):
    """Time in a scene's item, as a name, and the offset that it declares."""
    item = json.loads(path.with_name(f"{path.parent.name}.json").read_text())
    return item["properties"]["datetime"][:19], item["assets"].get("blue", {}).get("raster:offset")


@pytest.fixture
def folders(catalog, tmp_path):
    """Files of the simulated scenes without their STAC: folders of days for each convention, and radar by names."""
    optical = {0: tmp_path / "harmonised", -0.1: tmp_path / "as-published"}
    for path in sorted((catalog.parent / "sentinel-2-l2a").rglob("*.tif")):
        time, offset = name_of(path)
        target = optical[offset] / time.replace(":", "-") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for path in sorted((catalog.parent / "sentinel-1-grd").rglob("*.tif")):
        target = tmp_path / "radar" / f"S1A_{name_of(path)[0].replace('-', '').replace(':', '')}_{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return {offset: folder for offset, folder in optical.items() if folder.is_dir()}, tmp_path / "radar"


def test_own_files_run_like_the_catalogue_they_are_from(folders, catalog, document, write_region, tmp_path):
    optical, radar = folders
    for offset, folder in optical.items():
        assert make(folder, "--sensor", "sentinel-2-msi", "--scale", 0.0001, "--offset", offset)[0].exit_code == 0
    assert make(radar, "--unit", "1")[0].exit_code == 0
    sources = [
        {"catalog": str(folder / "catalog.json"), "collections": [collection]}
        for folder, collection in [*((f, "sentinel-2-l2a") for f in optical.values()), (radar, "sentinel-1-grd")]
    ]
    own = load_region(write_region(document(catalog, tmp_path / "own", sources=sources)))
    real = load_region(write_region(document(catalog, tmp_path / "real"), "real.yaml"))

    expected = [(scene.sensor, scene.time.replace(microsecond=0)) for scene in search(real).scenes]
    assert [(scene.sensor, scene.time) for scene in search(own).scenes] == expected
    first, second = values_of(own), values_of(real)
    for group in ("s1", "s2"):
        np.testing.assert_array_equal(first[group], second[group])


def values_of(config):
    built = build_cube(config, search(config), run_id="own-files")
    assert [row.detail for row in built.outcomes if row.outcome == "skipped"] == []
    return {
        group: open_cube(built.ref.uri, group, snapshot=built.ref.snapshot)[name].values
        for group, name in (("s2", "reflectance"), ("s1", "power"))
    }


@pytest.mark.slow
def test_a_region_of_own_files_is_run_to_the_end(folders, catalog, document, write_region, tmp_path):
    optical, radar = folders
    offset, folder = max(optical.items(), key=lambda pair: len(list(pair[1].iterdir())))
    make(folder, "--sensor", "sentinel-2-msi", "--scale", 0.0001, "--offset", offset)
    make(radar, "--unit", "1")
    sources = [
        {"catalog": str(folder / "catalog.json"), "collections": ["sentinel-2-l2a"]},
        {"catalog": str(radar / "catalog.json"), "collections": ["sentinel-1-grd"]},
    ]
    region = write_region(document(catalog, tmp_path / "out", sources=sources, products=["land-cover"]))

    planned = CliRunner().invoke(app, ["plan", str(region), "--json"])
    done = CliRunner().invoke(app, ["run", str(region), "--json"])

    assert planned.exit_code == done.exit_code == 0, done.output
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == "Completed"
    assert {row["outcome"] for row in report["scenes"]} == {"used"}
    assert [row["id"] for row in json.loads(planned.stdout.splitlines()[-1])["scenes"]] == [
        row["id"] for row in report["scenes"]
    ]
