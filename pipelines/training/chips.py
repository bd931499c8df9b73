"""Chips drawn from labelled regions: seeded, with augmentations that respect physics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pipelines.inference.channels import CONVENTIONS, MS_BANDS, SAR_BANDS
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.scene_arrays import SceneArrays, SensorArrays

BAND_SUBSETS = (
    (0, 1, 2, 6),
    (0, 1, 2, 3, 4, 5, 6, 8, 9),
    (0, 1, 2, 6, 7, 8, 9),
    (2, 6, 8),
)
"""Band sets that users bring (10 m bands; all but B8A; without red edge; red, NIR and SWIR), as channel positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipConfig:
    """How chips are drawn; probabilities are per chip unless they say per date."""

    size: int = 64
    """Pixels a side, a multiple of 4."""

    batch: int = 16
    num_epochs: int = 6
    """Dates a chip carries: four around a split, the rest from anywhere in the year."""

    change_share: float = 0.5
    """Share of chips centred on a planted change at its own split."""

    one_modality: float = 0.24
    """Probability that one of the two sensors is left out (half of it either)."""

    band_subset: float = 0.25
    unmasked: float = 0.15
    """Probability that the cloud mask is withheld, as in products that carry none."""

    date_dropout: float = 0.1
    """Per date and sensor."""

    reflectance_gain: float = 0.03
    """Standard deviation of a gain per chip, relative: residual radiometric error."""

    power_offset_db: float = 0.5
    """Standard deviation of an offset per chip, dB: calibration and sigma nought against gamma nought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One training step's input and targets."""

    series: dict[str, Series]
    membership_BGT: torch.Tensor
    """Groups: all dates; before the split; after it."""

    land_cover_BHW: torch.Tensor
    change_BHW: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    scene: int
    row: int
    col: int
    split: int
    """Last epoch before the split."""


class ChipSampler:
    """Draws batches without end; the same seed and scenes give the same batches."""

    def __init__(self, scenes: Sequence[SceneArrays], config: ChipConfig, *, seed: int) -> None:
        self._scenes = tuple(scenes)
        self._config = config
        self._random = np.random.default_rng(seed)
        self._events = [np.argwhere(scene.change_epoch > 0) for scene in self._scenes]

    def draw(self) -> Batch:
        """Returns the next batch."""
        chips = [self._chip(self._place()) for _ in range(self._config.batch)]
        return _collate(chips)

    def _place(self) -> _Place:
        random, size = self._random, self._config.size
        index = int(random.integers(len(self._scenes)))
        scene = self._scenes[index]
        height, width = scene.shape
        row, col = int(random.integers(height - size + 1)), int(random.integers(width - size + 1))
        split = int(random.integers(scene.num_epochs - 1))
        events = self._events[index]
        if len(events) and random.random() < self._config.change_share:
            y, x = events[int(random.integers(len(events)))]
            row = int(np.clip(y - random.integers(size), 0, height - size))
            col = int(np.clip(x - random.integers(size), 0, width - size))
            split = int(scene.change_epoch[y, x]) - 1
        return _Place(scene=index, row=row, col=col, split=split)

    def _epochs(self, split: int, total: int) -> npt.NDArray[np.int64]:
        around = [epoch for epoch in range(split - 1, split + 3) if 0 <= epoch < total]
        others = np.setdiff1d(np.arange(total), around)
        extra = min(self._config.num_epochs - len(around), len(others))
        return np.sort(np.concatenate([around, self._random.choice(others, extra, replace=False)])).astype(np.int64)

    def _chip(self, place: _Place) -> _Chip:
        scene, size = self._scenes[place.scene], self._config.size
        window = (slice(place.row, place.row + size), slice(place.col, place.col + size))
        epochs = self._epochs(place.split, scene.num_epochs)
        ms = self._cut(scene.ms, epochs, window, "ms")
        sar = self._cut(scene.sar, epochs, window, "sar_l2")
        newest = min(ms.age[-1], sar.age[-1])
        ms, sar = replace(ms, age=ms.age - newest), replace(sar, age=sar.age - newest)
        self._drop(ms, sar)
        land_cover, change = targets_at(
            scene.land_cover[window], scene.change[window], scene.change_epoch[window], epochs, place.split
        )
        groups = np.stack([np.ones(len(epochs), bool), near(epochs, place.split - 1), near(epochs, place.split + 1)])
        return _turn(_Chip(ms=ms, sar=sar, groups=groups, land_cover=land_cover, change=change), self._random)

    def _cut(
        self, sensor: SensorArrays, epochs: npt.NDArray[np.int64], window: tuple[slice, slice], modality: str
    ) -> _Cut:
        random, config = self._random, self._config
        masks = sensor.observed if random.random() < config.unmasked else sensor.valid
        pixels = sensor.pixels[epochs][:, :, window[0], window[1]].astype(np.float32)
        valid = masks[epochs][:, window[0], window[1]].copy()
        present = sensor.present[epochs].copy()
        valid[random.random(len(epochs)) < config.date_dropout] = False
        if modality == "ms":
            gain = np.float32(config.reflectance_gain * random.standard_normal())
            pixels += gain * (pixels + _mean_over_std(MS_BANDS)[:, None, None])
            if random.random() < config.band_subset:
                kept = np.zeros(present.shape[1], bool)
                kept[list(BAND_SUBSETS[int(random.integers(len(BAND_SUBSETS)))])] = True
                present &= kept
        else:
            offset_db = config.power_offset_db * random.standard_normal()
            pixels += np.float32(offset_db / CONVENTIONS[SAR_BANDS[0]].std)
        pixels *= valid[:, None] & present[..., None, None]
        return _Cut(pixels=pixels, valid=valid, present=present, day=sensor.day[epochs], age=sensor.age[epochs])

    def _drop(self, ms: _Cut, sar: _Cut) -> None:
        draw = self._random.random()
        if draw < self._config.one_modality / 2:
            ms.valid[:] = False
        elif draw < self._config.one_modality:
            sar.valid[:] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    pixels: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    present: npt.NDArray[np.bool_]
    day: npt.NDArray[np.float32]
    age: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chip:
    ms: _Cut
    sar: _Cut
    groups: npt.NDArray[np.bool_]
    land_cover: npt.NDArray[np.uint8]
    change: npt.NDArray[np.uint8]


def _mean_over_std(bands: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Where reflectance 0 lies in normalised units, negated: a gain acts on reflectance, not on its z-score."""
    return np.array([CONVENTIONS[band].mean / CONVENTIONS[band].std for band in bands], dtype=np.float32)


def near(epochs: npt.NDArray[np.int64], first: int) -> npt.NDArray[np.bool_]:
    """Returns which of some dates are `first` or the one after it."""
    return (epochs >= first) & (epochs <= first + 1)


def targets_at(
    land_cover: npt.NDArray[np.uint8],
    change: npt.NDArray[np.uint8],
    first: npt.NDArray[np.int16],
    epochs: npt.NDArray[np.int64],
    split: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Returns the truth of a chip for its dates, from that of its ground (y, x).

    Land cover is unknown where the last state was never seen; change next to its own split counts neither way.

    Args:
        land_cover: Index of the class at the ground's last date.
        change: Index of the change.
        first: First date of the new state, -1 for none.
        epochs: Dates that the chip carries.
        split: Last date before the split.
    """
    land_cover, change = land_cover.copy(), change.copy()
    land_cover[(change != 0) & (change != 2) & (first > epochs[-1])] = IGNORE  # noqa: PLR2004 a flood leaves no trace
    away = np.abs(first - (split + 1))
    change[(change != 0) & (away == 1)] = IGNORE
    change[(change != IGNORE) & (away > 1)] = 0
    return land_cover, change


def _turn(chip: _Chip, random: np.random.Generator) -> _Chip:
    """Quarter turns and mirror images; detected backscatter has no phase that a mirror would break."""
    turns, mirror = int(random.integers(4)), bool(random.integers(2))

    def turned(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        out = np.rot90(array, turns, axes=(-2, -1))
        return np.ascontiguousarray(out[..., ::-1] if mirror else out)

    def cut(part: _Cut) -> _Cut:
        return replace(part, pixels=turned(part.pixels), valid=turned(part.valid))  # type: ignore[arg-type]

    return _Chip(
        ms=cut(chip.ms),
        sar=cut(chip.sar),
        groups=chip.groups,
        land_cover=turned(chip.land_cover),  # type: ignore[arg-type]
        change=turned(chip.change),  # type: ignore[arg-type]
    )


def _collate(chips: list[_Chip]) -> Batch:
    groups = torch.from_numpy(np.stack([np.concatenate([chip.groups, chip.groups], axis=1) for chip in chips]))
    return Batch(
        series={"sar_l2": _series([chip.sar for chip in chips]), "ms": _series([chip.ms for chip in chips])},
        membership_BGT=groups,
        land_cover_BHW=torch.from_numpy(np.stack([chip.land_cover for chip in chips])).long(),
        change_BHW=torch.from_numpy(np.stack([chip.change for chip in chips])).long(),
    )


def _series(cuts: list[_Cut]) -> Series:
    return Series(
        pixels_BTCHW=torch.from_numpy(np.stack([cut.pixels for cut in cuts])),
        valid_BTHW=torch.from_numpy(np.stack([cut.valid for cut in cuts])),
        present_BTC=torch.from_numpy(np.stack([cut.present for cut in cuts])),
        day_BT=torch.from_numpy(np.stack([cut.day for cut in cuts])),
        age_BT=torch.from_numpy(np.stack([cut.age for cut in cuts])),
        check_values=False,
    )
