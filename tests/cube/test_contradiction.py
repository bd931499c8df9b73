"""Scenes whose pixels contradict their metadata are read by one convention within a cube."""

import pytest
from made_scenes import GRID, digital_numbers, optical_scene

from catalogs import SceneSet
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.forecast import forecast_cube


@pytest.fixture
def lying(tmp_path):
    told = {"offset_applied": None, "processing_baseline": "05.09"}
    bands = {"B02": digital_numbers(1, low=100, high=300)}
    return [optical_scene(tmp_path, f"s{day}", day=day, bands=bands, facts=told) for day in range(2)]


@pytest.mark.parametrize(("first", "second"), [("pixels", "metadata"), ("metadata", "pixels")])
def test_two_conventions_do_not_mix(tmp_path, lying, first, second):
    build_cube(SceneSet(scenes=lying[:1]), GRID, tmp_path / "cube", options=BuildOptions(on_contradiction=first))
    other = BuildOptions(on_contradiction=second)
    told = f"s0 was read with radiometry.on_contradiction '{first}', the build asks for '{second}'"
    with pytest.raises(CubeError, match=told):
        build_cube(SceneSet(scenes=lying), GRID, tmp_path / "cube", options=other)
    with pytest.raises(CubeError, match=told):
        forecast_cube(SceneSet(scenes=lying), GRID, tmp_path / "cube", options=other)
    for policy, dates in (("quarantine", 1), (first, 2)):
        options = BuildOptions(on_contradiction=policy)
        build_cube(SceneSet(scenes=lying), GRID, tmp_path / "cube", options=options)
        assert open_cube(tmp_path / "cube").sizes["time"] == dates
