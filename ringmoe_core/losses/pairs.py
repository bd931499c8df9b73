"""The scores of all pairs of rows of two sides, and which of them must not count.

Legend: N pairs, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.losses.mean import check_alike, wide

_ROW_AXES = 2


def cosines(first_ND: Tensor, second_ND: Tensor) -> Tensor:
    """Cosine of each row of one side with each of the other, (N, N), float32 or wider."""
    first, second = (functional.normalize(rows.to(wide(rows)), dim=1) for rows in (first_ND, second_ND))
    return first @ second.t()


def check_pairs(first_ND: Tensor, second_ND: Tensor, ignore_NN: Tensor | None) -> Tensor:
    """What to ignore, (N, N) bool, never on the diagonal.

    Raises:
        ValueError: the shapes do not fit, or the mask is not bool.
    """
    check_alike(first=first_ND, second=second_ND)
    if first_ND.dim() != _ROW_AXES:
        raise ValueError(f"contrast takes rows (N, D), got {tuple(first_ND.shape)}; pool the images first")
    num = len(first_ND)
    if ignore_NN is None:
        return torch.zeros(num, num, dtype=torch.bool, device=first_ND.device)
    if ignore_NN.dtype != torch.bool or tuple(ignore_NN.shape) != (num, num):
        raise ValueError(
            f"pairs to ignore must be bool ({num}, {num}), got {ignore_NN.dtype} {tuple(ignore_NN.shape)}; "
            "say for each pair of rows whether it must not count as a negative"
        )
    return ignore_NN & ~torch.eye(num, dtype=torch.bool, device=first_ND.device)
