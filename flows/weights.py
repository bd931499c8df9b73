"""Which file of weights a region names."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from flows.errors import ConfigError

SHIPPED: Final = ("nano", "nano-dense")
"""Checkpoints that come with the package, by name: a mixture of experts, and its dense student."""

DEMONSTRATED: Final = "nano-dense"
"""What the demonstration maps with: as accurate as its teacher on unseen simulated regions, at 38 % of its size."""


def weights_path(weights: str) -> Path:
    """Returns the path of a checkpoint, given by the name of a shipped one or by its own path.

    Raises:
        ConfigError: There is no such file.
    """
    shipped = Path(str(resources.files("ringmoe_core") / "weights" / f"{weights}.safetensors"))
    path = shipped if weights in SHIPPED else Path(weights)
    if not path.exists():  # a file, or a folder of shards
        raise ConfigError(
            f"inference.weights: must be one of {list(SHIPPED)} or the path of a checkpoint, got {weights!r} ({path})"
        )
    return path
