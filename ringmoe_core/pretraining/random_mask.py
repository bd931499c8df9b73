"""Which parts of an image are hidden.

Legend: N images, H, W pixels, U units of an image.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

PAPER_UNIT = 32
"""Pixels along a unit at 192 px and above (RingMoE's authors' configuration, after SimMIM, arXiv 2111.09886)."""

PAPER_SIDE = 192
MIDDLE_SIDE = 96
MIDDLE_UNIT = 16
SMALL_UNIT = 8


def unit_for(size: tuple[int, int]) -> int:
    """Side in pixels of the units of an image: 32 from 192 px on, 16 from 96 px, 8 below.

    On 64 px the paper's 32 px would leave a grid of 2 x 2, of which three are hidden.
    """
    side = min(size)
    if side >= PAPER_SIDE:
        return PAPER_UNIT
    return MIDDLE_UNIT if side >= MIDDLE_SIDE else SMALL_UNIT


def draw_masks(num_images: int, size: tuple[int, int], *, ratio: float, unit: int, seed: tuple[int, ...]) -> Tensor:
    """Hidden pixels, bool (N, H, W): of each image's U units ceil(ratio U), drawn for each image on its own.

    The grid of units starts at the upper left; where the size is no multiple, those at the right and the bottom are
    cut. 192 px, units of 32 px and ratio 0.6 hide 22 of 36.

    Args:
        num_images: N.
        size: H and W.
        ratio: share of the units, between 0 and 1.
        unit: side of a unit in pixels.
        seed: integers of at least 0; equal ones draw equal masks on every device.
    """
    rows, columns = (math.ceil(side / unit) for side in size)
    num_hidden = math.ceil(ratio * rows * columns - 1e-9)  # 0.55 x 100 is a hair above 55
    order_NU = np.random.default_rng(seed).random((num_images, rows * columns)).argsort(axis=1)
    hidden_NU = np.zeros((num_images, rows * columns), dtype=bool)
    np.put_along_axis(hidden_NU, order_NU[:, :num_hidden], values=True, axis=1)
    grid_Nhw = torch.from_numpy(hidden_NU).reshape(num_images, rows, columns)
    pixels_NHW = grid_Nhw.repeat_interleave(unit, dim=1).repeat_interleave(unit, dim=2)
    return pixels_NHW[:, : size[0], : size[1]]
