"""A uniform sample of a stream of tokens, in bounded memory.

Legend: T tokens, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ringmoe_core.prune.routes import TokenSample


class Reservoir:
    """Keeps the tokens with the smallest random keys, which is a uniform sample without replacement.

    Keys are drawn in the order in which tokens come, so equal streams give equal samples.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self._size = size
        self._generator = torch.Generator().manual_seed(seed)
        self._key_T: Tensor | None = None
        self._kept: TokenSample | None = None

    def add(self, tokens: TokenSample) -> None:
        """Offers tokens of the stream."""
        key_T = torch.rand(tokens.modality_T.shape[0], generator=self._generator, dtype=torch.float64)
        tokens_TD, modality_T = tokens.tokens_TD.detach(), tokens.modality_T
        if self._kept is not None and self._key_T is not None:
            threshold = self._key_T.max() if self._key_T.shape[0] == self._size else torch.inf
            near_T = (key_T < threshold).nonzero()[:, 0]
            key_T = torch.cat([self._key_T, key_T[near_T]])
            tokens_TD = torch.cat([self._kept.tokens_TD, tokens_TD[near_T]])
            modality_T = torch.cat([self._kept.modality_T, modality_T[near_T]])
        kept_T = key_T.argsort(stable=True)[: self._size].sort().values
        self._key_T = key_T[kept_T]
        self._kept = TokenSample(tokens_TD=tokens_TD[kept_T], modality_T=modality_T[kept_T])

    def sample(self) -> TokenSample:
        """The tokens kept, in the order in which they came."""
        assert self._kept is not None, "a sample is asked for after tokens came"
        return self._kept
