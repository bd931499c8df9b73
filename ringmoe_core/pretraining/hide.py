"""What the encoder is shown: series without the hidden pixels, and the patches that a token stands for.

Legend: B places, T dates, H, W pixels, h, w patch grid, D token channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch.nn import functional

from ringmoe_core.pretraining.random_mask import draw_masks, unit_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ringmoe_core.pretraining.config import PretrainConfig
    from ringmoe_core.series import Series


def hidden_pixels(
    series: Mapping[str, Series], config: PretrainConfig, modalities: tuple[str, ...], seed: int
) -> dict[str, Tensor]:
    """Hidden pixels of each modality, bool (B, T, H, W), drawn for each image on its own.

    A modality's masks depend on the seed and its name's place among `modalities`, not on what else the batch holds;
    those of a group of `mask_together` share the masks of its first name.
    """
    leader = {name: group[0] for group in config.mask_together for name in group}
    hidden = {}
    for name, one in series.items():
        key = leader.get(name, name)
        stream = modalities.index(key) if key in modalities else len(modalities)
        masks_NHW = draw_masks(
            one.num_places * one.num_dates,
            one.size,
            ratio=config.mask_ratio,
            unit=config.mask_unit or unit_for(one.size),
            seed=(seed, stream),
        )
        hidden[name] = masks_NHW.reshape(one.valid_BTHW.shape).to(one.valid_BTHW.device)
    return hidden


def without(one: Series, hidden_BTHW: Tensor) -> Series:
    """A series whose hidden pixels are invalid: neither patch embed nor full-resolution features see them."""
    return replace(one, valid_BTHW=one.valid_BTHW & ~hidden_BTHW, check_values=False)


def hidden_cells(one: Series, hidden_BTHW: Tensor, patch: int) -> Tensor:
    """Patches (B, T, h, w) that a token stands for: wholly hidden, and with data that were there to hide."""
    hidden_BThw = _pool(~hidden_BTHW, patch) == 0
    return hidden_BThw & (_pool(one.valid_BTHW, patch) > 0)


def _pool(mask_BTHW: Tensor, patch: int) -> Tensor:
    return functional.max_pool2d(mask_BTHW.float(), patch, ceil_mode=True)
