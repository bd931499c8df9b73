"""How far logits of classes are from the truth, for images, points and pixels.

Legend: N images, K classes, H, W pixels.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

IGNORE: Final = 255
"""Label of what must not count."""


def classification_loss(logits_NK: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy, nats; 0 without gradient where nothing counts.

    Args:
        logits_NK: of images or points.
        labels: (N,) integer class, `IGNORE` where it must not count; or (N, K) floating point, 1 where a class holds, 0
            where not, NaN where not known: then each class is judged by itself.

    Raises:
        ValueError: another shape, or a label outside the classes.
    """
    if labels.is_floating_point():
        if labels.shape != logits_NK.shape:
            raise ValueError(f"labels must be (N, K) = {tuple(logits_NK.shape)}, got {tuple(labels.shape)}; match them")
        known = ~torch.isnan(labels)
        wanted = labels[known].float()
        if len(wanted) and not bool(((wanted >= 0) & (wanted <= 1)).all()):
            raise ValueError(f"labels of several classes lie in 0 to 1, got {wanted.min()} to {wanted.max()}")
        total = functional.binary_cross_entropy_with_logits(logits_NK[known].float(), wanted, reduction="sum")
        return total / max(1, wanted.numel())
    return segmentation_loss(logits_NK[..., None, None], labels[:, None, None])


def segmentation_loss(logits_NKHW: Tensor, mask_NHW: Tensor, *, class_weights_K: Tensor | None = None) -> Tensor:
    """Mean cross-entropy a pixel, nats; 0 without gradient where every pixel is ignored. Also for maps of change.

    Args:
        logits_NKHW: of each pixel.
        mask_NHW: integer class, `IGNORE` where it must not count.
        class_weights_K: of each class, above or at 0; the mean is weighted with them.

    Raises:
        ValueError: another shape, or a label outside the classes.
    """
    N, K, H, W = logits_NKHW.shape
    if mask_NHW.shape != (N, H, W):
        raise ValueError(f"labels must be (N, H, W) = {(N, H, W)}, got {tuple(mask_NHW.shape)}; cut them alike")
    counted_NHW = mask_NHW != IGNORE
    labels = mask_NHW[counted_NHW].long()
    if len(labels) and not bool(((labels >= 0) & (labels < K)).all()):
        outside = sorted(set(labels[(labels < 0) | (labels >= K)].tolist()))[:5]
        raise ValueError(f"labels must lie in 0 to {K - 1} or be {IGNORE}, got {outside}; map them first")
    logits = logits_NKHW.movedim(1, -1)[counted_NHW].float()
    total = functional.cross_entropy(logits, labels, weight=class_weights_K, reduction="sum")
    weight = float(len(labels)) if class_weights_K is None else class_weights_K[labels].sum().clamp(min=1e-12)
    return total / weight if len(labels) else logits_NKHW.sum() * 0.0
