"""Digital numbers to packed reflectance, against decimal arithmetic and real files."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.physics import pack_reflectance, unpack_reflectance


def dn(*values, dtype="uint16"):
    return np.array(values, dtype=dtype)


def test_offset_is_added_in_whole_steps():
    plane = pack_reflectance(dn(1, 1000, 1001, 11000, 0), offset_dn=-1000)
    assert plane.packed.tolist() == [-999, 0, 1, 10000, -32768]
    assert plane.nodata.tolist() == [False] * 4 + [True]
    assert not plane.saturated.any()
    assert plane.packed.dtype == np.int16


def test_reflectance_above_one_and_below_zero_is_kept():
    values = unpack_reflectance(pack_reflectance(dn(1, 18000), offset_dn=-1000).packed)
    assert values.tolist() == [np.float32(-0.0999), np.float32(1.7)]


def test_beyond_the_range_is_clipped_and_flagged():
    plane = pack_reflectance(dn(32767, 32768, 33767, 33768, 65535), offset_dn=0)
    assert plane.packed.tolist() == [32767] * 5
    assert plane.saturated.tolist() == [False, True, True, True, True]
    harmonised = pack_reflectance(dn(33767, 33768, 65535), offset_dn=-1000)
    assert harmonised.saturated.tolist() == [False, True, True]


def test_below_the_range_is_flagged_and_never_reads_as_missing():
    plane = pack_reflectance(dn(-32768, -32767, dtype="int16"), offset_dn=-1000, nodata=-1)
    assert plane.packed.tolist() == [-32767, -32767]
    assert plane.saturated.all()


def test_declared_nodata_replaces_the_products_own():
    plane = pack_reflectance(dn(0, 65535, 5), offset_dn=0, nodata=65535)
    assert plane.packed.tolist() == [0, -32768, 5]
    assert plane.nodata.tolist() == [False, True, False]
    assert not plane.saturated.any()


def test_saturation_value_is_saturated_where_it_is_not_nodata():
    assert pack_reflectance(dn(65535), offset_dn=-1000, nodata=0).saturated.all()


def test_resampled_floats_round_to_the_nearest_step_and_nan_is_missing():
    plane = pack_reflectance(np.array([10.4, 10.6, np.nan, 0.0], dtype="float32"), offset_dn=-1000)
    assert plane.packed.tolist() == [-990, -989, -32768, -32768]
    nan_only = pack_reflectance(np.array([0.0, np.nan]), offset_dn=0, nodata=float("nan"))
    assert nan_only.nodata.tolist() == [False, True]


def test_arrays_that_hold_no_digital_numbers_are_refused():
    with pytest.raises(ValueError, match="digital numbers"):
        pack_reflectance(np.array([1.0, np.inf]), offset_dn=0)


def test_an_empty_plane_stays_empty():
    assert pack_reflectance(np.zeros((0, 4), dtype="uint16"), offset_dn=0).packed.shape == (0, 4)


@given(
    values=hnp.arrays(np.uint16, st.integers(0, 50), elements=st.integers(1, 31000)),
    offset_dn=st.sampled_from([0, -1000]),
)
def test_unpacking_gives_the_nearest_float32_of_the_decimal_reflectance(values, offset_dn):
    read = unpack_reflectance(pack_reflectance(values, offset_dn=offset_dn).packed)
    assert read.dtype == np.float32
    expected = ((values.astype("int64") + offset_dn).astype("float64") * 1e-4).astype("float32")
    np.testing.assert_array_equal(read, expected)
    for value, number in zip(values.tolist(), read.tolist(), strict=True):
        exact = (Decimal(value) + offset_dn) / 10000
        assert np.float32(float(exact)) == pytest.approx(number, rel=2e-7)


def test_multiplying_in_float32_is_another_rule():
    every = np.arange(1, 32768, dtype="uint16")
    ours = unpack_reflectance(pack_reflectance(every, offset_dn=0).packed)
    single = every.astype("float32") * np.float32(1e-4)
    assert 0.5 < (ours == single).mean() < 0.9


def test_a_real_band_is_packed_without_loss(shared_data):
    with rasterio.open(shared_data / "catalog/sentinel-2-l2a/S2-worldcereal-be-2021-06/B04.tif") as file:
        stored, nodata = file.read(1), file.nodata
    plane = pack_reflectance(stored, offset_dn=0, nodata=nodata)
    expected = np.where(stored == nodata, np.nan, stored.astype("float64") * 1e-4).astype("float32")
    np.testing.assert_array_equal(unpack_reflectance(plane.packed), expected)
    assert (plane.packed[~plane.nodata] == stored[~plane.nodata]).all()


@pytest.mark.parametrize("offset_dn", [0, -1, -1000, -32767])
@pytest.mark.parametrize("nodata", [None, 0, 1, 33768, 65535, -1, 0.5, float("nan")])
def test_every_sixteen_bit_number_is_packed_as_by_wide_integers(offset_dn, nodata):
    every = np.arange(65536, dtype="uint16").reshape(256, 256)
    found = pack_reflectance(every, offset_dn=offset_dn, nodata=nodata)
    wide = pack_reflectance(every.astype("int64"), offset_dn=offset_dn, nodata=nodata)
    for name in ("packed", "saturated", "nodata"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wide, name))
        assert getattr(found, name).dtype == getattr(wide, name).dtype
    for dn_value, packed in ((5, found.packed[0, 5]), (40_000, found.packed.ravel()[40_000])):
        exact = min(32767, dn_value + offset_dn)
        assert packed == (exact if dn_value != nodata else -32768)


def test_packing_leaves_its_input_alone():
    stored = dn(0, 5, 65535)
    plane = pack_reflectance(stored, offset_dn=0)
    assert stored.tolist() == [0, 5, 65535]
    assert plane.packed.base is None or not np.shares_memory(plane.packed, stored)


@given(
    values=hnp.arrays(
        np.float32,
        st.integers(0, 60),
        elements=st.floats(-40_000, 70_000, width=32) | st.sampled_from([0, np.nan, 65535]),
    ),
    offset_dn=st.sampled_from([0, -1000]),
    nodata=st.sampled_from([None, 0.0, 65535.0, float("nan"), float("inf")]),
)
def test_resampled_numbers_are_packed_as_by_plain_integers(values, offset_dn, nodata):
    found = pack_reflectance(values, offset_dn=offset_dn, nodata=nodata)
    for index, value in enumerate(values.tolist()):
        fill = 0.0 if nodata is None else nodata
        missing = np.isnan(value) or value == fill
        assert bool(found.nodata[index]) == missing
        if missing:
            assert (found.packed[index], bool(found.saturated[index])) == (-32768, False)
            continue
        step = round(value) + offset_dn  # Python rounds ties to even too
        assert found.packed[index] == min(32767, max(-32767, step))
        assert bool(found.saturated[index]) == (round(value) == 65535 or not -32767 <= step <= 32767)
