"""Landsat scenes show the region's land in the numbers and bits of the Level 2 product."""

import numpy as np
import pytest

from pipelines.physics.landsat import reasons_from_qa_pixel
from pipelines.schema import Reason
from pipelines.simulate import RegionSpec, simulate_landsat, simulate_region, to_cube
from pipelines.simulate.atmosphere import Atmosphere
from pipelines.simulate.landsat import TWINS, on_10m_grid, quality

SPEC = RegionSpec(seed=55, size=96, num_dates=5, cloud_cover=(0.0, 0.0))


@pytest.fixture(scope="module")
def clear():
    region = simulate_region(SPEC)
    return region, simulate_landsat(region)


@pytest.fixture(scope="module")
def cloudy():
    region = simulate_region(RegionSpec(seed=56, size=96, num_dates=10, cloud_cover=(0.3, 0.6)))
    return region, simulate_landsat(region)


def test_equal_specs_give_equal_bytes(clear):
    _, scenes = clear
    again = simulate_landsat(simulate_region(SPEC))
    for one, two in zip(scenes, again, strict=True):
        assert all(one.bands[name].tobytes() == two.bands[name].tobytes() for name in one.bands)


def test_one_scene_a_date_within_three_days(clear):
    region, scenes = clear
    optical = [scene for scene in region.acquisitions if scene.group == "s2"]
    assert len(scenes) == len(optical) == 5
    for one, other in zip(scenes, optical, strict=True):
        assert 0 <= (one.time.date() - other.time.date()).days <= 3
        assert set(one.bands) == {*TWINS, "QA_PIXEL", "QA_RADSAT"}
        assert all(plane.shape == (32, 32) and plane.dtype == np.uint16 for plane in one.bands.values())
        assert one.group == "l8"


def test_numbers_follow_the_product(clear):
    """0.0000275 DN - 0.2 (LSDS-1619)."""
    _, scenes = clear
    counts = scenes[2].bands["SR_B4"].astype(np.float64)
    red = scenes[2].reflectance()[list(TWINS).index("SR_B4")]
    here = counts > 0
    assert red[here] == pytest.approx(counts[here] * 2.75e-5 - 0.2, abs=1e-6)
    assert np.isnan(red[~here]).all()
    assert 0.0 < np.nanmedian(red) < 0.25


def test_it_sees_the_land_that_sentinel_2_sees(clear):
    """Block means of clear Sentinel-2 against Landsat of the same date: they correlate, and differ by 0.03 at most."""
    region, scenes = clear
    optical = to_cube(region)["s2"]
    found = []
    for scene in scenes:
        both = optical.isel(time=scene.index)
        for name in ("SR_B4", "SR_B5", "SR_B6"):
            plane = both.reflectance.sel(band=TWINS[name]).to_numpy().reshape(32, 3, 32, 3).mean(axis=(1, 3))
            seen = scene.reflectance()[list(TWINS).index(name)]
            usable = np.isfinite(plane) & np.isfinite(seen) & scene.valid()
            if usable.sum() > 200:
                found.append((np.corrcoef(plane[usable], seen[usable])[0, 1], np.median(seen[usable] - plane[usable])))
    correlation, bias = np.array(found).T
    assert len(found) >= 9
    assert np.median(correlation) > 0.9
    assert np.median(np.abs(bias)) < 0.03


def test_bits_are_those_of_the_product_guide():
    """LSDS-1619, values of QA_PIXEL: clear, high confidence cloud, shadow and cirrus, fill."""
    zero = np.zeros((12, 12), dtype=np.float32)

    def plane(row):
        out = zero.copy()
        out[row : row + 3] = 1.0
        return out

    missing = np.zeros((4, 4), dtype=bool)
    missing[3, 3] = True
    bands = {"SR_B3": np.full((4, 4), 9000, np.uint16), "SR_B6": np.full((4, 4), 12000, np.uint16)}

    def qa(**air):
        values = {"cloud": zero, "shadow": zero, "cirrus": zero, "haze": zero} | air
        return quality(Atmosphere(missing=zero > 1, missed=zero > 1, **values), bands, missing)

    assert qa()[0, 0] == 21824
    assert qa(cloud=plane(0))[0, 0] == 22280
    assert qa(shadow=plane(3))[1, 0] == 23888
    assert qa(cirrus=plane(3))[1, 0] == 54596
    assert qa()[3, 3] == 1
    near = reasons_from_qa_pixel(qa(cloud=plane(0)))[1, 0]
    assert near & int(Reason.CLOUD_BUFFER)
    bands["SR_B6"] = np.full((4, 4), 8000, np.uint16)
    assert qa()[0, 0] == 21952  # water


def test_clouds_are_landsats_own_and_mostly_masked(cloudy):
    region, scenes = cloudy
    masked = [float((~scene.valid()).mean()) for scene in scenes]
    assert max(masked) > 0.25
    optical = to_cube(region)["s2"]
    both = [
        np.corrcoef(~optical.valid.to_numpy()[scene.index].ravel(), ~on_10m_grid(scene.valid(), (96, 96)).ravel())[0, 1]
        for scene in scenes
        if 0.1 < (~scene.valid()).mean() < 0.9 and 0.1 < (~optical.valid.to_numpy()[scene.index]).mean() < 0.9
    ]
    assert len(both) >= 2
    assert all(value < 0.9 for value in both)  # another day, other clouds
    worst = scenes[int(np.argmax(masked))]
    blue = worst.reflectance()[1]
    assert np.nanmedian(blue[~worst.valid()]) > 2 * np.nanmedian(
        np.concatenate([s.reflectance()[1][s.valid()] for s in scenes])
    )


def test_planes_go_back_to_the_grid_of_10_m():
    plane = np.arange(6).reshape(2, 3)
    fine = on_10m_grid(plane, (5, 8))
    assert fine.shape == (5, 8)
    assert fine[0, :8].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert fine[:, 0].tolist() == [0, 0, 0, 3, 3]
