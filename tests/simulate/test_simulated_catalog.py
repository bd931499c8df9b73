"""Written scenes read back by independent readers, and build the cube that training saw."""

import hashlib
import json
from datetime import UTC, datetime

import jsonschema
import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
from referencing import Registry, Resource

from catalogs import SceneQuery, search
from pipelines.cube import BuildOptions, build_cube, open_cube
from pipelines.simulate import RegionSpec, simulate_region, to_cube, write_catalog


@pytest.fixture(scope="module")
def region():
    """Four dates of which one Sentinel-2 and one Sentinel-1 scene end inside the region."""
    return simulate_region(RegionSpec(seed=17, size=64, num_dates=4))


@pytest.fixture(scope="module")
def written(region, tmp_path_factory):
    return write_catalog(region, tmp_path_factory.mktemp("catalog"))


def found(region, path):
    query = SceneQuery(
        bbox=region.grid.bbox_wgs84(),
        footprint=region.grid.footprint_wgs84(),
        start=datetime(2022, 1, 1, tzinfo=UTC),
        end=datetime(2024, 1, 1, tzinfo=UTC),
        collections=("sentinel-2-l2a", "sentinel-1-grd"),
    )
    return search(query, path)


def test_rasterio_reads_the_same_numbers_in_the_same_place(region, written):
    catalog = pystac.Catalog.from_file(str(written))
    items = {item.id: item for item in catalog.get_items(recursive=True)}
    assert set(items) == {scene.id for scene in region.acquisitions}
    for scene in region.acquisitions:
        names = {asset.extra_fields["bands"][0]["name"]: asset for asset in items[scene.id].assets.values()}
        assert set(names) == set(scene.bands)
        for band, plane in scene.bands.items():
            asset = names[band]
            with rasterio.open(asset.get_absolute_href()) as file:
                assert np.array_equal(file.read(1), plane, equal_nan=plane.dtype.kind == "f")
                assert file.crs.to_epsg() == 32631
                assert (file.bounds.left, file.bounds.top) == (region.grid.x_min, region.grid.y_max)
                assert list(file.transform)[:6] == asset.extra_fields["proj:transform"]
                assert list(file.shape) == asset.extra_fields["proj:shape"]
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_files_are_as_their_items_say(written):
    for path in written.parent.rglob("S*/*.json"):
        document = json.loads(path.read_text())
        for asset in document["assets"].values():
            assert not asset["href"].startswith("/")
            content = (path.parent / asset["href"]).read_bytes()
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_writing_again_gives_equal_bytes(region, written, tmp_path):
    again = write_catalog(region, tmp_path)
    first = {
        path.relative_to(written.parent): path.read_bytes() for path in written.parent.rglob("*") if path.is_file()
    }
    second = {path.relative_to(again.parent): path.read_bytes() for path in again.parent.rglob("*") if path.is_file()}
    assert first == second


def test_links_are_relative_so_that_the_folder_can_be_moved(written):
    for path in written.parent.rglob("*.json"):
        assert str(written.parent) not in path.read_text()


def test_core_schemas_hold(written):
    catalog = pystac.Catalog.from_file(str(written))
    objects = [catalog, *catalog.get_children(), *catalog.get_items(recursive=True)]
    assert len(objects) == 11
    for entry in objects:
        document = entry.to_dict() | {"stac_extensions": []}
        pystac.validation.validate_dict(document)


def test_extension_schemas_hold(written, shared_data):
    folder = shared_data / "schemas"
    index = json.loads((folder / "index.json").read_text())
    known = {address: json.loads((folder / name).read_text()) for address, name in index.items()}
    registry = Registry().with_resources(
        [(address, Resource.from_contents(content)) for address, content in known.items()]
    )
    checked = 0
    for path in written.parent.rglob("S*/*.json"):
        document = json.loads(path.read_text())
        for address in document["stac_extensions"]:
            validator = jsonschema.Draft7Validator(local(known[address]), registry=registry)
            assert [error.message for error in validator.iter_errors(document)] == []
            checked += 1
    assert checked > 40


def local(schema):
    """Drops references to core schemas on the network; `test_core_schemas_hold` checks those."""
    if isinstance(schema, dict):
        if str(schema.get("$ref", "")).startswith("https://schemas.stacspec.org"):
            return {}
        return {key: local(value) for key, value in schema.items()}
    return [local(value) for value in schema] if isinstance(schema, list) else schema


def test_scenes_carry_the_offset_in_both_ways(region, written):
    scenes = [scene for scene in found(region, written).scenes if scene.sensor == "sentinel-2-msi"]
    assert {scene.offset_applied for scene in scenes} == {True, False}
    for scene in scenes:
        assert scene.asset("B04").offset == (0 if scene.offset_applied else -0.1)
        assert scene.sun_elevation_deg is not None
        assert scene.cloud_cover is not None


def test_a_search_finds_every_scene_and_the_built_cube_is_the_one_in_memory(region, written, tmp_path):
    scene_set = found(region, written)
    assert [scene.id for scene in scene_set.scenes] == [scene.id for scene in region.acquisitions]
    assert scene_set.skipped == ()
    build_cube(scene_set, region.grid, str(tmp_path / "cube"), options=BuildOptions())
    for group, expected in to_cube(region).items():
        built = open_cube(str(tmp_path / "cube"), group).compute()
        assert np.array_equal(built.time.to_numpy(), expected.time.to_numpy())
        for name in expected:
            values = expected[name].to_numpy()
            assert np.array_equal(built[name].to_numpy(), values, equal_nan=values.dtype.kind == "f"), (group, name)
        for name in ("scene_ids", "platform", "radiometric_rule", "orbit_direction"):
            assert list(built[name].to_numpy()) == list(expected[name].to_numpy())


def test_truth_lies_beside_the_scenes(region, written):
    for name in ("land_cover", "change", "change_epoch"):
        with rasterio.open(written.parent / "truth" / f"{name}.tif") as file:
            assert np.array_equal(file.read(1), getattr(region, name))
            assert file.crs.to_epsg() == 32631
    with rasterio.open(written.parent / "truth" / "land_cover.tif") as file:
        assert file.colormap(1)[80][:3] == (0, 100, 200)
