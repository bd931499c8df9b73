"""Simulated signals lie where published ones do, and overlap."""

import numpy as np
import pytest

from pipelines.simulate import to_cube
from pipelines.simulate.backscatter import LOOKS, NOISE_FLOOR_DB, observe, speckle
from pipelines.simulate.instrument import observe_bands, to_counts
from pipelines.simulate.spectra import BAND_GSD, BANDS, MATERIALS
from pipelines.simulate.texture import fractal_field, gaussian_field

TREE, GRASS, CROP, BUILT, BARE, WATER, WETLAND = 10, 30, 40, 50, 60, 80, 90


@pytest.fixture(scope="module")
def summer(clear_regions):
    """(class code -> (band -> values of June and July)), unchanged pixels only."""
    return collect(clear_regions, months=(6, 7))


@pytest.fixture(scope="module")
def winter(clear_regions):
    return collect(clear_regions, months=(1, 2))


def collect(regions, *, months):
    found = {}
    for region in regions:
        cube = to_cube(region)
        optical = cube["s2"].isel(time=np.isin(cube["s2"].time.dt.month, months))
        radar = cube["s1"].isel(time=np.isin(cube["s1"].time.dt.month, months))
        for code in np.unique(region.land_cover):
            place = (region.land_cover == code) & (region.change == 0)
            bands = found.setdefault(int(code), {})
            for band in optical.band.to_numpy():
                bands.setdefault(band, []).append(optical.reflectance.sel(band=band).to_numpy()[:, place].ravel())
            for band in ("VV", "VH"):
                power = radar.power.sel(band=band).to_numpy()[:, place].mean(axis=0)
                bands.setdefault(band, []).append(10 * np.log10(power))
    return {
        code: {band: np.concatenate(parts)[np.isfinite(np.concatenate(parts))] for band, parts in bands.items()}
        for code, bands in found.items()
    }


@pytest.mark.parametrize(
    ("code", "band", "low", "high"),
    [
        # closed canopies: dark in the red, bright in the near infrared, forest darker than crops (splib07, PROSAIL)
        (TREE, "B04", 0.015, 0.06),
        (TREE, "B08", 0.14, 0.36),
        (GRASS, "B04", 0.03, 0.10),
        (GRASS, "B08", 0.25, 0.48),
        (CROP, "B08", 0.22, 0.48),
        (BUILT, "B04", 0.05, 0.18),
        (BARE, "B11", 0.20, 0.45),
        (WATER, "B08", 0.005, 0.08),
        (WATER, "B11", 0.002, 0.06),
    ],
)
def test_summer_reflectance_lies_in_published_ranges(summer, code, band, low, high):
    assert low < np.median(summer[code][band]) < high


@pytest.mark.parametrize(
    ("code", "band", "low", "high"),
    [
        # C band near 38 degrees: Ulaby and Dobson 1989, Vreugdenhil et al. 2018, Martinis and Rieke 2015
        (TREE, "VV", -12.5, -8.0),
        (TREE, "VH", -17.5, -13.0),
        (GRASS, "VV", -15.0, -10.5),
        (GRASS, "VH", -21.0, -16.5),
        (BUILT, "VV", -11.0, -3.0),
        (WATER, "VV", -24.0, -14.0),
        (WATER, "VH", -27.0, -19.0),
    ],
)
def test_backscatter_lies_in_published_ranges(summer, code, band, low, high):
    assert low < np.median(summer[code][band]) < high


def test_crops_green_up_and_forest_stays_darker_than_grass(summer, winter):
    def index(bands):
        red, infrared = np.median(bands["B04"]), np.median(bands["B08"])
        return (infrared - red) / (infrared + red)

    assert index(summer[CROP]) > index(winter[CROP]) + 0.15
    assert index(winter[GRASS]) > index(winter[CROP]) + 0.05
    assert np.median(summer[TREE]["B08"]) < np.median(summer[GRASS]["B08"])


def test_classes_overlap_within_the_parcels_pixels(summer):
    """A tenth or more of the pixels of built-up and of wetland are as green as the median of grass."""
    green = {code: bands["B08"] - bands["B04"] for code, bands in summer.items() if len(bands["B08"])}
    assert (green[BUILT] > np.quantile(green[GRASS], 0.25)).mean() > 0.05
    assert (green[WETLAND] > np.quantile(green[GRASS], 0.25)).mean() > 0.05


def test_speckle_is_gamma_of_the_stated_looks_and_correlated():
    field = speckle(np.random.default_rng(3), (512, 512))
    looks = field.mean() ** 2 / field.var()
    skew = ((field - field.mean()) ** 3).mean() / field.std() ** 3
    assert field.mean() == pytest.approx(1.0, abs=0.02)
    assert looks == pytest.approx(LOOKS, rel=0.06)
    assert skew == pytest.approx(2 / np.sqrt(LOOKS), rel=0.12)
    neighbours = np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]
    far = np.corrcoef(field[:, 6:].ravel(), field[:, :-6].ravel())[0, 1]
    assert 0.5 < neighbours < 0.85
    assert abs(far) < 0.02


def test_looks_of_a_homogeneous_area_are_those_of_the_product():
    power = np.full((256, 256), 10 ** (-12 / 10), dtype=np.float32)
    image = observe(np.random.default_rng(4), power, "VV", (0.2, -0.3))
    assert 4.4 < image.mean() ** 2 / image.var() < 5.4
    assert image.mean() == pytest.approx(power[0, 0] + 10 ** (NOISE_FLOOR_DB["VV"] / 10), rel=0.02)


def test_calm_water_ends_at_the_noise_floor():
    image = observe(np.random.default_rng(4), np.zeros((64, 64), dtype=np.float32), "VH", (0.0, 0.0))
    assert 10 * np.log10(image.mean()) == pytest.approx(NOISE_FLOOR_DB["VH"], abs=0.3)


def test_the_shift_of_a_scene_can_be_measured_back():
    rng = np.random.default_rng(8)
    plane = 0.2 + 0.03 * fractal_field(rng, (96, 96), exponent=3.4)
    scene = np.repeat(plane[None], len(BANDS), axis=0).astype(np.float32)
    still = observe_bands(np.random.default_rng(1), scene, (0.0, 0.0))
    moved = observe_bands(np.random.default_rng(2), scene, (0.6, -0.4))
    for band, factor in (("B04", 1.0), ("B11", 0.5)):
        rows, cols = np.gradient(still[band])
        inner = (slice(4, -4), slice(4, -4))
        system = np.stack([-cols[inner].ravel(), -rows[inner].ravel()], axis=1)
        difference = (moved[band] - still[band])[inner].ravel()
        shift, *_ = np.linalg.lstsq(system, difference, rcond=None)
        assert shift == pytest.approx([0.6 * factor, -0.4 * factor], abs=0.12)


def test_offset_left_or_taken_out_is_the_same_reflectance():
    reflectance = np.array([[-0.02, 0.0, 0.05], [0.3, 0.9, 1.4]], dtype=np.float32)
    missing = np.zeros((2, 3), dtype=bool)
    missing[0, 1] = True
    left = to_counts(reflectance, missing, offset_left=True).astype(int)
    out = to_counts(reflectance, missing, offset_left=False).astype(int)
    assert left[0, 1] == out[0, 1] == 0
    positive = ~missing & (reflectance > 0)
    assert np.array_equal(left[positive] - 1000, out[positive])
    assert left[0, 0] == 800  # below zero survives where the offset is still there
    assert out[0, 0] == 1  # and is clipped where it was taken out, as providers do


def test_correlated_fields_have_unit_variance():
    for sigma in (0.0, 0.6, 2.0):
        field = gaussian_field(np.random.default_rng(0), (256, 256), sigma)
        assert field.std() == pytest.approx(1.0, abs=0.06)
        assert field.dtype == np.float32


def test_the_table_of_materials_is_physical():
    assert set(BAND_GSD) == set(BANDS)
    for name, row in MATERIALS.items():
        assert len(row) == len(BANDS), name
        assert all(0 < value < 0.6 for value in row), name
