"""What a reader without this package finds in a cube: CRS, units and flags, by plain xarray and rioxarray."""

from __future__ import annotations

import warnings

import numpy as np
import rioxarray  # noqa: F401 registers the accessor
import xarray as xr
from made_scenes import GRID

from pipelines.cube.store import open_store
from pipelines.schema import PER_TIME_COORDS, VALUE_NAME, Reason


def require_plain_reading(uri, groups=("s2",), snapshot=None):
    """Raises where a group has lost its CRS, units, flags or coordinates."""
    for group in groups:
        plain = xr.open_zarr(open_store(uri).read(snapshot), group=group, consolidated=False)
        value = plain[VALUE_NAME[group]]
        assert set(plain.data_vars) == {value.name, "valid", "reason"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # rioxarray with affine 3
            for name, variable in plain.data_vars.items():
                assert variable.attrs["grid_mapping"] == "spatial_ref", name
                assert variable.rio.crs.to_epsg() == GRID.epsg, name
                assert variable.rio.transform() == GRID.geobox().transform, name
                assert variable.attrs["proj:code"] == f"EPSG:{GRID.epsg}", name
            assert plain.rio.crs.to_epsg() == GRID.epsg
        assert value.attrs["units"] == "1"
        assert plain.reason.dtype == np.uint16
        assert plain.reason.attrs["flag_masks"] == [int(bit) for bit in Reason]
        assert plain.reason.attrs["flag_meanings"].split() == [(bit.name or "").lower() for bit in Reason]
        assert plain.valid.dtype == bool
        assert plain.time.dtype.kind == "M"
        assert (np.diff(plain.time.to_numpy()) > np.timedelta64(0)).all()
        assert {"spatial_ref", "time_bounds", "common_name", "wavelength_nm", *PER_TIME_COORDS} <= set(plain.coords)
        assert all(plain[name].sizes == {"time": plain.sizes["time"]} for name in PER_TIME_COORDS)
