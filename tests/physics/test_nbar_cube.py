"""The optional corrections as a cube is built with them: values, records, and a cube that keeps to its recipe."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from test_verdict import grid, make_scene

from catalogs import SceneSet
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.recipe import Recipe
from pipelines.physics.bandpass import BandPass
from pipelines.physics.nbar import NadirView

ANGLES = {
    "sun_elevation_deg": 55.0,
    "sun_azimuth_deg": 160.0,
    "view_incidence_deg": 8.0,
    "view_azimuth_deg": 104.0,
    "product_type": "L2A",
}
GRID = grid(col=0, row=0, width=80, height=60)


def build(folder, recipe, *scenes, chunk=32):
    found = SceneSet(scenes=tuple(sorted(scenes, key=lambda scene: scene.time)))
    options = BuildOptions(bands_s2=("B02", "B04", "B12"), chunk=chunk, recipe=recipe)
    return build_cube(found, GRID, folder, options=options)


def values(folder):
    return open_cube(folder).reflectance.isel(time=0).load()


def test_both_corrections_in_their_order(tmp_path):
    scene = replace(make_scene(tmp_path / "s", offset=1000, claims=-1000), **ANGLES)
    build(tmp_path / "plain", Recipe(), scene)
    build(tmp_path / "both", Recipe(nbar=NadirView(), band_pass=BandPass()), scene)
    plain, both = values(tmp_path / "plain"), values(tmp_path / "both")
    factors = NadirView().factors(scene, "s2", ("B02", "B04", "B12"))
    lines = {"B02": (0.9778, -0.0040), "B04": (0.9765, 0.0009), "B12": (1.0030, -0.0012)}
    for index, (band, (slope, offset)) in enumerate(lines.items()):
        expected = slope * (factors[index] * plain.sel(band=band).to_numpy()) + offset
        np.testing.assert_allclose(both.sel(band=band).to_numpy(), expected, atol=0.51e-4)
        assert abs(factors[index] - 1) > 0.005
    record = json.loads(open_cube(tmp_path / "both").processing.item())
    steps = record["steps"]["s"]
    assert [(step["name"], step["applied"]) for step in steps] == [("nbar", True), ("band_pass", True)]
    assert steps[1]["target"] == "landsat-8-oli"


def test_a_scene_without_angles_stays_as_it_is_and_says_so(tmp_path):
    scene = make_scene(tmp_path / "s", offset=1000, claims=-1000)
    build(tmp_path / "plain", Recipe(), scene)
    build(tmp_path / "nbar", Recipe(nbar=NadirView()), scene)
    np.testing.assert_array_equal(values(tmp_path / "plain"), values(tmp_path / "nbar"))
    (step,) = json.loads(open_cube(tmp_path / "nbar").processing.item())["steps"]["s"]
    assert step["applied"] is False
    assert "does not state sun elevation" in step["why"]


def test_chunks_change_nothing(tmp_path):
    scene = replace(make_scene(tmp_path / "s", offset=1000, claims=-1000), **ANGLES)
    recipe = Recipe(nbar=NadirView(), band_pass=BandPass())
    build(tmp_path / "a", recipe, scene, chunk=16)
    build(tmp_path / "b", recipe, scene, chunk=80)
    np.testing.assert_array_equal(values(tmp_path / "a"), values(tmp_path / "b"))
    first, second = (open_cube(tmp_path / name).radiometric_evidence.item() for name in "ab")
    assert first == second


def test_missing_stays_missing_and_dark_ground_stays_negative(tmp_path):
    scene = replace(make_scene(tmp_path / "s", offset=1000, claims=-1000), **ANGLES)
    with rasterio.open(scene.asset("B02").href, "r+") as file:
        plane = file.read(1)
        plane[:5, :5], plane[5:10, :5] = 0, 950
        file.write(plane, 1)
    build(tmp_path / "nbar", Recipe(nbar=NadirView()), scene)
    found = values(tmp_path / "nbar").sel(band="B02").to_numpy()
    assert np.isnan(found[:5, :5]).all()
    assert (found[5:10, :5] < 0).all()


def test_a_cube_keeps_to_its_recipe(tmp_path):
    scene = replace(make_scene(tmp_path / "s", offset=1000, claims=-1000), **ANGLES)
    build(tmp_path / "cube", Recipe(nbar=NadirView()), scene)
    later = replace(scene, id="later", time=scene.time.replace(day=9))
    later = replace(later, time_start=later.time, time_end=later.time)
    with pytest.raises(CubeError, match="step nbar"):
        build(tmp_path / "cube", Recipe(), scene, later)
