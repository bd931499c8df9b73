"""Real monthly composites of one square kilometre in Belgium, against rasterio."""

from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio

from catalogs import SceneQuery, search
from pipelines import build_cube, open_cube
from pipelines.grid import TargetGrid

GRID = TargetGrid.from_bounds((664000.0, 5611120.0, 665000.0, 5612120.0), epsg=32631, resolution=10.0)
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")


@pytest.fixture(scope="module")
def region(shared_data, tmp_path_factory):
    query = SceneQuery(
        bbox=GRID.bbox_wgs84(),
        footprint=GRID.footprint_wgs84(),
        start=datetime(2020, 11, 1, tzinfo=UTC),
        end=datetime(2021, 11, 1, tzinfo=UTC),
        collections=("sentinel-2-l2a", "sentinel-1-grd"),
    )
    found = search(query, shared_data / "catalog" / "catalog.json")
    return found, build_cube(found, GRID, tmp_path_factory.mktemp("region") / "cube")


def test_every_item_is_accounted_for(region):
    found, result = region

    assert len(found.scenes) == 22
    assert [outcome.outcome for outcome in result.outcomes] == ["used"] * 22
    assert len(result.added) == 22
    assert result.dates == {"s1": 12, "s2": 10}
    assert result.notes == {}


def test_reflectance_equals_rasterio_bit_for_bit(region):
    found, result = region
    cube = open_cube(result.ref.uri, "s2").load()

    assert cube.reflectance.shape == (10, 9, 100, 100)
    assert tuple(cube.band.to_numpy()) == BANDS
    for scene in found.scenes:
        if scene.sensor != "sentinel-2-msi":
            continue
        date = cube.isel(time=cube.scene_ids.to_numpy().tolist().index(scene.id))
        for band in BANDS:
            with rasterio.open(scene.asset(band).href) as file:
                dn = file.read(1)
            expected = np.where(dn == 65535, np.nan, (dn.astype(np.float64) * 1e-4).astype(np.float32))
            np.testing.assert_array_equal(date.reflectance.sel(band=band).to_numpy(), expected.astype(np.float32))


def test_power_equals_rasterio_bit_for_bit(region):
    found, result = region
    cube = open_cube(result.ref.uri, "s1").load()

    assert cube.power.shape == (12, 2, 100, 100)
    assert tuple(cube.band.to_numpy()) == ("VV", "VH")
    for scene in found.scenes:
        if scene.sensor != "sentinel-1-csar":
            continue
        date = cube.isel(time=cube.scene_ids.to_numpy().tolist().index(scene.id))
        for band in ("VV", "VH"):
            with rasterio.open(scene.asset(band).href) as file:
                expected = file.read(1)
            found_bits = date.power.sel(band=band).to_numpy().view(np.uint32)
            np.testing.assert_array_equal(found_bits, expected.view(np.uint32))


def test_months_without_a_scene_are_absent(region):
    _, result = region
    months = {str(month) for month in open_cube(result.ref.uri).time.to_numpy().astype("datetime64[M]")}

    assert len(months) == 10
    assert not months & {"2020-12", "2021-01"}


def test_the_same_build_again_changes_nothing(region):
    found, result = region

    again = build_cube(found, GRID, result.ref.uri)

    assert not again.changed
    assert again.ref == result.ref
