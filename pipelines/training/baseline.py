"""A per-pixel random forest: the simple method that a user would take otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.inference.channels import decibels
from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

QUANTILES: Final = (0.1, 0.5, 0.9)
NUM_TREES: Final = 100
MIN_SAMPLES_LEAF: Final = 5
MISSING: Final = -99.0
"""Stands for missing in the features: no reflectance and no dB value reaches it, so that a tree can split it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCube:
    """A cube in memory with its truth."""

    cube: dict[str, xr.Dataset]
    land_cover: npt.NDArray[np.uint8]
    """(y, x), WorldCover codes."""

    change: npt.NDArray[np.uint8]
    """(y, x), codes of `CHANGE`."""

    change_epoch: npt.NDArray[np.int16]
    """(y, x), -1 where nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Two fitted forests: land cover from the whole series, change from the dates around a split."""

    land_cover: object
    change: object

    def predict_land_cover(self, cube: dict[str, xr.Dataset]) -> npt.NDArray[np.uint8]:
        """Returns WorldCover codes, (y, x)."""
        features, shape = land_cover_features(cube)
        return np.asarray(self.land_cover.predict(features), dtype=np.uint8).reshape(shape)  # type: ignore[attr-defined]

    def predict_change(self, cube: dict[str, xr.Dataset]) -> npt.NDArray[np.float32]:
        """Returns the largest probability of any change over all splits, (y, x)."""
        stacks = series(cube)
        shape = stacks[0].shape[-2:]
        best = np.zeros(shape[0] * shape[1], dtype=np.float32)
        for split in range(stacks[0].shape[0] - 1):
            probability = self.change.predict_proba(change_features(stacks, split))  # type: ignore[attr-defined]
            np.maximum(best, 1 - probability[:, 0], out=best)
        return best.reshape(shape)


def fit_forest(cubes: Sequence[LabelledCube], *, pixels_per_cube: int = 2000, seed: int = 0) -> Forest:
    """Returns forests fitted on pixels drawn at random from the training cubes.

    Args:
        cubes: Training regions.
        pixels_per_cube: Pixels drawn from each, for either task; half of those for change are changed ones where
            there are so many.
        seed: Of the draw and of the forests.
    """
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(seed)
    land_cover = [_land_cover_sample(cube, pixels_per_cube, random) for cube in cubes]
    change = [_change_sample(cube, pixels_per_cube, random) for cube in cubes]
    fitted = []
    for samples in (land_cover, change):
        forest = RandomForestClassifier(
            n_estimators=NUM_TREES, min_samples_leaf=MIN_SAMPLES_LEAF, n_jobs=-1, random_state=seed
        )
        forest.fit(np.concatenate([x for x, _ in samples]), np.concatenate([y for _, y in samples]))
        fitted.append(forest)
    return Forest(land_cover=fitted[0], change=fitted[1])


def land_cover_features(cube: dict[str, xr.Dataset]) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
    """Returns (pixel, feature): quantiles of each band and of NDVI over valid dates, mean and spread of VV and VH.

    Power is averaged as it is and its mean told in dB afterwards: a mean of decibels is biased.
    Missing becomes `MISSING` once the statistics are taken.
    """
    s2, power = series(cube)
    bands = [str(b) for b in cube["s2"]["band"].to_numpy()]
    red, nir = s2[:, bands.index("B04")], s2[:, bands.index("B08")]
    stack = np.concatenate([s2, ((nir - red) / np.maximum(nir + red, np.float32(1e-3)))[:, None]], axis=1)
    planes = [*_quantiles(stack), *_mean_and_spread(power)]
    shape = (s2.shape[-2], s2.shape[-1])
    features = np.stack([plane.reshape(-1) for plane in planes], axis=1)
    return np.nan_to_num(features, nan=MISSING).astype(np.float32), shape


def series(cube: dict[str, xr.Dataset]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns valid reflectance and valid linear power, (time, band, y, x), NaN elsewhere."""
    return _masked(cube["s2"], "reflectance"), _masked(cube["s1"], "power")


def change_features(stacks: tuple[npt.NDArray[np.float32], ...], split: int) -> npt.NDArray[np.float32]:
    """Returns (pixel, feature): means of two dates before and after a split, and their differences.

    Power is averaged as it is and told in dB afterwards: a mean of decibels is biased.

    Args:
        stacks: As `series` gives them, the same number of dates in each.
        split: Last date before it.
    """
    planes = []
    for values, told in zip(stacks, (_as_is, decibels), strict=True):
        before = told(_mean(values[max(0, split - 1) : split + 1]))
        after = told(_mean(values[split + 1 : split + 3]))
        planes.append(np.concatenate([before, after, after - before], axis=0))
    stacked = np.concatenate(planes, axis=0)
    features: npt.NDArray[np.float32] = np.nan_to_num(stacked.reshape(stacked.shape[0], -1).T, nan=MISSING)
    return features


def _land_cover_sample(
    labelled: LabelledCube, count: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    features, _ = land_cover_features(labelled.cube)
    labels = labelled.land_cover.reshape(-1)
    known = np.flatnonzero(np.isin(labels, LAND_COVER_CODES))
    chosen = random.choice(known, min(count, len(known)), replace=False)
    return features[chosen], labels[chosen]


def _change_sample(
    labelled: LabelledCube, count: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    stacks = series(labelled.cube)
    num_splits = stacks[0].shape[0] - 1
    first = labelled.change_epoch.reshape(-1)
    codes = labelled.change.reshape(-1)
    rows, labels = [], []
    for split in range(num_splits):
        features = change_features(stacks, split)
        changed = np.flatnonzero((first == split + 1) & np.isin(codes, CHANGE_CODES) & (codes > 0))
        calm = np.flatnonzero(codes == 0)
        share = count // (2 * num_splits) + 1
        chosen = np.concatenate(
            [random.choice(pool, min(share, len(pool)), replace=False) for pool in (changed, calm) if len(pool)]
        )
        rows.append(features[chosen])
        labels.append(np.where(first[chosen] == split + 1, codes[chosen], 0).astype(np.uint8))
    return np.concatenate(rows), np.concatenate(labels)


def _masked(group: xr.Dataset, name: str) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = group[name].where(group["valid"]).to_numpy()
    return values.astype(np.float32)


def _quantiles(values: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Quantiles over valid dates by sorting, NaN last: nearest rank."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    planes = []
    for quantile in QUANTILES:
        rank = np.clip(np.round(quantile * (count - 1)), 0, None).astype(np.int64)
        planes.extend(np.take_along_axis(ordered, rank[None], axis=0)[0])
    return planes


def _mean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, np.float32(0)).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan)).astype(np.float32)


def _as_is(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return values


def _mean_and_spread(power: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """The mean in dB, and the standard deviation over the mean."""
    mean = _mean(power)
    spread = np.sqrt(_mean((power - mean) ** 2)) / mean
    return [*decibels(mean), *spread]
