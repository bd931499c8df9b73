"""Chips side by side as the tensors that a model takes.

Legend: B places (rows), G groups, T images a place, C channels, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pipelines.training.chips import near
from pipelines.training.places.physical import physical_values
from ringmoe_core import MODALITIES, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pipelines.training.places.chip import Chip

SERIES_ORDER: Final = MODALITIES
"""Images of a place stand side by side in this order, dates inside."""


def series_of(chips: Sequence[Chip]) -> dict[str, Series]:
    """Returns the images of chips; a modality that a chip lacks gets images without a valid pixel.

    Args:
        chips: Of equal size; of a modality, all that have it have equally many dates of it.
    """
    names = [name for name in SERIES_ORDER if any(name in chip.series for chip in chips)]
    return {name: _series(chips, name) for name in names}


def physical_of(chips: Sequence[Chip], names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Returns what the pixels of chips stand for, (B, T, C, H, W) by modality: NaN where missing."""
    return {name: torch.from_numpy(np.stack([_physical(chip, chips, name) for chip in chips])) for name in names}


def change_groups(chips: Sequence[Chip]) -> torch.Tensor:
    """Returns the groups (B, 3, T) of chips around a split: all dates; the two before it; the two after it."""
    rows = []
    for chip in chips:
        assert chip.split is not None
        epochs = np.array(chip.epochs)
        own = np.stack([epochs >= 0, near(epochs, chip.split - 1), near(epochs, chip.split + 1)])
        own &= epochs >= 0
        rows.append(np.concatenate([own] * len(chip.series), axis=1))
    return torch.from_numpy(np.stack(rows))


def plane_of(chips: Sequence[Chip], name: str, *, missing: float) -> torch.Tensor:
    """Returns a target (B, H, W) of chips, `missing` throughout where a chip has none."""
    rows = [
        np.asarray(chip.targets[name]) if name in chip.targets else np.full((chip.size, chip.size), missing)
        for chip in chips
    ]
    return torch.from_numpy(np.stack(rows))


def _series(chips: Sequence[Chip], name: str) -> Series:
    like = next(chip.series[name] for chip in chips if name in chip.series)
    rows = [chip.series.get(name) for chip in chips]

    def stack(field: str) -> torch.Tensor:
        empty = np.zeros_like(getattr(like, field))
        return torch.from_numpy(np.stack([empty if row is None else getattr(row, field) for row in rows]))

    gsd = torch.tensor([[chip.gsd_m] * like.valid.shape[0] for chip in chips], dtype=torch.float32)
    return Series(
        pixels_BTCHW=stack("pixels"), valid_BTHW=stack("valid"), present_BTC=stack("present"), day_BT=stack("day"),
        age_BT=stack("age"), gsd_m_BT=gsd, check_values=False,
    )  # fmt: skip


def _physical(chip: Chip, chips: Sequence[Chip], name: str) -> npt.NDArray[np.generic]:
    cut = chip.series.get(name)
    if cut is None:
        like = physical_values(next(one.series[name] for one in chips if name in one.series).pixels, name)
        return np.full_like(like, np.nan)
    values = physical_values(cut.pixels, name)
    present: Mapping[bool, npt.NDArray[np.bool_]] = {
        True: cut.present[:, 0::2] & cut.present[:, 1::2],
        False: cut.present,
    }
    shown = cut.valid[:, None] & present[name == "sar_l1"][..., None, None]
    return np.where(shown, values, np.asarray(np.nan, values.dtype))
