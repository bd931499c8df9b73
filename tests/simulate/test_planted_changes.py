"""The truth about changes agrees with the pixels."""

import numpy as np
import pytest
from scipy import ndimage

from pipelines.simulate import RegionSpec, simulate_region, to_cube

CLEARING, FLOOD, CONSTRUCTION = 1, 2, 3


@pytest.fixture(scope="module")
def regions(clear_regions):
    more = tuple(simulate_region(RegionSpec(seed=seed, cloud_cover=(0.0, 0.0))) for seed in (61, 62))
    return clear_regions + more


@pytest.fixture(scope="module")
def cubes(regions):
    """Cube form by seed."""
    return {region.spec.seed: to_cube(region) for region in regions}


def test_events_have_the_promised_number_size_and_dates(regions):
    for region in regions:
        assert 3 <= len(region.events) <= 10
        for event in region.events:
            assert 30 <= event.place.sum() <= 830
            assert 1 <= event.epoch <= event.last <= 11
            assert event.epoch < 11
            assert (region.change[event.place] == event.code).all()
            assert (region.change_epoch[event.place] == event.epoch).all()
    assert {event.code for region in regions for event in region.events} == {CLEARING, FLOOD, CONSTRUCTION}


def test_unchanged_pixels_carry_no_epoch(regions):
    for region in regions:
        assert ((region.change == 0) == (region.change_epoch == -1)).all()


def test_land_cover_is_that_after_the_change_and_a_flood_keeps_what_it_covers(regions):
    for region in regions:
        assert np.isin(region.land_cover[region.change == CLEARING], (30, 60)).all()
        assert (region.land_cover[region.change == CONSTRUCTION] == 50).all()
        assert np.isin(region.land_cover[region.change == FLOOD], (30, 40, 90)).all()


def level_db(cube, event, band):
    """Mean backscatter of an event's inner pixels by date."""
    place = ndimage.binary_erosion(event.place)
    return 10 * np.log10(np.nanmean(cube["s1"].power.sel(band=band).to_numpy()[:, place], axis=1))


def pairs(regions, code):
    return [(region, event) for region in regions for event in region.events if event.code == code]


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_a_clearing_lowers_the_volume_scattering_for_good(regions, cubes):
    """Over all clearings VH and the summer greenness fall; one alone may fall in winter, when leaves are off."""
    drops = []
    for region, event in pairs(regions, CLEARING):
        level = level_db(cubes[region.spec.seed], event, "VH")
        drops.append(np.nanmean(level[: event.epoch]) - np.nanmean(level[event.epoch :]))
    assert len(drops) >= 3
    assert np.median(drops) > 1.0


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_a_clearing_lowers_greenness_against_its_surroundings(regions, cubes):
    losses = []
    for region, event in pairs(regions, CLEARING):
        cube = cubes[region.spec.seed]
        red, infrared = (cube["s2"].reflectance.sel(band=band).to_numpy() for band in ("B04", "B08"))
        index = (infrared - red) / (infrared + red)
        woods = (region.land_cover == 10) & (region.change == 0)
        inside = ndimage.binary_erosion(event.place)
        gap = np.nanmean(index[:, woods], axis=1) - np.nanmean(index[:, inside], axis=1)
        losses.append(np.nanmean(gap[event.epoch :]) - np.nanmean(gap[: event.epoch]))
    assert np.median(losses) > 0.03


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_a_flood_lowers_vv_while_it_lasts(regions, cubes):
    for region, event in pairs(regions, FLOOD):
        level = level_db(cubes[region.spec.seed], event, "VV")
        during = level[event.epoch : event.last + 1]
        outside = np.delete(level, slice(event.epoch, event.last + 1))
        assert np.nanmean(during) < np.nanmedian(outside) - 1.5


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_construction_brightens_the_radar(regions, cubes):
    rises = []
    for region, event in pairs(regions, CONSTRUCTION):
        level = level_db(cubes[region.spec.seed], event, "VV")
        rises.append(np.nanmean(level[event.epoch :]) - np.nanmean(level[: event.epoch]))
    assert len(rises) >= 3
    assert np.median(rises) > 2.5
    assert np.mean(np.array(rises) > 0.5) > 0.85


def test_fields_change_without_being_change(regions, cubes):
    """Harvest and ploughing: unchanged cropland loses half its greenness within the year."""
    region = regions[0]
    cube = cubes[region.spec.seed]
    red, infrared = (cube["s2"].reflectance.sel(band=band).to_numpy() for band in ("B04", "B08"))
    index = (infrared - red) / (infrared + red)
    crops = (region.land_cover == 40) & (region.change == 0)
    swing = np.nanmax(index[:, crops], axis=0) - np.nanmin(index[:, crops], axis=0)
    assert np.median(swing) > 0.3


def test_no_changes_when_none_are_asked_for():
    region = simulate_region(RegionSpec(seed=1, size=64, num_dates=2, num_changes=(0, 0)))
    assert not region.change.any()
    assert region.events == ()
