"""Scene classification to reason bits."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.physics import reasons_from_scl, reasons_without_mask, usable
from pipelines.schema import Reason

EXPECTED = {
    0: Reason.NODATA,
    1: Reason.SATURATED,
    2: Reason(0),
    3: Reason.CLOUD_SHADOW,
    4: Reason(0),
    5: Reason(0),
    6: Reason(0),
    7: Reason(0),
    8: Reason.CLOUD,
    9: Reason.CLOUD,
    10: Reason.CIRRUS,
    11: Reason.SNOW,
}


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_each_class(dtype):
    reasons = reasons_from_scl(np.arange(12, dtype=dtype).reshape(3, 4))
    assert reasons.dtype == np.uint16
    assert reasons.ravel().tolist() == [int(EXPECTED[value]) for value in range(12)]


def test_usable_classes():
    valid = usable(reasons_from_scl(np.arange(12, dtype="uint8")))
    assert np.flatnonzero(valid).tolist() == [2, 4, 5, 6, 7, 11]


@pytest.mark.parametrize("plane", [np.array([4, 12], "uint8"), np.array([255], "uint8"), np.array([-1], "int16")])
def test_values_of_no_class_are_refused(plane):
    with pytest.raises(ValueError, match="0 to 11"):
        reasons_from_scl(plane)


def test_interpolated_classes_are_refused():
    with pytest.raises(ValueError, match="integers"):
        reasons_from_scl(np.array([4.5]))


def test_without_a_mask_pixels_are_usable_and_say_so():
    reasons = reasons_without_mask((2, 3))
    assert (reasons == int(Reason.NOT_MASKED)).all()
    assert usable(reasons).all()


@pytest.mark.parametrize("bit", list(Reason))
def test_only_snow_and_not_masked_are_advisory(bit):
    assert usable(np.array([int(bit)], "uint16"))[0] == (bit in {Reason.SNOW, Reason.NOT_MASKED})
    assert not usable(np.array([int(bit | Reason.CLOUD)], "uint16"))[0]
