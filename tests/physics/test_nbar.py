"""The kernels against published integrals, limit cases and vectors; the step against the formula written out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.scenes import Scene
from pipelines.physics.nbar import (
    WEIGHTS,
    KernelWeights,
    NadirView,
    c_factor,
    is_top_of_atmosphere,
    li_sparse,
    ross_thick,
)
from pipelines.physics.step import StepContext, StepPixels

NOON = datetime(2022, 6, 1, 10, 50, tzinfo=UTC)
ZENITHS = st.floats(0.0, 70.0)
AZIMUTHS = st.floats(-360.0, 360.0)


def scene(**facts):
    stated = {
        "sun_elevation_deg": 60.0,
        "sun_azimuth_deg": 150.0,
        "view_incidence_deg": 9.0,
        "view_azimuth_deg": 105.0,
        "platform": "sentinel-2a",
        "product_type": "L2A",
    }
    return Scene(
        id="S2",
        collection="sentinel-2-l2a",
        sensor="sentinel-2-msi",
        time=NOON,
        time_start=NOON,
        time_end=NOON,
        footprint=((0, 0), (1, 0), (1, 1)),
        assets=(),
        **(stated | facts),
    )


def context(found, bands, group="s2"):
    return StepContext(
        scene=found, group=group, bands=bands, epsg=32631, x_m=np.arange(3.0), y_m=np.arange(2.0), planes={}
    )


def direction(zenith_deg, azimuth_deg):
    zenith, azimuth = math.radians(zenith_deg), math.radians(azimuth_deg)
    return (
        math.sin(zenith) * math.sin(azimuth),
        math.sin(zenith) * math.cos(azimuth),
        math.cos(zenith),
    )


def kernels_by_vectors(sun_deg, view_deg, phi_deg):
    """The same kernels from unit vectors and shadow centres on the ground, in plain floats."""
    to_sun, to_view = direction(sun_deg, phi_deg), direction(view_deg, 0.0)
    cosine = min(1.0, max(-1.0, sum(a * b for a, b in zip(to_sun, to_view, strict=True))))
    phase = math.acos(cosine)
    volume = ((math.pi / 2 - phase) * cosine + math.sin(phase)) / (to_sun[2] + to_view[2]) - math.pi / 4
    # where the rays through a point one unit above the ground meet it
    shadow = [-part / to_sun[2] for part in to_sun[:2]]
    sight = [-part / to_view[2] for part in to_view[:2]]
    apart_2 = sum((a - b) ** 2 for a, b in zip(shadow, sight, strict=True))
    across = shadow[0] * sight[1] - shadow[1] * sight[0]
    secants = 1 / to_sun[2] + 1 / to_view[2]
    cos_t = min(1.0, 2.0 * math.sqrt(apart_2 + across**2) / secants)
    t = math.acos(cos_t)
    overlap = (t - math.sin(t) * cos_t) * secants / math.pi
    geometry = overlap - secants + 0.5 * (1 + cosine) / (to_sun[2] * to_view[2])
    return volume, geometry


@given(sun=ZENITHS, view=ZENITHS, phi=AZIMUTHS)
def test_kernels_equal_those_from_vectors(sun, view, phi):
    volume, geometry = kernels_by_vectors(sun, view, phi)
    assert ross_thick(sun, view, phi) == pytest.approx(volume, abs=1e-7)
    assert li_sparse(sun, view, phi) == pytest.approx(geometry, abs=1e-6)


@given(sun=ZENITHS, view=ZENITHS, phi=AZIMUTHS)
def test_kernels_are_reciprocal_and_symmetric(sun, view, phi):
    for kernel in (ross_thick, li_sparse):
        assert kernel(sun, view, phi) == pytest.approx(kernel(view, sun, phi), abs=1e-9)
        assert kernel(sun, view, phi) == pytest.approx(kernel(sun, view, -phi), abs=1e-9)


def test_kernels_vanish_with_sun_and_view_overhead():
    assert ross_thick(0, 0, 0) == pytest.approx(0.0, abs=1e-12)
    assert li_sparse(0, 0, 0) == pytest.approx(0.0, abs=1e-12)


def test_the_hot_spot_is_brighter_than_the_other_side():
    assert li_sparse(40, 40, 0) > li_sparse(40, 40, 180) + 0.5
    assert ross_thick(40, 40, 0) > ross_thick(40, 40, 180)
    # no shadow is seen along the beam: overlap is whole, K_geo = sec^2 - sec (Lucht et al. 2000)
    sec = 1 / math.cos(math.radians(40))
    assert li_sparse(40, 40, 0) == pytest.approx(sec**2 - sec, abs=1e-9)


def black_sky(kernel, sun_deg, *, num=300):
    """Integral of a kernel over the view hemisphere, cosine-weighted, over pi."""
    nodes, weights = np.polynomial.legendre.leggauss(num)
    view = (nodes + 1) * np.pi / 4
    phi = (nodes + 1) * np.pi / 2
    values = kernel(sun_deg, np.rad2deg(view)[:, None], np.rad2deg(phi)[None, :])
    inner = (values * weights[None, :]).sum(axis=1) * np.pi / 2 * 2  # both halves of the azimuth
    return float((inner * np.sin(view) * np.cos(view) * weights).sum() * np.pi / 4 / np.pi)


@pytest.mark.parametrize(
    ("kernel", "white_sky", "polynomial"),
    [
        (ross_thick, 0.189184, (-0.007574, -0.070987, 0.307588)),
        (li_sparse, -1.377622, (-1.284909, -0.166314, 0.041840)),
    ],
)
def test_integrals_equal_those_of_lucht_2000(kernel, white_sky, polynomial):
    """Table 1 of Lucht et al. 2000: integrals over both hemispheres, and their fit over the sun zenith."""
    for sun_deg in (10, 30, 45, 60):
        zenith = math.radians(sun_deg)
        fitted = polynomial[0] + polynomial[1] * zenith**2 + polynomial[2] * zenith**3
        assert black_sky(kernel, sun_deg) == pytest.approx(fitted, abs=0.02)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    suns = (nodes + 1) * np.pi / 4
    over_suns = [black_sky(kernel, sun, num=120) for sun in np.rad2deg(suns)]
    found = 2 * float((np.array(over_suns) * np.sin(suns) * np.cos(suns) * weights).sum() * np.pi / 4)
    assert found == pytest.approx(white_sky, rel=3e-3)


def test_weights_are_those_of_the_table():
    """Roy et al. 2016 in units of 1e-4, as published; the red edge from Roy et al. 2017."""
    published = {
        "B02": (774, 372, 79),
        "B03": (1306, 580, 178),
        "B04": (1690, 574, 227),
        "B05": (2085, 845, 256),
        "B06": (2316, 1003, 273),
        "B07": (2599, 1197, 294),
        "B8A": (3093, 1535, 330),
        "B11": (3430, 1154, 453),
        "B12": (2658, 639, 387),
    }
    for band, row in published.items():
        known = WEIGHTS["s2"][band]
        assert [round(1e4 * w) for w in (known.iso, known.vol, known.geo)] == list(row)
    assert WEIGHTS["l8"]["SR_B5"] == WEIGHTS["s2"]["B8A"]


@given(sun=ZENITHS, view=st.floats(0.0, 15.0), phi=AZIMUTHS, band=st.sampled_from(sorted(WEIGHTS["s2"])))
def test_c_is_near_one_within_the_swath_and_one_at_the_nadir(sun, view, phi, band):
    weights = WEIGHTS["s2"][band]
    factor = c_factor(weights, sun_zenith_deg=sun, view_zenith_deg=view, relative_azimuth_deg=phi)
    assert 0.8 < factor < 1.25
    nadir = c_factor(weights, sun_zenith_deg=sun, view_zenith_deg=0.0, relative_azimuth_deg=phi)
    assert nadir == pytest.approx(1.0, abs=1e-9)


def test_backscatter_is_darkened_and_forward_scatter_brightened():
    red = WEIGHTS["s2"]["B04"]
    towards = c_factor(red, sun_zenith_deg=40, view_zenith_deg=10, relative_azimuth_deg=0)
    away = c_factor(red, sun_zenith_deg=40, view_zenith_deg=10, relative_azimuth_deg=180)
    assert towards < 1 < away


@pytest.mark.parametrize(("sun", "view"), [(76, 5), (-1, 5), (30, 46), (30, -1)])
def test_angles_beyond_the_range_are_refused(sun, view):
    with pytest.raises(ValueError, match="of the zenith"):
        c_factor(KernelWeights(iso=1, vol=0, geo=0), sun_zenith_deg=sun, view_zenith_deg=view, relative_azimuth_deg=0)


def test_the_step_multiplies_each_band_by_its_own_factor():
    bands = ("B04", "B09", "B11")
    values = np.array([[[0.1, np.nan, -0.01]] * 2] * 3, dtype=np.float32)
    reason = np.zeros((2, 3), dtype=np.uint16)
    found = NadirView().apply(StepPixels(values=values, reason=reason), context(scene(), bands))
    for index, band in enumerate(bands):
        factor = 1.0
        if band in WEIGHTS["s2"]:
            known = WEIGHTS["s2"][band]
            seen, nadir = kernels_by_vectors(30.0, 9.0, 45.0), kernels_by_vectors(30.0, 0.0, 0.0)
            model = [known.iso + known.vol * volume + known.geo * geometry for volume, geometry in (nadir, seen)]
            factor = model[0] / model[1]
        np.testing.assert_allclose(found.values[index], values[index] * factor, rtol=1e-6)
    assert found.values.dtype == np.float32
    assert np.isnan(found.values[:, :, 1]).all()
    np.testing.assert_array_equal(found.reason, reason)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, ""),
        ({"view_azimuth_deg": None, "view_incidence_deg": None}, "does not state view incidence, view azimuth"),
        ({"sun_elevation_deg": None}, "does not state sun elevation"),
        ({"sun_elevation_deg": 4.16}, "sun zenith 85.8"),
        ({"sun_elevation_deg": 120.0}, "sun zenith -30.0"),
        ({"view_incidence_deg": 60.0}, "view incidence 60.0"),
        ({"product_type": "S2MSI1C"}, "top of the atmosphere"),
        ({"collection": "sentinel-2-l1c"}, "top of the atmosphere"),
    ],
)
def test_scenes_it_cannot_be_applied_to_say_why(facts, says):
    why = NadirView().obstacle(replace(scene(), **facts))
    assert (says in why) if says else why == ""


def test_the_azimuth_of_real_items_points_from_the_ground_to_the_satellite(shared_data):
    """Of three tiles of one pass, west to east, the outer ones are seen from the side of the track between them."""
    views = {}
    for name in ("24MUV", "24MVV", "24MWV"):
        item = json.loads(
            (
                shared_data / f"stac_items/earth-search/sentinel-2-c1-l2a/S2B_T{name}_20250731T130245_L2A.json"
            ).read_text()
        )
        views[name] = (item["properties"]["view:azimuth"], item["properties"]["view:incidence_angle"])
    assert views["24MUV"][1] > views["24MVV"][1]
    assert 90 < views["24MUV"][0] < 120
    assert 90 < views["24MVV"][0] < 120
    assert 270 < views["24MWV"][0] < 300


@pytest.mark.parametrize(
    ("name", "is_level_1"),
    [("model1", False), ("parcel-1cm", False), ("sentinel-2-c1-l2a", False), ("landsat-c2-l2", False),
     ("hill-l12", False), ("sentinel-2-l1c", True), ("sentinel2l1c", True), ("landsat-c2-l1", True),
     ("level-1c", True)],
)  # fmt: skip
def test_level_1_is_told_by_a_word_and_not_by_any_two_letters(name, is_level_1):
    assert is_top_of_atmosphere(replace(scene(), collection=name)) is is_level_1
    assert is_top_of_atmosphere(replace(scene(), product_type=name)) is is_level_1
