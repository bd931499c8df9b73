"""Margins around clouds, and clouds from probabilities."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.scenes import Asset
from pipelines.cube.recipe import Recipe, halo_of
from pipelines.physics.cloud_probability import CloudProbability, reasons_from_cloud_probability
from pipelines.physics.mask_buffer import MaskBuffer, buffer_reasons
from pipelines.physics.step import Step, StepPixels
from pipelines.schema import Reason

NAMED = int(Reason.CLOUD | Reason.CIRRUS | Reason.CLOUD_SHADOW)


def slow_buffer(reason, cloud_px, shadow_px):
    grown = reason.copy()
    for row, col in np.ndindex(reason.shape):
        if reason[row, col] & NAMED:
            continue
        for other_row, other_col in np.ndindex(reason.shape):
            distance = np.hypot(row - other_row, col - other_col)
            bits = int(reason[other_row, other_col])
            cloudy = bits & int(Reason.CLOUD | Reason.CIRRUS) and distance <= cloud_px
            if cloudy or (bits & int(Reason.CLOUD_SHADOW) and distance <= shadow_px):
                grown[row, col] |= int(Reason.CLOUD_BUFFER)
    return grown


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 4), st.floats(0, 4))
def test_margins_reach_as_far_as_they_are_wide(seed, cloud_px, shadow_px):
    rng = np.random.default_rng(seed)
    bits = [0, 0, 0, 0, int(Reason.CLOUD), int(Reason.CLOUD_SHADOW), int(Reason.CIRRUS), int(Reason.SNOW)]
    reason = rng.choice(np.array(bits, np.uint16), (7, 9))
    seen = buffer_reasons(reason, MaskBuffer(cloud_px=cloud_px, shadow_px=shadow_px))
    np.testing.assert_array_equal(seen, slow_buffer(reason, cloud_px, shadow_px))


def test_clearing_the_bit_gives_the_mask_back():
    reason = np.random.default_rng(2).choice(np.array([0, 2, 4, 16], np.uint16), (40, 40))
    grown = buffer_reasons(reason, MaskBuffer(cloud_px=3, shadow_px=2))
    assert (grown != reason).any()
    np.testing.assert_array_equal(grown & ~np.uint16(int(Reason.CLOUD_BUFFER)), reason)


def test_a_block_with_its_halo_gives_the_whole():
    buffer = MaskBuffer(cloud_px=2.5, shadow_px=1)
    reason = np.random.default_rng(4).choice(np.array([0] * 30 + [2, 4], np.uint16), (50, 60))
    whole, halo = buffer_reasons(reason, buffer), buffer.halo_px
    part = buffer_reasons(reason[20 - halo : 30 + halo, 10 - halo : 25 + halo], buffer)
    np.testing.assert_array_equal(part[halo:-halo, halo:-halo], whole[20:30, 10:25])


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="0 or more pixels"):
        MaskBuffer(cloud_px=wrong)


def test_probable_clouds_are_clouds():
    layer = np.array([[0, 39, 40, 100, 255]], np.uint8)
    cloud, unknown = int(Reason.CLOUD), int(Reason.NOT_MASKED)
    assert reasons_from_cloud_probability(layer, threshold=40, nodata=255).tolist() == [[0, 0, cloud, cloud, unknown]]
    floats = np.array([np.nan, 12.5, 80.0], np.float32)
    assert reasons_from_cloud_probability(floats, threshold=80).tolist() == [unknown, 0, cloud]


@pytest.mark.parametrize(
    ("layer", "threshold", "says"),
    [([101], 40, "0 to 100 percent"), ([-1], 40, "0 to 100 percent"), ([5], 0, "above 0"), ([5], 101, "at most 100")],
)
def test_what_is_no_percentage_is_refused(layer, threshold, says):
    with pytest.raises(ValueError, match=says):
        reasons_from_cloud_probability(np.array(layer), threshold=threshold)


def scene_with(*assets):
    return SimpleNamespace(asset={asset.band: asset for asset in assets}.get)


def pixels_of(reason):
    return StepPixels(values=np.zeros((1, *reason.shape), np.float32), reason=reason)


def context_of(scene, **planes):
    return SimpleNamespace(scene=scene, planes=planes)


@pytest.mark.parametrize("replaces", [False, True])
def test_a_probability_speaks_beside_the_mask_or_instead_of_it(replaces):
    cloud, shadow, unmasked = int(Reason.CLOUD), int(Reason.CLOUD_SHADOW), int(Reason.NOT_MASKED)
    reason = np.array([[0, cloud, cloud | shadow, unmasked, cloud]], np.uint16)
    layer = np.array([[90, 5, 5, 5, 255]], np.uint8)
    scene = scene_with(Asset(band="CLD", href="x", nodata=255.0))
    step = CloudProbability(threshold=50, replaces=replaces)
    seen = step.apply(pixels_of(reason), context_of(scene, CLD=layer)).reason[0].tolist()
    assert seen == ([cloud, 0, shadow, 0, cloud] if replaces else [cloud, cloud, cloud | shadow, unmasked, cloud])


def test_a_scene_without_probabilities_is_no_fit():
    assert "no cloud probability" in CloudProbability().obstacle(scene_with())
    assert CloudProbability().obstacle(scene_with(Asset(band="CLD", href="x"))) == ""


def test_both_are_steps_of_a_recipe():
    recipe = Recipe(cloud_probability=CloudProbability(), mask_buffer=MaskBuffer(cloud_px=2.5))
    assert isinstance(recipe.cloud_probability, Step)
    assert isinstance(recipe.mask_buffer, Step)
    assert halo_of(recipe.steps("s2")) == 3
    assert recipe.steps("s1") == ()
    assert recipe.digest() != Recipe(cloud_probability=CloudProbability(), mask_buffer=MaskBuffer(cloud_px=3)).digest()
