from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.enums import Resampling
from rio_cogeo.cogeo import cog_validate

from pipelines.grid import TargetGrid
from pipelines.publish import PublishError, write_cog


@pytest.fixture
def write(tmp_path, grid):
    def run(layer, on=grid):
        path = tmp_path / "layer.tif"
        write_cog(layer, path, grid=on, tags={"title": "Land cover", "TIFFTAG_SOFTWARE": "ringmoe-datacube 0.1.0"})
        return path

    return run


def test_every_layer_is_a_valid_cog_with_its_values(land, changes, write, grid):
    for product in (land, changes):
        for layer in product.values():
            path = write(layer)
            valid, errors, warnings = cog_validate(path, strict=True)
            assert (valid, errors, warnings) == (True, [], [])
            with rasterio.open(path) as source:
                np.testing.assert_array_equal(source.read(1), layer.to_numpy())
                assert source.dtypes == (layer.dtype.name,)
                assert source.crs.to_epsg() == 32631
                assert tuple(source.transform)[:6] == grid.transform
                assert source.tags()["AREA_OR_POINT"] == "Area"
                assert source.descriptions == (layer.attrs["long_name"],)
                assert source.block_shapes == [(512, 512)]


def test_nodata_and_colours_go_by_the_layer(land, changes, write):
    expected = {"class": 0, "second_class": 0, "confidence": 255, "margin": 255, "n_valid": None, "reasons": None}
    for name, nodata in expected.items():
        with rasterio.open(write(land[name])) as source:
            assert source.nodata == nodata, name
    with rasterio.open(write(land["class"])) as source:
        assert source.colormap(1)[10][:3] == (0, 100, 0)
        assert source.colormap(1)[80][:3] == (0, 100, 200)
        assert source.tags(1)["flag_80"] == "permanent_water_bodies"
    with rasterio.open(write(changes["class"])) as source:
        assert source.nodata == 255
        assert source.colormap(1)[2][:3] == (0x1F, 0x78, 0xB4)
    with rasterio.open(write(changes["date_after"])) as source:
        assert source.nodata == -1
        assert source.units == ("day",)
        assert source.tags(1)["reference_date"] == "1970-01-01"
    with rasterio.open(write(land["confidence"])) as source:
        assert source.units == ("percent",)
        assert source.colorinterp[0].name == "gray"


def test_overviews_take_the_mode_of_classes_and_the_mean_of_numbers(write):
    """Blocks of 2 x 2 with three of one class: the mode is that class, the mean is none of the values."""
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=0.0, y_max=10240.0, width=1024, height=1024)
    block = np.tile(np.array([[10, 10], [80, 10]], dtype="uint8"), (512, 512))
    colours = {
        "flag_values": np.array([0, 10, 80], "uint8"),
        "flag_meanings": "no_data a b",
        "flag_colors": "#000000 #111111 #222222",
    }
    classes = xr.DataArray(block, dims=("y", "x"), name="class", attrs={"long_name": "classes", **colours})
    numbers = xr.DataArray(block, dims=("y", "x"), name="confidence", attrs={"long_name": "numbers"})
    for layer, value in ((classes, 10), (numbers, 28)):
        with rasterio.open(write(layer, on=grid)) as source:
            assert source.overviews(1) == [2]
            half = source.read(1, out_shape=(512, 512), resampling=Resampling.nearest)
            assert set(np.unique(half)) <= {value, value - 1}


def test_overview_means_leave_nodata_out(write):
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=0.0, y_max=10240.0, width=1024, height=1024)
    block = np.tile(np.array([[255, 40], [40, 40]], dtype="uint8"), (512, 512))
    attrs = {"long_name": "confidence", "flag_values": np.array([255], "uint8"), "flag_meanings": "no_data"}
    layer = xr.DataArray(block, dims=("y", "x"), name="confidence", attrs=attrs)
    with rasterio.open(write(layer, on=grid)) as source:
        assert np.unique(source.read(1, out_shape=(512, 512))).tolist() == [40]


def test_the_same_layer_gives_the_same_bytes(land, write):
    first = write(land["class"]).read_bytes()
    assert write(land["class"]).read_bytes() == first


def test_a_failed_write_leaves_the_old_file(land, write, monkeypatch):
    path = write(land["class"])
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(PublishError, match="No space left"):
        write(land["confidence"])
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_is_no_layer_is_refused(land, write):
    with pytest.raises(PublishError, match="one layer"):
        write(land["class"].isel(x=slice(0, 5)))
    with pytest.raises(PublishError, match="int64"):
        write(land["class"].astype("int64"))
