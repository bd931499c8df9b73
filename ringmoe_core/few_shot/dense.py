"""From maps of features and masks of classes to labelled vectors.

Legend: N maps, D channels, H, W pixels, K classes, M drawn pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.heads.class_loss import IGNORE


def masked_means(maps_NDHW: Tensor, mask_NHW: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Mean feature of each class's pixels (masked average pooling, PANet, arXiv 1908.06391, equation 1).

    Each map counts alike, however many pixels of the class it holds.

    Args:
        maps_NDHW: of features.
        mask_NHW: class of each pixel, 255 where not known.
        num_classes: K.

    Returns:
        (K, D) means, NaN of a class that no map holds; and (K,) bool, whether one does.

    Raises:
        ValueError: masks of another size or with a class outside.
    """
    _check(maps_NDHW, mask_NHW, num_classes)
    member_NHWK = functional.one_hot(torch.where(mask_NHW == IGNORE, num_classes, mask_NHW).long(), num_classes + 1)
    member_NKP = member_NHWK[..., :num_classes].flatten(1, 2).transpose(1, 2).to(maps_NDHW)
    count_NK = member_NKP.sum(-1)
    means_NKD = member_NKP @ maps_NDHW.flatten(2).transpose(1, 2) / count_NK.clamp(min=1)[..., None]
    holds_NK = count_NK > 0
    num_K = holds_NK.sum(0)
    means_KD = (means_NKD * holds_NK[..., None]).sum(0) / num_K[:, None]
    return means_KD, num_K > 0


def pixel_rows(
    maps_NDHW: Tensor, mask_NHW: Tensor, num_classes: int, *, most_per_class: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Features and classes of pixels drawn at random, at most so many of each class: rows for a linear probe.

    Args:
        maps_NDHW: of features.
        mask_NHW: class of each pixel, 255 where not known.
        num_classes: K.
        most_per_class: M is at most K times this.
        seed: of the draw.

    Returns:
        (M, D) features and (M,) classes, in order of class.

    Raises:
        ValueError: masks of another size or with a class outside.
    """
    _check(maps_NDHW, mask_NHW, num_classes)
    generator = torch.Generator().manual_seed(seed)
    vectors_PD = maps_NDHW.permute(0, 2, 3, 1).flatten(0, 2)
    labels_P = mask_NHW.flatten()
    drawn = []
    for label in range(num_classes):
        rows = (labels_P == label).nonzero().squeeze(1)
        order = torch.randperm(len(rows), generator=generator)[:most_per_class]
        drawn.append(rows[order.to(rows.device)])
    rows_M = torch.cat(drawn)
    return vectors_PD[rows_M], labels_P[rows_M].long()


def _check(maps_NDHW: Tensor, mask_NHW: Tensor, num_classes: int) -> None:
    wanted = (maps_NDHW.shape[0], *maps_NDHW.shape[2:])
    if mask_NHW.shape != wanted:
        raise ValueError(f"masks must be (N, H, W) = {wanted}, got {tuple(mask_NHW.shape)}; cut them alike")
    known = mask_NHW[mask_NHW != IGNORE]
    if known.numel() and (int(known.min()) < 0 or int(known.max()) >= num_classes):
        raise ValueError(
            f"classes must lie in 0 to {num_classes - 1} or be {IGNORE}, got {int(known.min())} to {int(known.max())}"
        )
