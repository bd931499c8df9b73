"""Augmentations: boxes turn with their pixels, covariances survive phases and flips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.draw import polygon

from pipelines.inference.channels import MS_BANDS, ms_channels, sar_channels
from pipelines.training.places.augment import flip_azimuth, shift_phase, turn_chip
from pipelines.training.places.chip import Chip, Cut
from pipelines.training.places.physical import complex_channels, physical_values

SIZE = 64


def corners(box):
    cx, cy, w, h, angle, _ = box
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    signs = [(1, 1), (1, -1), (-1, -1), (-1, 1)]
    return np.array([np.array([cx, cy]) + a * w / 2 * along + b * h / 2 * across for a, b in signs])


def painted(box):
    """The pixels whose centre lies in a box."""
    x, y = corners(box).T - 0.5  # from pixel edges to pixel centres
    mask = np.zeros((SIZE, SIZE), bool)
    mask[polygon(y, x, mask.shape)] = True
    return mask


def chip(pixels, modality="optical", **targets):
    dates, channels = pixels.shape[:2]
    cut = Cut(
        pixels=pixels.astype(np.float32),
        valid=np.ones((dates, *pixels.shape[-2:]), bool),
        present=np.ones((dates, channels), bool),
        day=np.zeros(dates, np.float32),
        age=np.zeros(dates, np.float32),
    )
    size = pixels.shape[-1]
    return Chip(place="p", row=0, col=0, size=size, series={modality: cut}, targets=targets, gsd_m=1.0, nodata=0.0)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_boxes_turn_with_their_pixels(turns, mirror):
    random = np.random.default_rng(turns + 10 * mirror)
    for _ in range(5):
        w, h = random.uniform(14, 24), random.uniform(4, 9)
        box = np.array([*random.uniform(20, 44, 2), w, h, random.uniform(-np.pi / 2, np.pi / 2), 3], np.float32)
        mask = painted(box)
        turned = turn_chip(chip(mask[None, None], boxes=box[None], land_cover=mask), turns=turns, mirror=mirror)
        seen = turned.series["optical"].pixels[0, 0] > 0
        wanted = painted(turned.targets["boxes"][0])
        assert (seen & wanted).sum() / (seen | wanted).sum() > 0.9
        np.testing.assert_array_equal(turned.targets["land_cover"], seen)
        assert -np.pi / 2 <= turned.targets["boxes"][0, 4] < np.pi / 2
        np.testing.assert_array_equal(turned.targets["boxes"][0, [2, 3, 5]], box[[2, 3, 5]])


def test_all_eight_positions_of_a_square_occur():
    base = np.arange(SIZE * SIZE).reshape(1, 1, SIZE, SIZE)
    seen = {
        turn_chip(chip(base), turns=turns, mirror=mirror).series["optical"].pixels.tobytes()
        for turns in range(4)
        for mirror in (False, True)
    }
    assert len(seen) == 8


def covariance(cut):
    values = physical_values(cut.pixels, "sar_l1")[0].reshape(4, -1)
    return values @ values.conj().T / values.shape[1]


def scattering(random):
    shape = (1, 4, 32, 32)
    return (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(np.complex64) * 0.2


def test_a_common_phase_leaves_every_covariance_and_changes_every_pixel():
    given = scattering(np.random.default_rng(0))
    cut = chip(complex_channels(given), "sar_l1").series["sar_l1"]
    turned = shift_phase(cut, 0.7)
    np.testing.assert_allclose(covariance(turned), covariance(cut), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(physical_values(turned.pixels, "sar_l1"), given * np.exp(0.7j), rtol=1e-4, atol=1e-6)


def test_an_azimuth_flip_reverses_rows_and_negates_cross_polarised_channels():
    given = scattering(np.random.default_rng(1))
    made = chip(complex_channels(given), "sar_l1", land_cover=np.arange(32 * 32).reshape(32, 32))
    flipped = flip_azimuth(made)
    values = physical_values(flipped.series["sar_l1"].pixels, "sar_l1")[0]
    signs = np.array([1, -1, -1, 1])[:, None, None]
    np.testing.assert_allclose(values, signs * given[0, :, ::-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(flipped.targets["land_cover"], made.targets["land_cover"][::-1])
    # reflection symmetry: co-polarised times cross-polarised products change sign, all others stay
    before, after = covariance(made.series["sar_l1"]), covariance(flipped.series["sar_l1"])
    np.testing.assert_allclose(after, np.outer(signs.ravel(), signs.ravel()) * before, rtol=1e-4, atol=1e-7)


def test_an_azimuth_flip_is_that_of_the_simulator():
    from pipelines.simulate.slc.scene import flip_azimuth as flip_scattering

    given = scattering(np.random.default_rng(5))
    flipped = flip_azimuth(chip(complex_channels(given), "sar_l1")).series["sar_l1"].pixels
    np.testing.assert_allclose(physical_values(flipped, "sar_l1"), flip_scattering(given), rtol=1e-5, atol=1e-7)


def test_physical_values_undo_the_conventions():
    random = np.random.default_rng(2)
    valid = np.ones((5, 5), bool)
    reflectance = random.uniform(0, 1, (10, 5, 5)).astype(np.float32)
    pixels = ms_channels(reflectance, MS_BANDS, valid).pixels
    np.testing.assert_allclose(physical_values(pixels, "ms"), reflectance, rtol=1e-4, atol=1e-5)
    power = random.uniform(0.001, 1, (2, 5, 5)).astype(np.float32)
    pixels = sar_channels(power, ("VV", "VH"), valid).pixels
    np.testing.assert_allclose(physical_values(pixels, "sar_l2"), power, rtol=1e-4)
    given = scattering(random)
    np.testing.assert_allclose(physical_values(complex_channels(given), "sar_l1"), given, rtol=1e-5, atol=1e-7)


def test_the_mean_power_of_complex_radar_makes_channels_of_unit_spread():
    random = np.random.default_rng(3)
    power = 10 ** (np.array([-11, -18, -18, -11]) / 10)
    given = scattering(random) / 0.2 * np.sqrt(power / 2)[:, None, None]
    np.testing.assert_allclose(complex_channels(given).std((0, 2, 3)), 1, rtol=0.1)


def test_scattering_needs_four_polarisations():
    with pytest.raises(ValueError, match="order"):
        complex_channels(np.zeros((3, 8, 8), np.complex64))


def test_a_turn_keeps_what_is_missing_at_its_pixels():
    base = np.arange(16.0).reshape(1, 1, 4, 4)
    made = chip(base)
    cut = made.series["optical"]
    made = replace(made, series={"optical": replace(cut, valid=base[0] > 11)})
    turned = turn_chip(made, turns=1, mirror=True).series["optical"]
    np.testing.assert_array_equal(turned.valid, turned.pixels[:, 0] > 11)
