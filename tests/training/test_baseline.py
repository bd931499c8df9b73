from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipelines.training import LabelledCube, fit_forest
from pipelines.training.baseline import MISSING, change_features, land_cover_features, series

BANDS = ["B02", "B04", "B08"]


def labelled(seed: int, *, size: int = 24, num_dates: int = 5) -> LabelledCube:
    """Water is dark; at date 3 a block of trees turns into bare soil."""
    random = np.random.default_rng(seed)
    land_cover = (
        np.where(np.arange(size)[None, :] < size // 2, 80, 10).repeat(size, 0).reshape(size, size).astype(np.uint8)
    )
    change = np.zeros((size, size), np.uint8)
    change[2:8, size // 2 + 2 : size - 2] = 1
    epoch = np.where(change > 0, 3, -1).astype(np.int16)
    base = np.where(land_cover == 80, 0.03, 0.3)
    dates = np.arange(num_dates)[:, None, None]
    nir = np.where((dates >= 3) & (change > 0), 0.1, base)
    values = np.stack([base * 0.2 * np.ones_like(nir), np.full_like(nir, 0.05), nir], 1)
    values = (values + random.normal(0, 0.005, values.shape)).astype(np.float32)
    power = np.repeat((base * 0.2)[None, None], num_dates, 0).repeat(2, 1).astype(np.float32)
    time = np.array([f"2021-0{i + 1}-01" for i in range(num_dates)], "datetime64[ns]")
    valid = np.ones((num_dates, size, size), bool)
    valid[1, :4] = False

    def group(name, data, bands):
        return xr.Dataset(
            {name: (("time", "band", "y", "x"), data), "valid": (("time", "y", "x"), valid)},
            coords={"time": time, "band": bands},
        )

    cube = {"s2": group("reflectance", values, BANDS), "s1": group("power", power, ["VV", "VH"])}
    return LabelledCube(cube=cube, land_cover=land_cover, change=change, change_epoch=epoch)


def test_the_forest_finds_what_is_plain():
    forest = fit_forest([labelled(0), labelled(1)], pixels_per_cube=300)
    test = labelled(2)
    calm = test.change == 0
    assert (forest.predict_land_cover(test.cube) == test.land_cover)[calm].mean() > 0.98
    probability = forest.predict_change(test.cube)
    assert probability[test.change > 0].mean() > 0.8
    assert probability[calm].mean() < 0.2


def test_quantiles_agree_with_numpy_over_valid_dates():
    cube = labelled(3).cube
    features, shape = land_cover_features(cube)
    red = cube["s2"]["reflectance"].where(cube["s2"]["valid"]).sel(band="B04").to_numpy()
    median = np.nanquantile(red, 0.5, axis=0, method="nearest").reshape(-1)
    num_planes = len(BANDS) + 1
    assert shape == (24, 24)
    found = features[:, num_planes + BANDS.index("B04")]
    full = np.isfinite(red).all(0).reshape(-1)
    assert found[full] == pytest.approx(median[full])


def test_a_pixel_never_seen_is_missing_not_zero():
    made = labelled(4)
    made.cube["s2"]["valid"][:, 0, 0] = False
    features, _ = land_cover_features(made.cube)
    assert (features[0, : 3 * (len(BANDS) + 1)] == MISSING).all()


def test_change_features_are_means_and_their_difference():
    stacks = series(labelled(5).cube)
    features = change_features(stacks, 2)
    s2 = stacks[0]
    before, after = np.nanmean(s2[1:3], 0), np.nanmean(s2[3:5], 0)
    expected = np.concatenate([before, after, after - before]).reshape(9, -1).T
    assert features[:, :9] == pytest.approx(expected, abs=1e-6)


def test_power_is_averaged_before_it_is_told_in_decibels():
    made = labelled(6)
    power = made.cube["s1"]["power"]
    power[:] = np.random.default_rng(6).gamma(1.0, 0.1, power.shape)  # one look: dB of the mean is 2.5 dB above
    stacks = series(made.cube)
    seen = np.where(made.cube["s1"]["valid"].to_numpy()[:, None], power.to_numpy(), np.nan)
    expected = 10 * np.log10(np.nanmean(seen, axis=0)).reshape(2, -1).T
    features, _ = land_cover_features(made.cube)
    assert features[:, -4:-2] == pytest.approx(expected, abs=1e-4)
    after = 10 * np.log10(np.nanmean(seen[3:5], axis=0)).reshape(2, -1).T
    assert change_features(stacks, 2)[:, 11:13] == pytest.approx(after, abs=1e-4)
