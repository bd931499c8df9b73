from __future__ import annotations

import json

import numpy as np
import pytest
import rioxarray  # noqa: F401 gives datasets their CRS reader
import xarray as xr
import zarr

from pipelines.publish import PublishError, write_zarr


@pytest.fixture
def opened(tmp_path):
    def run(dataset):
        path = tmp_path / "product.zarr"
        write_zarr(dataset, path)
        return xr.open_zarr(path, consolidated=False)

    return run


def test_plain_xarray_keeps_values_types_flags_and_crs(land, changes, opened):
    for product in (land, changes):
        again = opened(product)
        assert set(again.data_vars) == set(product.data_vars)
        assert "spatial_ref" in again.coords
        for name, layer in product.items():
            got = again[name]
            assert got.dtype == layer.dtype, name
            np.testing.assert_array_equal(got.to_numpy(), layer.to_numpy())
            assert got.attrs["grid_mapping"] == "spatial_ref"
            assert got.attrs["units"] == layer.attrs["units"]
            assert got.attrs["long_name"] == layer.attrs["long_name"]
            assert "_FillValue" not in {**got.attrs, **got.encoding}
            assert got.rio.crs.to_epsg() == 32631
            for key in ("flag_values", "flag_masks", "flag_meanings", "flag_colors", "ancillary_variables"):
                assert (key in got.attrs) == (key in layer.attrs), (name, key)
                if key in layer.attrs:
                    assert np.array_equal(got.attrs[key], layer.attrs[key]), (name, key)
        again.close()


def test_x_y_and_transform_are_exact(land, opened, grid):
    again = opened(land)
    np.testing.assert_array_equal(again["x"], grid.x)
    np.testing.assert_array_equal(again["y"], grid.y)
    transform = [float(part) for part in again["spatial_ref"].attrs["GeoTransform"].split()]
    assert transform == [
        664000,
        10,
        0,
        5612120,
        0,
        -10,
    ]
    assert again["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert again.attrs["cube_snapshot"] == "SNAP"


def test_dates_stay_integers(changes, opened):
    again = opened(changes)["date_before"]
    assert again.dtype == np.int32
    assert sorted(np.unique(again)) == [-1, 18700]


def test_store_is_zarr_3_without_consolidated_metadata(land, opened, tmp_path):
    opened(land)
    root = json.loads((tmp_path / "product.zarr" / "zarr.json").read_text())
    assert root["zarr_format"] == 3
    assert "consolidated_metadata" not in root
    assert root["attributes"]["coordinates"] == "spatial_ref"
    assert {entry["name"] for entry in root["attributes"]["zarr_conventions"]} == {"proj", "spatial"}
    for _, array in zarr.open_group(tmp_path / "product.zarr", mode="r").arrays():
        if array.ndim == 2:
            assert array.attrs["proj:code"] == "EPSG:32631"
            assert array.attrs["spatial:transform"] == [10, 0, 664000, 0, -10, 5612120]
            assert "bitshuffle" in str(array.compressors)


def test_encoding_of_the_source_store_does_not_leak(land, opened):
    land["class"].encoding = {"_FillValue": 0, "chunks": (3, 3), "grid_mapping": "other"}
    again = opened(land)
    assert again["class"].dtype == np.uint8
    assert again["class"].encoding["chunks"] == (64, 70)


def test_replacing_drops_what_the_old_one_held(land, opened):
    opened(land.assign(extra=land["n_valid"])).close()
    assert "extra" not in opened(land)


def test_a_failed_write_leaves_the_old_folder(land, opened, tmp_path, monkeypatch):
    opened(land).close()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(PublishError, match="No space left"):
        write_zarr(land, tmp_path / "product.zarr")
    assert [entry.name for entry in tmp_path.iterdir()] == ["product.zarr"]
    with xr.open_zarr(tmp_path / "product.zarr", consolidated=False) as again:
        xr.testing.assert_equal(again["class"].compute(), land["class"])


def test_a_broken_grid_is_refused(land, tmp_path):
    uneven = land.assign_coords(x=np.concatenate([land["x"][:-1], [land["x"].to_numpy()[-1] + 5]]))
    with pytest.raises(PublishError, match="even"):
        write_zarr(uneven, tmp_path / "a.zarr")
    with pytest.raises(PublishError, match="even"):
        write_zarr(land.isel(y=slice(None, None, -1)), tmp_path / "a.zarr")
    with pytest.raises(PublishError, match="spatial_ref"):
        write_zarr(land.drop_vars("spatial_ref"), tmp_path / "a.zarr")
    lost = land.assign_coords(spatial_ref=((), 0, {"crs_wkt": "nonsense"}))
    with pytest.raises(PublishError, match="nonsense"):
        write_zarr(lost, tmp_path / "a.zarr")
