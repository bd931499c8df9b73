"""What a reader finds in a cube, through the package and through plain xarray."""

import subprocess
import sys

import numpy as np
import pytest
import rioxarray  # noqa: F401 registers the accessor
import xarray as xr
import zarr
from made_scenes import FIRST, GRID, optical_scene, radar_scene, scene_set

import pipelines
from pipelines.cube import CubeError, build_cube, open_cube
from pipelines.cube.store import open_store
from pipelines.schema import PER_TIME_COORDS, VALUE_NAME, Reason, check


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opened")
    facts = {"sun_azimuth_deg": 155.5, "sun_elevation_deg": 31.25, "processing_baseline": "05.09"}
    scenes = [optical_scene(folder, f"o{day}", day=day, facts=facts) for day in (0, 5)]
    scenes += [radar_scene(folder, "r0", facts={"view_incidence_deg": 38.5})]
    return build_cube(scene_set(*scenes), GRID, folder / "cube").ref


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray with affine 3
@pytest.mark.parametrize("group", ["s2", "s1"])
def test_plain_xarray_keeps_crs_mapping_units_flags_and_dtypes(cube, group):
    plain = xr.open_zarr(open_store(cube.uri).read(), group=group, consolidated=False)

    assert set(plain.data_vars) == {VALUE_NAME[group], "valid", "reason"}
    for name, variable in plain.data_vars.items():
        assert variable.attrs["grid_mapping"] == "spatial_ref", name
        assert variable.rio.crs.to_epsg() == 32631, name
        assert variable.rio.transform() == GRID.geobox().transform, name
        assert variable.attrs["proj:code"] == "EPSG:32631"
        assert variable.attrs["spatial:shape"] == [30, 40]
    assert plain.rio.crs.to_epsg() == 32631
    assert plain[VALUE_NAME[group]].attrs["units"] == "1"
    assert plain[VALUE_NAME[group]].dtype == ("float64" if group == "s2" else "float32")
    assert plain.valid.dtype == bool
    assert plain.reason.dtype == np.uint16
    assert plain.reason.attrs["flag_masks"] == [int(bit) for bit in Reason]
    assert plain.reason.attrs["flag_meanings"].split()[:3] == ["nodata", "cloud", "cloud_shadow"]
    assert plain.time.dtype.kind == "M"
    assert plain.x.attrs["units"] == plain.y.attrs["units"] == "metre"
    assert {"spatial_ref", "time_bounds", "common_name", "wavelength_nm", *PER_TIME_COORDS} <= set(plain.coords)
    assert "time_bounds" not in plain.data_vars
    ours = open_cube(cube.uri, group)
    decoded = plain[VALUE_NAME[group]].to_numpy().astype("float32")
    np.testing.assert_array_equal(decoded, ours[VALUE_NAME[group]].to_numpy())


@pytest.mark.parametrize("group", ["s2", "s1"])
def test_what_is_opened_keeps_the_schema(cube, group):
    opened = open_cube(cube.uri, group)

    check(opened, group)
    assert opened.rio.crs.to_epsg() == 32631
    assert opened[VALUE_NAME[group]].rio.crs.to_epsg() == 32631
    assert opened[VALUE_NAME[group]].chunks is not None
    assert opened.attrs["schema_version"] == "1.1"
    assert opened.attrs["snapshot"] == cube.snapshot
    assert {"title", "history", "Conventions"} <= set(opened.attrs)
    np.testing.assert_array_equal(opened.x, GRID.x)
    np.testing.assert_array_equal(opened.y, GRID.y)
    assert opened.reason.attrs["flag_masks"].dtype == np.uint16


def test_coordinates_say_what_the_items_said(cube):
    optical, radar = open_cube(cube.uri, "s2"), open_cube(cube.uri, "s1")

    assert optical.time.to_numpy()[0] == np.datetime64(FIRST.replace(tzinfo=None))
    assert optical.scene_ids.to_numpy().tolist() == ["o0", "o5"]
    assert optical.platform.to_numpy().tolist() == ["sentinel-2a", "sentinel-2a"]
    assert optical.sun_azimuth_deg.to_numpy().tolist() == [155.5, 155.5]
    assert optical.processing_baseline.to_numpy().tolist() == ["05.09", "05.09"]
    assert np.isnan(optical.view_incidence_deg).all()
    assert np.isnan(optical.shift_x_m).all()
    assert optical.common_name.to_numpy().tolist() == ["blue", "red"]
    assert 480 < optical.wavelength_nm.sel(band="B02").item() < 500
    assert radar.view_incidence_deg.item() == 38.5
    assert radar.orbit_direction.item() == "ascending"


def test_the_store_is_packed_as_the_schema_says(cube):
    group = zarr.open_group(open_store(cube.uri).read(), path="s2", mode="r", zarr_format=3)
    value = group["reflectance"]

    assert value.dtype == np.int16
    assert value.metadata.zarr_format == 3
    assert value.fill_value == -32768
    assert value.chunks == (1, 1, 30, 40)
    codec = value.compressors[0].to_dict()["configuration"]
    assert (codec["cname"], codec["clevel"], codec["shuffle"]) == ("zstd", 1, "bitshuffle")
    assert dict(group["time"].attrs)["units"] == "microseconds since 1970-01-01"
    assert group["time"].dtype == np.int64


def test_how_it_was_packed_stays_in_the_encoding(cube):
    opened = open_cube(cube.uri)
    packed = opened.reflectance.encoding

    assert packed["scale_factor"] == 1e-4
    assert packed["_FillValue"] == -32768
    assert packed["dtype"] == np.int16
    assert "scale_factor" not in opened.reflectance.attrs


def test_what_does_not_exist_is_said_with_what_does(cube, tmp_path):
    with pytest.raises(CubeError, match=r"\['s1', 's2'\], got 'l8'"):
        open_cube(cube.uri, "l8")
    with pytest.raises(CubeError, match="snapshot must be one of"):
        open_cube(cube.uri, snapshot="NOSUCHSNAPSHOT000000")
    with pytest.raises(CubeError, match="a folder with an Icechunk repository"):
        open_cube(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_package_offers_it_and_imports_lately(cube):
    assert pipelines.open_cube is open_cube
    code = "import sys, pipelines, pipelines.cube; sys.exit('xarray' in sys.modules or 'icechunk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=".").returncode == 0
