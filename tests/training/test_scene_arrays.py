from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from labelled_scene import scene

from pipelines.legend import LAND_COVER_CODES
from pipelines.schema import Reason
from pipelines.training.scene_arrays import IGNORE, SceneArrays, scene_arrays


def group(name: str, bands: list[str], *, cloudy: bool = False, num_dates: int = 3) -> xr.Dataset:
    random = np.random.default_rng(0)
    shape = (num_dates, len(bands), 8, 8)
    reason = np.zeros((num_dates, 8, 8), np.uint16)
    reason[0, 0, 0] = int(Reason.NODATA)
    if cloudy:
        reason[1] = int(Reason.CLOUD)
    values = random.uniform(0.05, 0.4, shape).astype(np.float32)
    values[0, :, 0, 0] = np.nan
    time = np.array(["2021-01-01", "2021-07-02", "2022-01-01"][:num_dates], "datetime64[ns]")
    return xr.Dataset(
        {
            name: (("time", "band", "y", "x"), values),
            "valid": (("time", "y", "x"), reason == 0),
            "reason": (("time", "y", "x"), reason),
        },
        coords={"time": time, "band": bands},
    )


def make(**kwargs: object) -> SceneArrays:
    plane = np.full((8, 8), 40, np.uint8)
    plane[0] = [*LAND_COVER_CODES, 95]
    cube = {"s2": group("reflectance", ["B04", "B08"], cloudy=True), "s1": group("power", ["VV", "VH"], **kwargs)}
    return scene_arrays(
        cube, land_cover=plane, change=np.zeros((8, 8), np.uint8), change_epoch=np.full((8, 8), -1, np.int16)
    )


def test_codes_become_indices_and_unknown_ones_are_ignored():
    assert make().land_cover[0].tolist() == [0, 1, 2, 3, 4, 5, 6, IGNORE]


def test_a_cloud_hides_a_pixel_unless_the_mask_is_withheld():
    arrays = make()
    assert not arrays.ms.valid[1].any()
    assert arrays.ms.observed[1].all()
    assert not arrays.ms.observed[0, 0, 0]


def test_bands_that_the_cube_lacks_are_absent():
    assert make().ms.present[0].tolist() == [False, False, True, False, False, False, True, False, False, False]


def test_age_counts_years_back_from_the_newest_date():
    arrays = make()
    assert arrays.ms.age.tolist() == pytest.approx([365 / 365.25, 183 / 365.25, 0])
    assert arrays.ms.day[0] == 0


def test_sensors_with_other_numbers_of_dates_are_refused():
    with pytest.raises(ValueError, match="got 3 and 2"):
        make(num_dates=2)


def test_a_made_up_scene_is_consistent():
    assert scene().num_epochs == 8
    assert scene().shape == (96, 96)
