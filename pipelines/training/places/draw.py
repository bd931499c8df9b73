"""How one chip is drawn from a place: where, which dates, with which augmentations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.inference.channels import MS_BANDS, OPTICAL_BANDS
from pipelines.training.chips import BAND_SUBSETS, targets_at
from pipelines.training.places.augment import flip_azimuth, offset_power, scale_reflectance, shift_phase, turn_chip
from pipelines.training.places.chip import Chip, Cut, boxes_in, cut_sensor, nodata_share, without_missing
from pipelines.training.places.place import PLANES

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipelines.training.places.place import Place

Purpose = Literal["pretrain", "tasks"]

DAYS_A_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawConfig:
    """Dates and augmentations; probabilities are per chip unless they say per date."""

    num_dates: int = 6
    """Dates a chip of a series carries for tasks: four around a split, the rest from anywhere."""

    num_pairs: int = 1
    """Dates a chip carries for pretraining, each with all sensors that saw it within `pair_days`."""

    pair_days: float = 3.0
    change_share: float = 0.5
    """Share of chips of series, for tasks, centred on a planted change at its own split."""

    one_modality: float = 0.24
    """Probability that one of two sensors is left out, for tasks."""

    as_rgb: float = 0.25
    """Probability that Sentinel-2 is shown as red, green and blue, for pretraining."""

    band_subset: float = 0.25
    unmasked: float = 0.15
    """Probability that the cloud mask is withheld, for tasks."""

    date_dropout: float = 0.1
    """Per date and sensor, for tasks."""

    reflectance_gain: float = 0.03
    """Standard deviation, relative."""

    power_offset_db: float = 0.5
    """Standard deviation, dB."""


def draw_chip(
    place: Place,
    config: DrawConfig,
    random: np.random.Generator,
    *,
    purpose: Purpose,
    size: int,
    lattice: tuple[range, range],
    events: npt.NDArray[np.int64],
) -> Chip:
    """Returns a chip of a place; every number comes from `random`.

    Args:
        place: Where.
        config: Dates and augmentations.
        random: Of this chip alone.
        purpose: What for.
        size: Pixels a side.
        lattice: First rows and columns to choose from.
        events: Rows and columns (n, 2) of pixels that change, for chips of series.
    """
    rows, columns = lattice
    corner = int(rows[int(random.integers(len(rows)))]), int(columns[int(random.integers(len(columns)))])
    if place.kind == "series" and purpose == "tasks":
        chip = _around_split(place, config, random, size=size, corner=corner, lattice=lattice, events=events)
    elif purpose == "pretrain":
        chip = _paired_dates(place, config, random, size=size, corner=corner)
    else:
        chip = _one_date(place, random, size=size, corner=corner)
    chip = replace(chip, series={name: _measured(cut, name, config, random) for name, cut in chip.series.items()})
    chip = _mirrored(chip, random)
    return replace(chip, series={name: without_missing(cut) for name, cut in chip.series.items()})


def _around_split(
    place: Place,
    config: DrawConfig,
    random: np.random.Generator,
    *,
    size: int,
    corner: tuple[int, int],
    lattice: tuple[range, range],
    events: npt.NDArray[np.int64],
) -> Chip:
    """Dates before and after a split, with the truth of that split; both sensors have the same number of dates."""
    total = min(one.pixels.shape[0] for one in place.series.values())
    split = int(random.integers(max(1, total - 1)))
    if len(events) and random.random() < config.change_share:
        y, x = (int(value) for value in events[int(random.integers(len(events)))])
        corner = _holding(lattice[0], y, size, random), _holding(lattice[1], x, size, random)
        split = int(place.targets["change_epoch"][y, x]) - 1
    epochs = _epochs(split, total, config.num_dates, random)
    padded = np.concatenate([np.full(config.num_dates - len(epochs), -1), epochs]).astype(np.int64)
    series = {
        name: cut_sensor(one, padded, corner, size, masked=random.random() >= config.unmasked)
        for name, one in place.series.items()
    }
    real = slice(len(padded) - len(epochs), None)
    nodata = nodata_share(replace(cut, valid=cut.valid[real], present=cut.present[real]) for cut in series.values())
    newest = min(float(cut.age[-1]) for cut in series.values())
    series = {
        name: replace(
            cut,
            age=np.maximum(cut.age - np.float32(newest), 0),
            valid=cut.valid & (random.random(len(padded)) >= config.date_dropout)[:, None, None],
        )
        for name, cut in series.items()
    }
    if len(series) > 1 and random.random() < config.one_modality:
        lost = sorted(series)[int(random.integers(len(series)))]
        series[lost] = replace(series[lost], valid=np.zeros_like(series[lost].valid))
    targets = _targets(place, corner, size)
    if "change" in targets:
        land_cover, change, first = (np.asarray(targets[name]) for name in ("land_cover", "change", "change_epoch"))
        targets["land_cover"], targets["change"] = targets_at(land_cover, change, first, epochs, split)
    return Chip(
        place=place.id, row=corner[0], col=corner[1], size=size, series=series, targets=targets, gsd_m=place.gsd_m,
        nodata=nodata, split=split, epochs=tuple(int(epoch) for epoch in padded),
    )  # fmt: skip


def _holding(firsts: range, at: int, size: int, random: np.random.Generator) -> int:
    """A first row (or column) of the lattice from which a chip holds the row `at`; the nearest where none does."""
    fitting = [first for first in firsts if first <= at < first + size]
    if fitting:
        return fitting[int(random.integers(len(fitting)))]
    return min(firsts, key=lambda first: abs(first + size // 2 - at))


def _epochs(split: int, total: int, wanted: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    around = [epoch for epoch in range(split - 1, split + 3) if 0 <= epoch < total][:wanted]
    others = np.setdiff1d(np.arange(total), around)
    extra = min(wanted - len(around), len(others))
    return np.sort(np.concatenate([around, random.choice(others, extra, replace=False)])).astype(np.int64)


def _paired_dates(
    place: Place, config: DrawConfig, random: np.random.Generator, *, size: int, corner: tuple[int, int]
) -> Chip:
    """Dates of one sensor, and of the others the image nearest in time, where it is near enough."""
    names = sorted(place.series)
    anchor = place.series[names[int(random.integers(len(names)))]]
    total = anchor.pixels.shape[0]
    dates = np.sort(random.choice(total, min(config.num_pairs, total), replace=False))
    dates = np.concatenate([np.full(config.num_pairs - len(dates), -1), dates]).astype(np.int64)
    series: dict[str, Cut] = {}
    for name in names:
        one = place.series[name]
        apart = np.abs(one.age[None, :] - anchor.age[dates][:, None]) * DAYS_A_YEAR
        nearest = apart.argmin(1)
        near_enough = (apart.min(1) <= config.pair_days) & (dates >= 0)
        epochs = np.where(near_enough, nearest, -1).astype(np.int64)
        series[name] = cut_sensor(one, dates if one is anchor else epochs, corner, size)
    if "ms" in series and random.random() < config.as_rgb:
        series["optical"] = as_rgb(series.pop("ms"))
    return Chip(
        place=place.id, row=corner[0], col=corner[1], size=size, series=series, targets={}, gsd_m=place.gsd_m,
        nodata=nodata_share(series.values()), epochs=tuple(int(epoch) for epoch in dates),
    )  # fmt: skip


def _one_date(place: Place, random: np.random.Generator, *, size: int, corner: tuple[int, int]) -> Chip:
    """One image with the truth of its own moment."""
    name, one = next(iter(place.series.items()))
    epoch = int(random.integers(one.pixels.shape[0]))
    targets = _targets(place, corner, size)
    if "boxes" in place.targets:
        chosen = {"boxes": np.asarray(place.targets["boxes"])}
        if "box_frame" in place.targets:
            chosen["boxes"] = chosen["boxes"][np.asarray(place.targets["box_frame"]) == epoch]
        targets["boxes"] = boxes_in(chosen, corner, size)
    cut = cut_sensor(one, np.array([epoch]), corner, size)
    return Chip(
        place=place.id, row=corner[0], col=corner[1], size=size, targets=targets, gsd_m=place.gsd_m,
        series={name: cut}, nodata=nodata_share([cut]), epochs=(epoch,),
    )  # fmt: skip


def _targets(place: Place, corner: tuple[int, int], size: int) -> dict[str, npt.NDArray[np.generic]]:
    row, col = corner
    window = (slice(row, row + size), slice(col, col + size))
    found = {name: values[window].copy() for name, values in place.targets.items() if name in PLANES}
    if "scene_class" in place.targets:
        found["scene_class"] = place.targets["scene_class"].copy()
    return found


def _measured(cut: Cut, name: str, config: DrawConfig, random: np.random.Generator) -> Cut:
    """Residual errors of calibration, bands that are absent, the phase that nobody knows."""
    if name == "sar_l1":
        return shift_phase(cut, random.uniform(-math.pi, math.pi))
    if name == "sar_l2":
        return offset_power(cut, config.power_offset_db * random.standard_normal())
    cut = scale_reflectance(cut, config.reflectance_gain * random.standard_normal(), name)
    if name == "ms" and random.random() < config.band_subset:
        kept = np.zeros(cut.present.shape[1], bool)
        kept[list(BAND_SUBSETS[int(random.integers(len(BAND_SUBSETS)))])] = True
        cut = replace(cut, present=cut.present & kept)
    return cut


def _mirrored(chip: Chip, random: np.random.Generator) -> Chip:
    turns, mirror = int(random.integers(4)), bool(random.integers(2))
    if "sar_l1" in chip.series:
        return flip_azimuth(chip) if mirror else chip
    return turn_chip(chip, turns=turns, mirror=mirror)


def as_rgb(cut: Cut) -> Cut:
    """Returns red, green and blue of multispectral images; both are normalised by the same constants."""
    channels = [MS_BANDS.index(band) for band in OPTICAL_BANDS]
    return replace(cut, pixels=cut.pixels[:, channels], present=cut.present[:, channels])
