"""How well the simulated region was mapped: the model and a per-pixel random forest against the same truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr

from flows.train import THRESHOLDS, TRAIN_SEED, VALIDATION_SEED
from pipelines.legend import CHANGE_CODES, CHANGE_NODATA, LAND_COVER_CODES, LAND_COVER_NODATA
from pipelines.product import Score, block_confusions, f1, overall_accuracy
from pipelines.simulate import RegionSpec, SimulatedRegion, simulate_region, to_cube
from pipelines.training import Forest, LabelledCube, fit_forest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from flows.run_report import RunReport

    Codes = npt.NDArray[np.uint8]

TRAINING_SEEDS: Final = tuple(range(TRAIN_SEED, TRAIN_SEED + 6))
VALIDATION_SEEDS: Final = (VALIDATION_SEED,)
"""Of the simulated regions that the forest is fitted on, and that its change threshold is chosen on: the first of
those that the model's own training draws from."""

BLOCK_PX: Final = 32
"""Side of the blocks that are drawn for the interval: 320 m, wider than most fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Both figures of one method."""

    land_cover: Score
    """Overall accuracy."""

    change: Score
    """F1 of any change."""


def model_accuracy(report: RunReport, truth: SimulatedRegion) -> Accuracy:
    """Returns the accuracy of a run's published products."""
    maps = {row.name: open_product(str(row.zarr))["class"].to_numpy() for row in report.products if row.zarr}
    return score(truth, land_cover=maps["land-cover"], change=maps["change"])


def forest_accuracy(
    forest: Forest, threshold: float, cube: Mapping[str, xr.Dataset], truth: SimulatedRegion
) -> Accuracy:
    """Returns the accuracy of the forest on the cube that the model was given."""
    held = dict(cube)
    changed = forest.predict_change(held) >= threshold
    return score(truth, land_cover=forest.predict_land_cover(held), change=_any_change(changed))


def fit_baseline() -> tuple[Forest, float]:
    """Returns the forest fitted on simulated training regions, and the change threshold that suits it best."""
    forest = fit_forest([labelled(seed) for seed in TRAINING_SEEDS])
    validation = [labelled(seed) for seed in VALIDATION_SEEDS]
    probabilities = [(forest.predict_change(region.cube), region.change) for region in validation]
    return forest, max(THRESHOLDS, key=lambda threshold: _f1_at(threshold, probabilities))


def labelled(seed: int) -> LabelledCube:
    """Returns a simulated region as a cube in memory with its truth."""
    region = simulate_region(RegionSpec(seed=seed))
    cube: dict[str, xr.Dataset] = {str(group): dataset for group, dataset in to_cube(region).items()}
    return LabelledCube(cube=cube, land_cover=region.land_cover, change=region.change, change_epoch=region.change_epoch)


def score(truth: SimulatedRegion, *, land_cover: Codes, change: Codes) -> Accuracy:
    """Returns overall accuracy of land cover and F1 of any change, with intervals by bootstrap over blocks."""
    cover_tables = block_confusions(
        truth.land_cover,
        land_cover,
        LAND_COVER_CODES,
        truth_nodata=LAND_COVER_NODATA.code,
        nodata=LAND_COVER_NODATA.code,
        block_px=BLOCK_PX,
    )
    change_tables = block_confusions(
        truth.change,
        change,
        CHANGE_CODES,
        truth_nodata=CHANGE_NODATA.code,
        nodata=CHANGE_NODATA.code,
        block_px=BLOCK_PX,
    )
    return Accuracy(land_cover=overall_accuracy(cover_tables), change=f1(change_tables))


def open_product(path: str) -> xr.Dataset:
    """Returns a published product, lazy, codes as they are stored."""
    dataset: xr.Dataset = xr.open_zarr(path, consolidated=False, mask_and_scale=False)
    return dataset


def _f1_at(threshold: float, probabilities: Sequence[tuple[npt.NDArray[np.float32], Codes]]) -> float:
    hits = sum(int(((p >= threshold) & (truth > 0)).sum()) for p, truth in probabilities)
    wrong = sum(int(((p >= threshold) != (truth > 0)).sum()) for p, truth in probabilities)
    return 2 * hits / max(1, 2 * hits + wrong)


def _any_change(changed: npt.NDArray[np.bool_]) -> Codes:
    """Codes of a map that tells change from none, not its kind: F1 counts any kind alike."""
    return np.where(changed, np.uint8(CHANGE_CODES[1]), np.uint8(CHANGE_CODES[0])).astype(np.uint8)
