"""How sure a head says it is, set right by one number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits / T: softmax or sigmoid of them is the calibrated confidence (Guo et al., arXiv 1706.04599, section 4.2).

    The most probable class stays what it is. T above 1 makes the head less sure. It is chosen on held-out scenes and
    stored beside the head; a head that was not calibrated has T = 1. For heights it is the bins' logits that would be
    divided, and their spread is learned by a proper score instead, so T stays 1 there.

    Raises:
        ValueError: a temperature that is not above 0 and finite.
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"a temperature must be above 0 and finite, got {temperature}; fit it again")
    return logits / temperature
