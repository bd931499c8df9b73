"""Optional steps: the same pixel whatever the blocks are, recorded with each date, fixed for the life of a cube."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import made_scenes as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import GRID
from scipy import ndimage

from catalogs import Asset
from pipelines import build_cube, open_cube
from pipelines.cube import BuildOptions, CubeError
from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer
from pipelines.cube.recipe import Recipe, crop, halo_of, with_halo
from pipelines.cube.source import prepare
from pipelines.grid import Block, blocks
from pipelines.physics.cloud_probability import CloudProbability
from pipelines.schema import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Widest:
    """A stand-in that looks around: the largest value, and every reason, within reach."""

    reach: int
    groups: tuple = ("s2", "s1")
    obstructed: str = ""
    name: ClassVar[str] = "widest"
    planes: ClassVar[tuple] = ()

    @property
    def halo_px(self):
        return self.reach

    def obstacle(self, scene):
        return "another platform" if scene.platform == self.obstructed else ""

    def apply(self, pixels, context):
        assert pixels.reason.shape == (context.y_m.size, context.x_m.size)
        size = 2 * self.reach + 1
        low = np.where(np.isnan(pixels.values), -np.inf, pixels.values)
        values = ndimage.maximum_filter(low, size=(1, size, size), mode="nearest")
        reason = ndimage.maximum_filter(pixels.reason, size=size, mode="nearest")
        return replace(pixels, values=np.where(np.isinf(values), np.nan, values).astype("float32"), reason=reason)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    scl = np.full(GRID.shape, 4)
    scl[10:12, 20:22] = 9
    bands = {"B02": made.digital_numbers(1), "B04": made.digital_numbers(2)}
    bands["B02"][0:4, 0:5] = 0
    bands["B04"][0:4, 0:5] = 0
    return made.optical_scene(tmp_path_factory.mktemp("scene"), "one", bands=bands, scl=scl)


@settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 5), second=st.integers(0, 4), size=st.integers(3, 45))
def test_blocks_never_show(scene, first, second, size):
    recipe = Recipe(mask_buffer=Widest(reach=first), nbar=Widest(reach=second))
    source = prepare(scene, group="s2", bands=("B02", "B04"), grid=GRID, chunk=512, recipe=recipe)
    whole = source.read(Block(row=0, col=0, height=GRID.height, width=GRID.width))
    # the slow obvious way: both steps over the whole scene at once
    plain = prepare(scene, group="s2", bands=("B02", "B04"), grid=GRID, chunk=512).read(
        Block(row=0, col=0, height=GRID.height, width=GRID.width)
    )
    around = 2 * (first + second) + 1
    expected = ndimage.maximum_filter(plain.values, size=(1, around, around), mode="nearest")

    np.testing.assert_array_equal(whole.values, expected)
    for block in blocks(GRID.shape, size):
        part = source.read(block)
        np.testing.assert_array_equal(part.values, whole.values[:, *block.slices])
        np.testing.assert_array_equal(part.reason, whole.reason[block.slices])


@given(
    row=st.integers(0, 29), col=st.integers(0, 39), height=st.integers(1, 30), width=st.integers(1, 40),
    halo=st.integers(0, 60),
)  # fmt: skip
def test_a_halo_stays_on_the_grid_and_is_cropped(row, col, height, width, halo):
    inner = Block(row=row, col=col, height=min(height, 30 - row), width=min(width, 40 - col))
    outer = with_halo(inner, halo, (30, 40))

    assert outer.row == max(0, row - halo)
    assert outer.col_stop == min(40, inner.col_stop + halo)
    assert (outer.row_stop, outer.row) <= (30, inner.row)
    numbers = np.arange(30 * 40).reshape(1, 30, 40).astype("int16")
    cut = numbers[:, *outer.slices]
    layer = crop(Layer(values=cut, reason=cut[0].astype("uint16")), outer, inner)
    np.testing.assert_array_equal(layer.values, numbers[:, *inner.slices])


def test_steps_run_in_their_order_and_only_where_they_apply():
    radar, both = Widest(reach=1, groups=("s1",)), Widest(reach=2)
    recipe = Recipe(speckle=radar, cloud_probability=both)

    assert recipe.steps("s1") == (both, radar)
    assert recipe.steps("s2") == (both,)
    assert halo_of(recipe.steps("s1")) == 3
    assert Recipe().steps("s2") == ()


def test_what_was_applied_stands_with_the_date(tmp_path):
    scenes = [
        made.optical_scene(tmp_path, "first", day=0, facts={"platform": "sentinel-2a"}),
        made.optical_scene(tmp_path, "second", day=5, facts={"platform": "sentinel-2b"}),
    ]
    recipe = Recipe(nbar=Widest(reach=2, obstructed="sentinel-2b"))
    result = build_cube(made.scene_set(*scenes), GRID, tmp_path / "cube", options=BuildOptions(chunk=16, recipe=recipe))
    told = [json.loads(str(text)) for text in open_cube(result.ref.uri).processing.to_numpy()]

    parameters = {"name": "widest", "reach": 2, "groups": ["s2", "s1"], "obstructed": "sentinel-2b"}
    assert told[0]["steps"] == {"first": [{**parameters, "applied": True}]}
    assert told[1]["steps"] == {"second": [{**parameters, "applied": False, "why": "another platform"}]}


def test_a_cube_keeps_to_one_recipe(tmp_path):
    scenes = [made.optical_scene(tmp_path, f"day {day}".replace(" ", ""), day=day) for day in (0, 5)]
    uri = tmp_path / "cube"
    recipe = Recipe(nbar=Widest(reach=2))
    build_cube(made.scene_set(scenes[0]), GRID, uri, options=BuildOptions(recipe=recipe))

    with pytest.raises(CubeError, match=r"step nbar of .*'reach': 2.*asks for left out; choose another output"):
        build_cube(made.scene_set(*scenes), GRID, uri)
    with pytest.raises(CubeError, match=r"step nbar of .*'reach': 2.*'reach': 3"):
        build_cube(made.scene_set(*scenes), GRID, uri, options=BuildOptions(recipe=Recipe(nbar=Widest(reach=3))))
    again = build_cube(made.scene_set(*scenes), GRID, uri, options=BuildOptions(recipe=recipe))
    assert again.dates == {"s2": 2}


def test_digests_tell_recipes_apart():
    digests = [Recipe().digest(), Recipe(nbar=Widest(reach=1)).digest(), Recipe(nbar=Widest(reach=2)).digest(),
               Recipe(band_pass=Widest(reach=1)).digest()]  # fmt: skip

    assert digests[0] == ""
    assert len(set(digests)) == 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A stand-in that adds a constant to every value, or takes values away."""

    by: float
    name: ClassVar[str] = "shifted"
    groups: ClassVar[tuple] = ("s2",)
    halo_px: ClassVar[int] = 0
    planes: ClassVar[tuple] = ()

    def obstacle(self, _scene):
        return ""

    def apply(self, pixels, _context):
        return replace(pixels, values=pixels.values + np.float32(self.by))


def test_values_beyond_what_is_stored_are_flagged(scene):
    block = Block(row=15, col=0, height=5, width=5)
    plain = prepare(scene, group="s2", bands=("B02",), grid=GRID, chunk=512).read(block)
    for by, reason in ((0.01, 0), (10.0, int(Reason.SATURATED)), (float("nan"), int(Reason.NODATA | Reason.BORDER))):
        source = prepare(
            scene, group="s2", bands=("B02",), grid=GRID, chunk=512, recipe=Recipe(band_pass=Shifted(by=by))
        )
        layer = source.read(block)
        assert set(np.unique(layer.reason)) == {reason}
        if by == 0.01:
            np.testing.assert_array_equal(layer.values, plain.values + 100)


def test_a_step_that_was_asked_for_and_not_done_is_noted(scene):
    class Unfit(Shifted):
        def obstacle(self, _scene):
            return "no sun was stated"

    recipe = Recipe(band_pass=Unfit(by=0.01))
    source = prepare(scene, group="s2", bands=("B02",), grid=GRID, chunk=512, recipe=recipe)
    assert "shifted was not applied: no sun was stated" in source.evidence["notes"]
    plain = prepare(scene, group="s2", bands=("B02",), grid=GRID, chunk=512)
    assert not [note for note in plain.evidence["notes"] if "applied" in note]


def test_a_plane_that_is_not_what_its_item_says_costs_its_blocks_and_not_the_build(scene, tmp_path):
    href = made.write_raster(tmp_path / "CLD.tif", np.full(GRID.shape, 200, "uint8"))
    spoilt = replace(scene, assets=tuple(sorted((*scene.assets, Asset(band="CLD", href=href)), key=lambda a: a.band)))
    recipe = Recipe(cloud_probability=CloudProbability())
    source = prepare(spoilt, group="s2", bands=("B02",), grid=GRID, chunk=512, recipe=recipe)
    with pytest.raises(ReadFailed, match=r"CLD\.tif: a cloud probability is 0 to 100") as failed:
        source.read(Block(row=0, col=0, height=5, width=5))
    assert (failed.value.fault, failed.value.band) == ("unfit", "CLD")
