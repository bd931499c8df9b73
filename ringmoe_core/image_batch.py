"""ImageBatch: the live images of one modality, as its embed takes them.

Legend: N images, C channels, H, W pixels, B places, T dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.band import Band
from ringmoe_core.images import pick_images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.images import ImagePlan
    from ringmoe_core.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBatch:
    """Images of one modality that are worth computing."""

    name: str
    """Of the modality."""

    index: int
    """Of the modality in the configuration."""

    num_kept: int
    """Leading images whose tokens go on; 0 for an empty image that only keeps ranks alike."""

    pixels_NCHW: Tensor
    """Normalised values."""

    valid_NHW: Tensor
    """Bool, True means usable."""

    present_NC: Tensor
    """Bool, whether the image has the band."""

    day_N: Tensor
    """Fraction of the year."""

    gsd_m_N: Tensor
    """Ground sampling distance in metres, NaN where unknown."""

    bands: tuple[Band, ...] | None
    """What the channels are, where the series says so."""

    hidden_Nhw: Tensor | None = None
    """Bool, patches that a learned token stands for; None for none."""


def batch_images(
    series: Mapping[str, Series],
    plan: ImagePlan,
    config: RingMoEConfig,
    *,
    every_modality: bool,
    hidden: Mapping[str, Tensor] | None = None,
) -> list[ImageBatch]:
    """The live images, modality after modality in the configuration's order.

    With `every_modality` a modality without live images gives one empty image, which is kept only where there is no
    live image at all, so that every layer has something to run on. `hidden` is as `HiddenTokens.cells`.
    """
    picks = dict(zip(plan.names, plan.picks, strict=True))
    batches = []
    for index, name in enumerate(config.modalities):
        pick = picks.get(name)
        if pick is not None and pick.shape[0]:
            batches.append(_picked(name, index, series[name], pick, None if hidden is None else hidden[name]))
        elif every_modality:
            batches.append(_empty(name, index, plan, config, keep=not plan.num_live))
    return batches


def _picked(name: str, index: int, one: Series, pick: Tensor, hidden_BThw: Tensor | None) -> ImageBatch:
    gsd_m_BT = torch.full_like(one.day_BT, float("nan")) if one.gsd_m_BT is None else one.gsd_m_BT
    pixels_NCHW, valid_NHW, present_NC, day_N, gsd_m_N = (
        pick_images(part.flatten(0, 1), pick)
        for part in (one.pixels_BTCHW, one.valid_BTHW, one.present_BTC, one.day_BT, gsd_m_BT)
    )
    return ImageBatch(
        name=name,
        index=index,
        num_kept=pick.shape[0],
        pixels_NCHW=pixels_NCHW,
        valid_NHW=valid_NHW,
        present_NC=present_NC,
        day_N=day_N,
        gsd_m_N=gsd_m_N,
        bands=one.bands,
        hidden_Nhw=None if hidden_BThw is None else pick_images(hidden_BThw.flatten(0, 1), pick),
    )


def _empty(name: str, index: int, plan: ImagePlan, config: RingMoEConfig, *, keep: bool) -> ImageBatch:
    device = plan.modality_N.device
    bands = (Band(name="none", wavelength_nm=500.0),) if config.embedding == "spectral" else None  # any band will do
    channels = len(bands) if bands else config.channels[index]
    return ImageBatch(
        name=name,
        index=index,
        num_kept=int(keep),
        pixels_NCHW=torch.zeros(1, channels, *plan.size, device=device),
        valid_NHW=torch.zeros(1, *plan.size, dtype=torch.bool, device=device),
        present_NC=torch.zeros(1, channels, dtype=torch.bool, device=device),
        day_N=torch.zeros(1, device=device),
        gsd_m_N=torch.full((1,), float("nan"), device=device),
        bands=bands,
    )
