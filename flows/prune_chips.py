"""Simulated chips on which weights are calibrated, and others on which two models are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipelines.training.chips import Batch
    from pipelines.training.objective import Answers
    from ringmoe_core import Features, RingMoE, RingMoEConfig, Series

CALIBRATION_SEED: Final = 60_000
HELD_OUT_SEED: Final = 65_000
"""First seeds of both sets of regions: no training, validation, test or routing page draws from them."""

SIDE_PX: Final = 128
NUM_DATES: Final = 8
CHIPS_A_BATCH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSet:
    """How much is simulated."""

    regions: int
    """Regions of 128 x 128 pixels and 8 dates of either sensor."""

    batches: int
    """Batches of 8 chips of 64 x 64 pixels and 6 dates, drawn with training's augmentations."""

    seed: int
    """Of the first region; the draw of the chips has it too."""


CALIBRATION: Final = ChipSet(regions=4, batches=8, seed=CALIBRATION_SEED)
HELD_OUT: Final = ChipSet(regions=2, batches=3, seed=HELD_OUT_SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How near one model's answers are to another's, on pixels with an observation."""

    land_cover: float | None
    """Share of pixels of equal class, 0 to 1; None for models without maps."""

    change: float | None
    """The same for the kind of change between two groups of dates; None for models without maps."""

    features_error: float
    """Root mean square difference over the root mean square, over all levels of the pyramid, 0 for equal features."""

    chips: int
    """Chips compared."""


def fed_modalities(config: RingMoEConfig, trained: Sequence[str]) -> tuple[str, ...]:
    """Returns the modalities that were trained, that simulated regions have, and that take their bands."""
    from pipelines.inference.channels import MODALITY_BANDS

    channels = dict(zip(config.modalities, config.channels, strict=True))
    simulated = {str(name): len(bands) for name, bands in MODALITY_BANDS.items()}
    return tuple(name for name in config.modalities if name in trained and simulated.get(name) == channels[name])


def draw_chips(chips: ChipSet, names: Sequence[str]) -> Iterator[Batch]:
    """Yields batches of simulated chips of some modalities; equal sets give equal chips."""
    from flows.train import labelled_scene
    from pipelines.simulate import RegionSpec
    from pipelines.training.chips import ChipConfig, ChipSampler

    specs = [RegionSpec(seed=chips.seed + index, size=SIDE_PX, num_dates=NUM_DATES) for index in range(chips.regions)]
    scenes = [labelled_scene(spec) for spec in specs]
    sampler = ChipSampler(scenes, ChipConfig(batch=CHIPS_A_BATCH), seed=chips.seed)
    for _ in range(chips.batches):
        batch = sampler.draw()
        num_dates = batch.series["ms"].num_dates
        series = {name: _optical(batch.series["ms"]) if name == "optical" else batch.series[name] for name in names}
        # the modalities of a chip share their dates, so the groups of one are the groups of all
        groups = batch.membership_BGT[:, :, :num_dates].repeat(1, 1, len(names))
        yield replace(batch, series=series, membership_BGT=groups)


def agree(student: RingMoE, teacher: RingMoE, batches: Iterable[Batch]) -> Agreement:
    """Returns how near the student's answers are to the teacher's; both in evaluation mode."""
    import torch

    from pipelines.training.objective import answers

    counts, num_chips = _Counts(), 0
    with torch.inference_mode():
        for batch in batches:
            num_chips += batch.membership_BGT.shape[0]
            if teacher.config.maps:
                mine, theirs = (answers(model, batch) for model in (student, teacher))
                counts.add_classes(mine, theirs)
                counts.add_features(mine.features, theirs.features)
            else:
                counts.add_features(student.encode(batch.series), teacher.encode(batch.series))
    return Agreement(
        land_cover=counts.share("land_cover"),
        change=counts.share("change"),
        features_error=round((counts.error / counts.size) ** 0.5, 4),
        chips=num_chips,
    )


class _Counts:
    """Sums over batches."""

    def __init__(self) -> None:
        self.error = self.size = 0.0
        self._equal: dict[str, int] = {}
        self._pixels: dict[str, int] = {}

    def share(self, task: str) -> float | None:
        """Part of the pixels that are equal; None where there were none."""
        return round(self._equal[task] / self._pixels[task], 4) if self._pixels.get(task) else None

    def add_classes(self, mine: Answers, theirs: Answers) -> None:
        """Counts pixels whose class is the same."""
        observed = theirs.observed_BGHW
        for task, ours, others, seen in (
            ("land_cover", mine.land_cover_BKHW, theirs.land_cover_BKHW, observed[:, 0]),
            ("change", mine.change_BKHW, theirs.change_BKHW, observed[:, 1] & observed[:, 2]),
        ):
            equal = (ours.argmax(1) == others.argmax(1)) & seen
            self._equal[task] = self._equal.get(task, 0) + int(equal.sum())
            self._pixels[task] = self._pixels.get(task, 0) + int(seen.sum())

    def add_features(self, mine: Features, theirs: Features) -> None:
        """Adds squared differences of every level, cells weighted by their valid share."""
        for one, other, weight in zip(mine.levels, theirs.levels, theirs.weights, strict=True):
            self.error += float(((one - other).square().mean(2) * weight).mean())
            self.size += float((other.square().mean(2) * weight).mean())


def _optical(ms: Series) -> Series:
    """Red, green and blue of multispectral images; both are normalised by the same constants."""
    from pipelines.inference.channels import MS_BANDS, OPTICAL_BANDS

    channels = [MS_BANDS.index(band) for band in OPTICAL_BANDS]
    return replace(ms, pixels_BTCHW=ms.pixels_BTCHW[:, :, channels], present_BTC=ms.present_BTC[:, :, channels])
