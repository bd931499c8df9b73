"""The cube's contract: a sound dataset passes, each broken rule is named."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipelines.schema import (
    ADVISORY,
    PACKED_FILL,
    PACKED_MAX,
    PACKED_MIN,
    PER_TIME_COORDS,
    PREDICTION_REASONS,
    SCHEMA_VERSION,
    VALUE_NAME,
    Reason,
    SchemaError,
    check,
    reason_attrs,
    without_buffer,
)

SHAPE = (2, 3, 4, 5)
MAPPED = {"grid_mapping": "spatial_ref"}


def sound(group="s2"):
    planes, text = SHAPE[:1] + SHAPE[2:], np.array(["", ""])
    bands = {"s2": ["B02", "B03", "B04"], "s1": ["HH", "VH", "VV"]}[group]
    return xr.Dataset(
        {
            VALUE_NAME[group]: (("time", "band", "y", "x"), np.zeros(SHAPE, "float32"), {"units": "1", **MAPPED}),
            "valid": (("time", "y", "x"), np.ones(planes, bool), dict(MAPPED)),
            "reason": (("time", "y", "x"), np.zeros(planes, "uint16"), reason_attrs() | MAPPED),
        },
        coords={
            "time": np.array(["2021-06-01", "2021-06-06"], "datetime64[us]"),
            "band": bands,
            "y": [35.0, 25.0, 15.0, 5.0],
            "x": [5.0, 15.0, 25.0, 35.0, 45.0],
            "spatial_ref": 0,
            **dict.fromkeys(PER_TIME_COORDS, ("time", text)),
        },
        attrs={"schema_version": SCHEMA_VERSION},
    )


@pytest.mark.parametrize("group", ["s2", "s1"])
def test_a_sound_dataset_passes(group):
    check(sound(group), group)


def test_grid_mapping_may_stand_in_the_encoding():
    dataset = sound()
    for name in dataset.data_vars:
        dataset[name].encoding["grid_mapping"] = dataset[name].attrs.pop("grid_mapping")
    check(dataset, "s2")


def test_one_date_and_one_pixel_are_enough():
    check(sound().isel(time=[0], y=[0], x=[0]), "s2")


def without_mapping(dataset):
    del dataset["valid"].attrs["grid_mapping"]
    return dataset


BROKEN = {
    "no version": (lambda d: d.assign_attrs(schema_version=None), "schema_version"),
    "another version": (lambda d: d.assign_attrs(schema_version="0.9"), "rebuild the cube"),
    "no values": (lambda d: d.drop_vars("reflectance"), "must hold 'reflectance'"),
    "no valid": (lambda d: d.drop_vars("valid"), "must hold 'valid'"),
    "no reason": (lambda d: d.drop_vars("reason"), "must hold 'reason'"),
    "float64 values": (lambda d: d.assign(reflectance=d["reflectance"].astype("float64")), "must be float32"),
    "packed values": (lambda d: d.assign(reflectance=d["reflectance"].astype("int16")), "must be float32"),
    "valid as numbers": (lambda d: d.assign(valid=d["valid"].astype("uint8")), "must be bool"),
    "wide reasons": (lambda d: d.assign(reason=d["reason"].astype("uint32")), "must be uint16"),
    "band last": (lambda d: d.transpose("time", "y", "x", "band"), "must have dims"),
    "no units": (lambda d: d.assign(reflectance=d["reflectance"].assign_attrs(units="percent")), "units '1'"),
    "no grid mapping": (without_mapping, "grid_mapping"),
    "no CRS": (lambda d: d.drop_vars("spatial_ref"), "spatial_ref"),
    "time reversed": (lambda d: d.isel(time=[1, 0]), "time must be strictly ascending"),
    "a date twice": (lambda d: d.isel(time=[0, 0]), "time must be strictly ascending"),
    "y ascending": (lambda d: d.isel(y=slice(None, None, -1)), "y must be strictly descending"),
    "x descending": (lambda d: d.isel(x=slice(None, None, -1)), "x must be strictly ascending"),
    "x unknown": (lambda d: d.assign_coords(x=[5.0, 15.0, np.nan, 35.0, 45.0]), "x must be strictly ascending"),
    "no x": (lambda d: d.drop_vars("x"), "x must be a coordinate"),
    "no bands": (lambda d: d.drop_vars("band"), "band must hold"),
    "scalar evidence": (lambda d: d.drop_vars("platform").assign_coords(platform="S2A"), "platform"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_named(name):
    breaks, says = BROKEN[name]
    with pytest.raises(SchemaError, match=says):
        check(breaks(sound()), "s2")


@pytest.mark.parametrize("name", PER_TIME_COORDS)
def test_each_fact_of_a_date_is_required(name):
    with pytest.raises(SchemaError, match=name):
        check(sound().drop_vars(name), "s2")


def test_a_group_is_held_to_its_own_variable():
    with pytest.raises(SchemaError, match="must hold 'power'"):
        check(sound("s2"), "s1")
    with pytest.raises(SchemaError, match="a cube group is one of"):
        check(sound("s2"), "s3")


def test_reason_bits_are_distinct_and_fit_their_type():
    attrs = reason_attrs()
    masks = attrs["flag_masks"]
    assert masks.dtype == np.uint16
    assert np.bitwise_count(masks).tolist() == [1] * len(masks)
    assert len(set(masks.tolist())) == len(masks) == len(attrs["flag_meanings"].split())
    assert attrs["flag_meanings"].split()[int(np.log2(int(Reason.NOT_MASKED)))] == "not_masked"


def test_reasons_named_by_the_contract_exist():
    named = {"nodata", "cloud", "cloud_shadow", "cirrus", "snow", "saturated", "border", "layover", "radar_shadow"}
    named |= {"read_failed", "outside_swath", "not_masked", "cloud_buffer", "uncalibrated"}
    assert set(reason_attrs()["flag_meanings"].split()) == named
    assert {Reason.SNOW, Reason.NOT_MASKED} == set(ADVISORY)


def test_predictions_carry_the_margin_of_clouds_as_cloud():
    every = np.arange(1 << 13, dtype=np.uint16)
    carried = without_buffer(every)
    assert int(np.bitwise_or.reduce(carried)) == sum(int(bit) for bit in PREDICTION_REASONS) < 1 << 12
    margin = every >= 1 << 12
    np.testing.assert_array_equal(carried[~margin], every[~margin])
    np.testing.assert_array_equal(carried[margin], (every[margin] - (1 << 12)) | int(Reason.CLOUD))
    np.testing.assert_array_equal(without_buffer(every | np.uint16(int(Reason.UNCALIBRATED))), carried)


def test_packed_range_leaves_the_fill_value_alone():
    limits = np.iinfo("int16")
    assert limits.min == PACKED_FILL
    assert limits.min + 1 == PACKED_MIN
    assert limits.max == PACKED_MAX
