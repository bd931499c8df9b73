"""The dense feed-forward network that every token passes: the shared expert.

Legend: T tokens, D channels, F hidden channels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """Linear, GELU, linear, with biases."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, tokens_TD: Tensor) -> Tensor:
        """Transformed tokens, same shape."""
        reduced: Tensor = self.reduce(functional.gelu(self.expand(tokens_TD)))
        return reduced
