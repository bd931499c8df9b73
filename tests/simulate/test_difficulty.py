"""The land cover is hard for a classifier of single pixels and easy with context."""

import numpy as np
import pytest

from pipelines.simulate import RegionSpec, simulate_region, to_cube
from pipelines.simulate.landscape import make_landscape

TRAINING, UNSEEN = range(200, 208), range(300, 303)


def statistics(region):
    """Median and spread over the dates of every band, (feature, y, x)."""
    cube = to_cube(region)
    optical = np.where(cube["s2"].valid.to_numpy()[:, None], cube["s2"].reflectance.to_numpy(), np.nan)
    ordered = np.sort(optical, axis=0)
    count = np.isfinite(ordered).sum(axis=0, keepdims=True)
    planes = [
        np.nan_to_num(np.take_along_axis(ordered, np.clip(np.rint(share * (count - 1)), 0, None).astype(int), 0)[0])
        for share in (0.1, 0.5, 0.9)
    ]
    decibels = 10 * np.log10(np.maximum(cube["s1"].power.to_numpy(), 1e-4))
    return np.concatenate([*planes, np.nanmean(decibels, axis=0), np.nanstd(decibels, axis=0)])


def over_parcels(features, region):
    """The same, averaged over each true parcel."""
    parcel = make_landscape(region.spec.seed, region.spec.shape).parcel.astype(np.int64) * 100 + region.land_cover
    _, ids = np.unique(parcel, return_inverse=True)
    ids = ids.ravel()
    size = np.bincount(ids)
    return np.stack([(np.bincount(ids, plane.ravel()) / size)[ids].reshape(plane.shape) for plane in features])


@pytest.mark.slow
def test_pixels_are_ambiguous_and_parcels_are_not():
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    rows = {"pixel": ([], [], [], []), "parcel": ([], [], [], [])}
    for seed in (*TRAINING, *UNSEEN):
        region = simulate_region(RegionSpec(seed=seed))
        features = statistics(region)
        drawn = rng.choice(features[0].size, 1500, replace=False)
        for kind, values in (("pixel", features), ("parcel", over_parcels(features, region))):
            place = 0 if seed in TRAINING else 2
            rows[kind][place].append(values.reshape(len(values), -1).T[drawn])
            rows[kind][place + 1].append(region.land_cover.ravel()[drawn])
    accuracy = {}
    for kind, parts in rows.items():
        x, y, unseen_x, unseen_y = (np.concatenate(part) for part in parts)
        forest = RandomForestClassifier(60, min_samples_leaf=2, random_state=0).fit(x, y)
        accuracy[kind] = float((forest.predict(unseen_x) == unseen_y).mean())
    assert 0.65 < accuracy["pixel"] < 0.80
    assert accuracy["parcel"] > 0.85
    assert accuracy["parcel"] > accuracy["pixel"] + 0.12
