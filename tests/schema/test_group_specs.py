"""Every group's storage: lossless both ways, apart from its fill, and told as CF attributes."""

import numpy as np
import pytest
import xarray as xr

from catalogs.sensors import SENSOR_NAMES, load_sensor
from pipelines.cube.fields import image_fields
from pipelines.physics.packing import pack_values, unpack_values
from pipelines.schema import GROUP_SPECS, GROUPS, VALUE_NAME

PACKED = [group for group in GROUPS if GROUP_SPECS[group].packed]


def every_number(spec):
    info = np.iinfo(spec.dtype)
    return np.arange(info.min, info.max + 1).astype(spec.dtype)


def test_groups_are_sorted_and_each_has_a_sensor():
    assert tuple(sorted(GROUPS)) == GROUPS
    assert set(VALUE_NAME) == set(GROUPS)
    fed = {product.group for name in SENSOR_NAMES for product in load_sensor(name).products}
    assert fed - {None} == set(GROUPS)


@pytest.mark.parametrize("group", PACKED)
def test_every_stored_number_comes_back(group):
    spec = GROUP_SPECS[group]
    stored = every_number(spec)

    packed = pack_values(unpack_values(stored, spec), spec)

    np.testing.assert_array_equal(packed.stored, stored)
    assert not packed.beyond.any()


@pytest.mark.parametrize("group", PACKED)
def test_decoding_is_that_of_xarray(group):
    spec = GROUP_SPECS[group]
    stored = every_number(spec)
    attributes = image_fields(group)[spec.value_name].attributes
    keys = ("scale_factor", "add_offset", "_FillValue")
    encoded = xr.Variable("x", stored, {key: attributes[key] for key in keys if key in attributes})

    decoded = xr.decode_cf(xr.Dataset({"v": encoded}))["v"].to_numpy()

    np.testing.assert_array_equal(unpack_values(stored, spec), decoded.astype(np.float32))
    assert np.isnan(decoded).sum() == 1


@pytest.mark.parametrize("group", PACKED)
def test_values_beyond_the_range_stand_at_its_end(group):
    spec = GROUP_SPECS[group]
    low, high = spec.limits
    ends = unpack_values(np.array([low, high], dtype=spec.dtype), spec)
    span = ends[1] - ends[0]

    packed = pack_values(np.array([ends[0] - span, ends[1] + span, np.nan], dtype=np.float32), spec)

    assert packed.stored.tolist() == [low, high, spec.fill]
    assert packed.beyond.tolist() == [True, True, False]


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in PACKED])
def test_floats_pass_unchanged(group):
    spec = GROUP_SPECS[group]
    values = np.array([0.0, -1e-3, 3.4e10, np.nan], dtype=np.float32)

    np.testing.assert_array_equal(unpack_values(values, spec).view("uint32"), values.view("uint32"))
    np.testing.assert_array_equal(pack_values(values, spec).stored.view("uint32"), values.view("uint32"))


def test_infinity_is_no_value():
    with pytest.raises(ValueError, match="finite or NaN, got infinity"):
        pack_values(np.array([np.inf], dtype=np.float32), GROUP_SPECS["s2"])
