"""A benchmark's image as the model's channels: which band goes where, and by which unit."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.inference.channels import CONVENTIONS, MS_BANDS
from pipelines.training.benchmarks.sample import BenchmarkImage, ClassTarget, Sample
from pipelines.training.protocols.inputs import sample_images, series_of
from pipelines.training.protocols.model_image import model_image
from pipelines.training.protocols.windows import windows

ALL = ("optical", "sar_l1", "sar_l2", "ms")
RGB = ("red", "green", "blue")


def image(values, bands, modality="optical", unit="reflectance", *, peak=None, time="", gsd_m=None, valid=None):
    pixels = np.tile(np.array(values, dtype=np.float32)[:, None, None], (1, 4, 6))
    good = np.ones((4, 6), dtype=np.bool_) if valid is None else valid
    return BenchmarkImage(
        pixels=pixels, bands=bands, valid=good, modality=modality, unit=unit, peak=peak, time=time, gsd_m=gsd_m
    )


def normal(value, band):
    return (value - CONVENTIONS[band].mean) / CONVENTIONS[band].std


def test_colours_of_eight_bits_by_hand():
    """51 of 255 is 0.2, so (0.2 - 0.09) / 0.07 of B04."""
    found = model_image(image([51, 25.5, 0], RGB, unit="digital_number", peak=255), ALL)
    assert found.modality == "optical"
    expected = [normal(0.2, "B04"), normal(0.1, "B03"), normal(0.0, "B02")]
    np.testing.assert_allclose(found.channels.pixels[:, 0, 0], expected, rtol=1e-5)
    assert expected[0] == pytest.approx(0.11 / 0.07)


def test_colours_feed_three_of_ten_bands_where_the_weights_know_no_pictures():
    found = model_image(image([0.2, 0.1, 0.05], RGB), ("sar_l2", "ms"))
    assert found.modality == "ms"
    assert [band for band, there in zip(MS_BANDS, found.channels.present, strict=True) if there] == [
        "B02",
        "B03",
        "B04",
    ]
    assert found.channels.pixels[MS_BANDS.index("B04"), 0, 0] == pytest.approx(normal(0.2, "B04"))
    assert found.channels.valid.all()


def test_bands_are_found_by_name_whatever_their_order():
    bands = ("B01", "B12", "B8A", "B02", "B10")
    found = model_image(image([9, 0.12, 0.3, 0.05, 9], bands, "ms"), ALL)
    for band, value in (("B12", 0.12), ("B8A", 0.3), ("B02", 0.05)):
        assert found.channels.pixels[MS_BANDS.index(band), 0, 0] == pytest.approx(normal(value, band), rel=1e-5)
    assert found.channels.present.sum() == 3


def test_near_infrared_with_red_and_green_is_multispectral():
    found = model_image(image([128, 64, 32], ("nir", "red", "green"), unit="digital_number", peak=255), ALL)
    assert found.modality == "ms"
    assert found.channels.pixels[MS_BANDS.index("B08"), 0, 0] == pytest.approx(normal(128 / 255, "B08"), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "unit", "peak"),
    [
        ([0.1, 0.01], "power", None),
        ([-10, -20], "db", None),
        ([0.1**0.5, 0.1], "amplitude", None),
        ([25.5 * 10**0.5, 25.5], "amplitude", 255),
    ],
)
def test_power_decibels_and_amplitude_are_one(values, unit, peak):
    found = model_image(image(values, ("VV", "VH"), "sar_l2", unit, peak=peak), ALL)
    expected = [normal(-10, "VV"), normal(-20, "VH")]
    np.testing.assert_allclose(found.channels.pixels[:, 0, 0], expected, rtol=1e-4)


def test_one_amplitude_feeds_the_co_polarised_channel():
    found = model_image(image([255], ("amplitude",), "sar_l2", "amplitude", peak=255), ALL)
    assert found.channels.present.tolist() == [True, False]
    assert found.channels.pixels[0, 0, 0] == pytest.approx(normal(0, "VV"))


def test_like_polarisations_are_preferred_to_stand_ins():
    found = model_image(image([1, 0.1, 0.01, 0.001], ("HH", "HV", "VH", "VV"), "sar_l2", "power"), ALL)
    np.testing.assert_allclose(found.channels.pixels[:, 0, 0], [normal(-30, "VV"), normal(-20, "VH")], rtol=1e-4)


def complex_image():
    bands = tuple(f"{name}_{part}" for name in ("HH", "HV", "VH", "VV") for part in "IQ")
    return image([0, 0, 0, 0, 0.06, 0.08, 0.3, 0.1], bands, "sar_l1", "complex")


def test_complex_radar_keeps_its_phase_or_becomes_power():
    whole = model_image(complex_image(), ALL)
    assert whole.modality == "sar_l1"
    assert whole.channels.pixels[6, 0, 0] / whole.channels.pixels[7, 0, 0] == pytest.approx(3)
    power = model_image(complex_image(), ("sar_l2",))
    assert power.modality == "sar_l2"
    np.testing.assert_allclose(power.channels.pixels[:, 0, 0], [normal(-10, "VV"), normal(-20, "VH")], rtol=1e-4)


def test_missing_stays_missing():
    valid = np.ones((4, 6), dtype=np.bool_)
    valid[0] = False
    found = model_image(image([np.nan, 0.1, 0.1], RGB, valid=valid), ALL)
    assert found.channels.present.tolist() == [False, True, True]
    assert not found.channels.valid[0].any()
    assert found.channels.valid[1:].all()


def test_time_and_distance_are_told():
    found = model_image(image([0.1] * 3, RGB, time="2020-07-01", gsd_m=0.5), ALL)
    assert found.day == pytest.approx(182 / 366)
    assert found.gsd_m == 0.5
    unknown = model_image(image([0.1] * 3, RGB), ALL)
    assert unknown.day == 0.5
    assert np.isnan(unknown.gsd_m)


def test_elevation_is_left_aside_and_the_unreadable_refused():
    assert model_image(image([3], ("dsm",), "dem", "metre"), ALL) is None
    with pytest.raises(ValueError, match="must have a band that the model reads"):
        model_image(image([1], ("B10",), "ms"), ALL)
    with pytest.raises(ValueError, match="needs weights trained on"):
        model_image(image([1, 1], ("VV", "VH"), "sar_l2", "power"), ("ms",))
    with pytest.raises(ValueError, match="must be reflectance, or numbers with a peak"):
        model_image(image([1] * 3, RGB, unit="digital_number"), ALL)


def test_a_pair_is_two_groups_and_several_modalities_are_one():
    optical, radar = image([0.1] * 3, RGB), image([0.1, 0.01], ("VV", "VH"), "sar_l2", "power")

    def cut(*images, pair):
        sample = Sample(id="a", images=images, target=ClassTarget(label=0))
        held = sample_images(sample, ALL, pair=pair)
        return series_of([(held, windows(held.size, 64, 0)[0])], ALL)

    series, membership = cut(optical, image([0.2] * 3, RGB), pair=True)
    assert series["optical"].pixels_BTCHW.shape == (1, 2, 3, 4, 6)
    assert membership.tolist() == [[[True, False], [False, True]]]
    assert series["optical"].pixels_BTCHW[0, 1, 0, 0, 0] == pytest.approx(normal(0.2, "B04"), rel=1e-5)
    series, membership = cut(radar, optical, pair=False)
    assert set(series) == {"optical", "sar_l2"}
    assert membership is None
    with pytest.raises(ValueError, match="must be two images"):
        cut(optical, pair=True)


def test_eight_bits_of_a_stated_scale_are_reflectance():
    """Where 255 stands for 0.275, 102 is 0.11; without it 102 is 0.4."""
    pixels = np.full((3, 4, 6), 102, dtype=np.float32)
    stated = BenchmarkImage(
        pixels=pixels, bands=RGB, valid=np.ones((4, 6), dtype=np.bool_), modality="optical", unit="digital_number",
        peak=255, reflectance_at_peak=0.275,
    )  # fmt: skip
    assert model_image(stated, ALL).channels.pixels[0, 0, 0] == pytest.approx(normal(0.11, "B04"), rel=1e-4)
    with pytest.raises(ValueError, match="needs a peak"):
        BenchmarkImage(
            pixels=pixels, bands=RGB, valid=stated.valid, modality="optical", unit="digital_number",
            reflectance_at_peak=0.275,
        )  # fmt: skip
