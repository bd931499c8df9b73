"""Masks of terrain-corrected products: each value that is documented, and none that is not."""

from __future__ import annotations

import numpy as np
import pytest
from test_radar import scene

from pipelines.physics.mask import usable
from pipelines.physics.radar_mask import mask_convention, reasons_from_radar_mask
from pipelines.schema import Reason


def test_every_value_of_opera():
    found = reasons_from_radar_mask(np.array([0, 1, 2, 3, 255], "uint8"), "opera")
    both = Reason.LAYOVER | Reason.RADAR_SHADOW
    assert found.tolist() == [0, int(Reason.RADAR_SHADOW), int(Reason.LAYOVER), int(both), int(Reason.OUTSIDE_SWATH)]
    assert usable(found).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, Reason.NOT_MASKED),
        (1, Reason(0)),
        (3, Reason(0)),
        (5, Reason.LAYOVER),
        (7, Reason.LAYOVER),
        (9, Reason(0)),
        (17, Reason.RADAR_SHADOW),
        (21, Reason.LAYOVER | Reason.RADAR_SHADOW),
        (31, Reason.LAYOVER | Reason.RADAR_SHADOW),
    ],
)
def test_bits_of_gamma(value, reason):
    assert reasons_from_radar_mask(np.array([[value]], "uint8"), "gamma")[0, 0] == int(reason)


@pytest.mark.parametrize(
    ("values", "convention"), [([4], "opera"), ([254], "opera"), ([32], "gamma"), ([255], "gamma")]
)
def test_numbers_that_no_convention_knows_are_refused(values, convention):
    with pytest.raises(ValueError, match="does not hold"):
        reasons_from_radar_mask(np.array(values, "uint8"), convention)


def test_a_mask_that_was_resampled_is_refused():
    with pytest.raises(ValueError, match="integers"):
        reasons_from_radar_mask(np.array([0.5]), "opera")


@pytest.mark.parametrize(
    ("collection", "band", "convention"),
    [
        ("OPERA_L2_RTC-S1_V1", "MASK", "opera"),
        ("opera-rtc-s1", "MASK", "opera"),
        ("sentinel-1-rtc", "MASK", None),
        ("asf-rtc", "LSMAP", "gamma"),
    ],
)
def test_the_convention_is_known_or_not_guessed(collection, band, convention):
    assert mask_convention(scene(collection=collection), band) == convention
