"""How large an experiment is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Sizes that all arms of a claim share."""

    train_scenes: int
    test_scenes: int
    size: int
    """Pixels a side of a scene."""

    num_dates: int
    steps: int
    """Of the training, or of the pre-training."""

    batch: int
    chip: int
    """Pixels a side of a chip, a multiple of 32."""

    dim: int = 32
    """Of the model's first stage."""
