"""The band-pass lines against the published table and the formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_nbar import context, scene

from pipelines.physics.bandpass import LINES, BandPass
from pipelines.physics.step import StepPixels

PUBLISHED = """\
CA     B01 0.9959 -0.0002  0.9959 -0.0002  1.003  -0.0
Blue   B02 0.9778 -0.004   0.9778 -0.004   0.9851 -0.0027
Green  B03 1.0053 -0.0009  1.0075 -0.0008  1.0038 -0.0009
Red    B04 0.9765  0.0009  0.9761  0.001   0.9718  0.0011
NIR1   B8A 0.9983 -0.0001  0.9966  0       0.9995 -0.0003
SWIR1  B11 0.9987 -0.0011  1.000  -0.0003  0.9994 -0.0007
SWIR2  B12 1.003  -0.0012  0.9867  0.0004  0.991   0.0004
"""
"""HLS Product User Guide V2, table 5: band, then slope and intercept of Sentinel-2A, B and C."""


def test_lines_are_those_of_the_table():
    rows = [line.split() for line in PUBLISHED.splitlines()]
    for index, satellite in enumerate(("sentinel-2a", "sentinel-2b", "sentinel-2c")):
        assert list(LINES[satellite]) == [row[1] for row in rows]
        for row in rows:
            line = LINES[satellite][row[1]]
            assert (line.slope, line.offset) == (float(row[2 + 2 * index]), float(row[3 + 2 * index]))


@pytest.mark.parametrize("platform", ["sentinel-2b", "Sentinel-2B", "SENTINEL_2B"])
def test_each_band_with_a_twin_takes_its_line(platform):
    bands = ("B04", "B05", "B12")
    values = np.array([[[0.2, np.nan, -0.01]] * 2] * 3, dtype=np.float32)
    reason = np.zeros((2, 3), dtype=np.uint16)
    found = BandPass().apply(
        StepPixels(values=values, reason=reason), context(replace(scene(), platform=platform), bands)
    )
    np.testing.assert_allclose(found.values[0], 0.9761 * values[0] + 0.001, rtol=1e-6)
    np.testing.assert_array_equal(found.values[1], values[1])
    np.testing.assert_allclose(found.values[2], 0.9867 * values[2] + 0.0004, rtol=1e-6)
    assert found.values.dtype == np.float32
    assert np.isnan(found.values[:, :, 1]).all()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, ""),
        ({"platform": "sentinel-2c"}, ""),
        ({"platform": ""}, "no lines are published for platform ''"),
        ({"platform": "sentinel-2d"}, "no lines are published"),
        ({"product_type": "L1C"}, "top of the atmosphere"),
    ],
)
def test_scenes_it_cannot_be_applied_to_say_why(facts, says):
    why = BandPass().obstacle(replace(scene(), **facts))
    assert (says in why) if says else why == ""
