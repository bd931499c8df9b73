"""A class, or several, for a whole image.

Legend: N images, D channels of a level, C joined channels, L cells, K classes, h, w cells of a level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.attentive_pool import AttentivePool

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClassificationHead(nn.Module):
    """One linear layer on the pooled levels.

    `mean` is the linear probe: means of each level, normalised, joined. `attentive` learns which cells of the coarsest
    level to look at (a learned query, as in Set Transformer's pooling, arXiv 1810.00825, section 3.2), besides the
    means. Several labels an image are the same logits, each judged by a sigmoid of its own.
    """

    reads: ClassVar[Literal["pyramid"]] = "pyramid"

    def __init__(self, dims: Sequence[int], num_classes: int, *, pool: str = "mean", multi_label: bool = False) -> None:
        """Builds the head.

        Args:
            dims: channels of each level, finest first.
            num_classes: logits an image.
            pool: `mean` or `attentive`.
            multi_label: whether several classes may hold at once; fixes what `probabilities` gives.

        Raises:
            ValueError: another pool.
        """
        super().__init__()
        if pool not in {"mean", "attentive"}:
            raise ValueError(f"pool must be mean or attentive, got {pool!r}; choose one of them")
        self.multi_label = multi_label
        width = sum(dims)
        self.norm = nn.LayerNorm(width)
        self.attention = AttentivePool(dims[-1]) if pool == "attentive" else None
        self.classify = nn.Linear(width + (dims[-1] if pool == "attentive" else 0), num_classes)

    def forward(
        self, levels: Sequence[Tensor], size: tuple[int, int] | None = None, fine_NFHW: Tensor | None = None
    ) -> Tensor:
        """Logits (N, K); neither `size` nor `fine_NFHW` matters, every head takes them."""
        del size, fine_NFHW
        logits_NK: Tensor = self.classify(self.pool(levels))
        return logits_NK

    def pool(self, levels: Sequence[Tensor]) -> Tensor:
        """What the linear layer sees, (N, C): also the vector for few-shot protocols."""
        means_NC: Tensor = self.norm(torch.cat([level.mean((-2, -1)) for level in levels], dim=1))
        if self.attention is None:
            return means_NC
        return torch.cat([means_NC, self.attention(levels[-1].flatten(2).transpose(1, 2))], dim=1)

    def probabilities(self, logits_NK: Tensor) -> Tensor:
        """(N, K): of each class by itself with several labels, otherwise summing to 1."""
        return logits_NK.sigmoid() if self.multi_label else functional.softmax(logits_NK.float(), dim=1)
