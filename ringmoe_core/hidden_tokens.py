"""HiddenTokens: which patches of a batch a learned token stands for.

Legend: B places, T dates, h, w patch grid, D token channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenTokens:
    """What masked pre-training puts in place of patches; their pixels must be invalid in the series as well."""

    token_D: Tensor
    """The learned token, one for all modalities."""

    cells: Mapping[str, Tensor]
    """For each modality of the batch, bool (B, T, h, w) on the grid of the first stage, True where the token stands.
    Such tokens count as live: others attend to them, and routers are measured on them."""
