"""The region's keys for radar: calibration of GRD and speckle filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_region_file import LEAST

from flows.errors import ConfigError
from flows.recipe import recipe_of
from flows.region_file import parse_region
from pipelines.physics.grd import GrdCalibration
from pipelines.physics.speckle import Speckle


def recipe(text):
    return recipe_of(parse_region(LEAST + text, folder=Path("/a")))


def test_radar_power_is_kept_as_measured_unless_a_filter_is_named():
    assert recipe("").speckle is None
    assert recipe("speckle: null\n").digest() == recipe("").digest()


def test_a_filter_is_a_step_with_a_halo():
    found = recipe("speckle: {filter: refined-lee, window: 7, looks: 4.4}\n")
    assert found.speckle == Speckle(filter="refined-lee", window=7, looks=4.4)
    assert (found.speckle.halo_px, found.speckle.groups) == (3, ("s1", "slc"))
    assert found.digest() not in ("", recipe("speckle: {filter: lee}\n").digest())


def test_the_default_calibration_changes_no_recipe():
    assert recipe("grd: {coefficient: sigma0, noise: remove}\n").digest() == recipe("").digest() == ""
    found = recipe("grd: {coefficient: gamma0}\n")
    assert found.grd == GrdCalibration(coefficient="gamma0")
    assert found.steps("s1") == (found.grd,)
    assert found.steps("s2") == ()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("speckle: {filter: median}\n", "speckle.filter"),
        ("speckle: {window: 7}\n", "speckle.filter"),
        ("speckle: {filter: lee, window: 6}\n", "odd"),
        ("speckle: {filter: refined-lee, window: 3}\n", "refined-lee"),
        ("speckle: {filter: lee, looks: 0}\n", "speckle.looks"),
        ("speckle: {filter: lee, wndow: 7}\n", "did you mean `window`"),
        ("grd: {coefficient: sigma}\n", "grd.coefficient"),
    ],
)
def test_keys_that_mean_nothing_are_refused(text, match):
    with pytest.raises(ConfigError, match=match):
        recipe(text)
