"""Windows of samples as the model's series.

Legend: B windows, G groups, T images of a window over all modalities, C channels, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipelines.training.protocols.model_image import ModelImage, model_image
from ringmoe_core.series import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.benchmarks.sample import Sample
    from pipelines.training.protocols.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleImages:
    """A sample's images as the model reads them, all of one size."""

    images: tuple[ModelImage, ...]
    pair: bool
    """The first is of before, the second of after."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.images[0].size

    @property
    def modalities(self) -> tuple[str, ...]:
        """Of each image."""
        return tuple(image.modality for image in self.images)


def sample_images(sample: Sample, trained: tuple[str, ...], *, pair: bool) -> SampleImages:
    """A sample's images as the model reads them.

    Raises:
        ValueError: The model can read none, no pixel is valid, they differ in size, or a pair is not two images.
    """
    images = tuple(found for image in sample.images if (found := model_image(image, trained)) is not None)
    if not images:
        raise ValueError(f"sample {sample.id} must have an image that the model reads, it has none")
    if not any(image.channels.valid.any() for image in images):
        raise ValueError(f"sample {sample.id} must have a valid pixel in an image that the model reads, it has none")
    if len({image.size for image in images}) > 1:
        raise ValueError(f"images of {sample.id} must be of one size, got {[image.size for image in images]}")
    if pair and len(images) != 2:  # noqa: PLR2004 before and after
        raise ValueError(f"sample {sample.id} must be two images, before and after, got {len(images)}")
    return SampleImages(images=images, pair=pair)


def series_of(
    cuts: Sequence[tuple[SampleImages, Window]], order: tuple[str, ...]
) -> tuple[dict[str, Series], Tensor | None]:
    """A batch of windows, all of one size and of the same modalities: series, and the membership of a pair.

    Args:
        cuts: Samples with the window of each.
        order: The model's modalities, in its own order.
    """
    first = cuts[0][0]
    series, after = {}, []
    for modality in order:
        chosen = [index for index, name in enumerate(first.modalities) if name == modality]
        if chosen:
            series[modality] = _series(cuts, chosen)
            after += [index == 1 for index in chosen]
    if not first.pair:
        return series, None
    later_T = torch.tensor(after)
    membership_GT = torch.stack([~later_T, later_T])
    return series, membership_GT.expand(len(cuts), -1, -1)


def _series(cuts: Sequence[tuple[SampleImages, Window]], chosen: list[int]) -> Series:
    def stack(field: str, *, spatial: bool) -> Tensor:
        rows = []
        for sample, window in cuts:
            arrays = [getattr(sample.images[index].channels, field) for index in chosen]
            rows.append(np.stack([array[(..., *window.read)] if spatial else array for array in arrays]))
        return torch.from_numpy(np.stack(rows))

    days = [[sample.images[index].day for index in chosen] for sample, _ in cuts]
    gsd = [[sample.images[index].gsd_m for index in chosen] for sample, _ in cuts]
    return Series(
        pixels_BTCHW=stack("pixels", spatial=True),
        valid_BTHW=stack("valid", spatial=True),
        present_BTC=stack("present", spatial=False),
        day_BT=torch.tensor(days, dtype=torch.float32),
        gsd_m_BT=torch.tensor(gsd, dtype=torch.float32),
    )
