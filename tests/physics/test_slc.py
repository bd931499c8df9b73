"""Complex images: looks, coherence and covariance of planted pairs and of the real crops."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import rasterio
import rasterio.errors
import zarr

from pipelines.physics.sar_statistics import (
    equivalent_looks,
    gamma_log_cumulants,
    log_cumulants,
    robust_looks,
)
from pipelines.physics.slc import (
    coherence,
    coherence_without_signal,
    degree_of_polarisation,
    dual_covariance,
    entropy,
    multilook,
    power_of,
)
from pipelines.physics.window import Window

FIVE_BY_FIFTEEN = Window(height=5, width=15)


def circular(shape, seed):
    """Circular Gaussian pixels of mean power 1."""
    rng = np.random.default_rng(seed)
    return ((rng.normal(size=shape) + 1j * rng.normal(size=shape)) / math.sqrt(2)).astype("complex64")


def pair(shape, gamma, phase, seed):
    """Two images of a planted coherence and phase."""
    a, b = circular(shape, seed), circular(shape, seed + 1)
    return a, (gamma * np.exp(-1j * phase) * a + math.sqrt(1 - gamma**2) * b).astype("complex64")


@pytest.fixture(scope="module")
def amsterdam(shared_data):
    """Sentinel-1 IW SLC, VV, 2023-03-19 and 2023-03-31, co-registered."""

    def read(date, tag):
        group = zarr.open_group(shared_data / "slc" / "amsterdam" / f"{date}-coreg.znap", mode="r", zarr_format=2)
        return (group[f"i_VV_{tag}"][:] + 1j * group[f"q_VV_{tag}"][:]).astype("complex64")

    return read("20230319", "19Mar2023"), read("20230331", "31Mar2023")


@pytest.fixture(scope="module")
def winnipeg(shared_data):
    """UAVSAR L band HH; the lower half, which is scene."""
    name = f"HDF5:{shared_data}/slc/winnipeg.h5://science/LSAR/SLC/swaths/frequencyA/HH"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            with rasterio.open(name) as file:
                return file.read(1)[125:]
        except rasterio.errors.RasterioIOError:
            pytest.skip("this GDAL was built without HDF5")


def test_one_complex_pixel_is_one_look():
    power = power_of(circular((1500, 1500), 1))
    assert equivalent_looks(power) == pytest.approx(1.0, rel=0.03)
    assert log_cumulants(power).k2 == pytest.approx(math.pi**2 / 6, rel=0.03)


@pytest.mark.parametrize(("azimuth", "range_"), [(1, 4), (5, 15), (2, 10)])
def test_multilooking_multiplies_the_looks(azimuth, range_):
    looked = multilook(power_of(circular((1500, 1500), 2)), azimuth=azimuth, range_=range_)
    assert equivalent_looks(looked.power) == pytest.approx(azimuth * range_, rel=0.05)


def test_multilooking_counts_what_is_left_at_the_edges_and_what_is_missing():
    power = np.arange(35, dtype="float32").reshape(5, 7)
    power[0, 0] = np.nan
    power[4, 6] = np.nan
    looked = multilook(power, azimuth=2, range_=3)
    assert looked.count.tolist() == [[5, 6, 2], [6, 6, 2], [3, 3, 0]]
    assert looked.power[0, 0] == pytest.approx(np.nanmean(power[:2, :3]))
    assert looked.power[2, 1] == pytest.approx(power[4, 3:6].mean())
    assert np.isnan(looked.power[2, 2])
    with pytest.raises(ValueError, match="block"):
        multilook(power, azimuth=0, range_=1)


@pytest.mark.parametrize(("gamma", "phase"), [(0.3, 0.5), (0.75, -2.0), (0.98, 3.0)])
def test_a_planted_coherence_is_found(gamma, phase):
    found = coherence(*pair((600, 600), gamma, phase, seed=7), Window(height=11, width=11))
    middle = found.value[10:-10, 10:-10]
    assert abs(middle).mean() == pytest.approx(gamma, abs=0.02)
    assert np.angle(middle.mean()) == pytest.approx(phase, abs=0.02)


def test_coherence_equals_its_definition_pixel_by_pixel():
    a, b = pair((20, 30), 0.6, 1.0, seed=3)
    a[4, 7] = np.nan
    found = coherence(a, b, FIVE_BY_FIFTEEN)
    for y, x in [(0, 0), (10, 15), (19, 29), (4, 7)]:
        part = np.s_[max(y - 2, 0) : y + 3, max(x - 7, 0) : x + 8]
        keep = ~np.isnan(a[part])
        one, two = a[part][keep], b[part][keep]
        want = (one * two.conj()).sum() / np.sqrt((abs(one) ** 2).sum() * (abs(two) ** 2).sum())
        assert found.value[y, x] == pytest.approx(want, abs=1e-6)
        assert found.count[y, x] == keep.sum()


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 15)])
def test_nothing_in_common_still_looks_coherent_by_the_known_bias(size):
    window = Window(height=size[0], width=size[1])
    found = coherence(circular((500, 500), 1), circular((500, 500), 2), window).value[8:-8, 8:-8]
    assert abs(found).mean() == pytest.approx(coherence_without_signal(window.size), rel=0.02)
    with pytest.raises(ValueError, match="independent"):
        coherence_without_signal(0)


def test_coherence_without_power_is_missing():
    found = coherence(np.zeros((9, 9), "complex64"), circular((9, 9), 1), Window(height=3, width=3))
    assert np.isnan(found.value).all()
    with pytest.raises(ValueError, match="co-register"):
        coherence(circular((3, 3), 1), circular((3, 4), 1), FIVE_BY_FIFTEEN)


def test_covariance_keeps_co_and_cross_apart():
    # a bright co-polarised target: C11 and C22 once changed places in a well-known toolbox
    co, cross = circular((40, 40), 1) * 0.1, circular((40, 40), 2) * 0.1
    co[20, 20], cross[20, 20] = 100.0, 10j
    found = dual_covariance(co, cross, Window(height=3, width=3))
    assert found.c11[20, 20] == pytest.approx(100**2 / 9, rel=0.01)
    assert found.c22[20, 20] == pytest.approx(10**2 / 9, rel=0.01)
    assert found.c12[20, 20] == pytest.approx(100 * -10j / 9, rel=0.01)
    with pytest.raises(ValueError, match="share their pixels"):
        dual_covariance(co, cross[1:], FIVE_BY_FIFTEEN)


def test_polarisation_of_the_two_limits():
    one = circular((300, 300), 1)
    window = Window(height=21, width=21)
    same = dual_covariance(one, 0.3 * one, window)
    assert degree_of_polarisation(same).min() == pytest.approx(1.0, abs=1e-3)
    assert entropy(same).max() == pytest.approx(0.0, abs=5e-3)
    none = dual_covariance(one, circular((300, 300), 2), window)
    assert degree_of_polarisation(none).mean() < 0.1
    assert entropy(none).mean() == pytest.approx(1.0, abs=0.01)


def test_polarisation_equals_the_eigenvalues_of_the_matrix():
    found = dual_covariance(*pair((12, 12), 0.4, 0.7, seed=5), Window(height=5, width=5))
    c = np.array([[found.c11[6, 6], found.c12[6, 6]], [found.c12[6, 6].conj(), found.c22[6, 6]]])
    low, high = np.linalg.eigvalsh(c)
    shares = np.array([low, high]) / (low + high)
    formula = math.sqrt(1 - 4 * np.linalg.det(c).real / np.trace(c).real ** 2)
    assert degree_of_polarisation(found)[6, 6] == pytest.approx(formula, abs=1e-5)
    assert entropy(found)[6, 6] == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-5)


def test_power_is_divided_by_the_square_of_the_table():
    slc = np.array([3 + 4j, 3 + 4j, np.nan], dtype="complex64")
    power = power_of(slc, calibration=np.array([2.0, 0.0, 2.0]))
    assert power[0] == 25 / 4
    assert np.isnan(power[1:]).all()


def test_coherence_of_amsterdam(amsterdam):
    found = coherence(*amsterdam, FIVE_BY_FIFTEEN)
    assert found.value.shape == (84, 338)
    assert abs(found.value).mean() == pytest.approx(0.75, abs=0.02)
    amplitude = np.corrcoef(abs(amsterdam[0]).ravel(), abs(amsterdam[1]).ravel())[0, 1]
    assert amplitude == pytest.approx(0.90, abs=0.02)


def test_speckle_of_the_real_crops_next_to_theory(amsterdam, winnipeg):
    theory = gamma_log_cumulants(1.0)
    fields, city = power_of(winnipeg), power_of(amsterdam[0])
    # fields: the densest windows are nearly one look, the whole crop is textured on top
    assert robust_looks(fields, 15) == pytest.approx(1.0, abs=0.25)
    # a city is anything but uniform: far fewer looks, more log variance than speckle alone
    assert equivalent_looks(city) < 0.3
    assert log_cumulants(city).k2 > 1.5 * theory.k2
