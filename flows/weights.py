"""Which file of weights a region names."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from flows.errors import ConfigError

SHIPPED: Final = ("nano",)
"""Checkpoints that come with the package, by name."""


def weights_path(weights: str) -> Path:
    """Returns the path of a checkpoint, given by the name of a shipped one or by its own path.

    Raises:
        ConfigError: There is no such file.
    """
    shipped = Path(str(resources.files("ringmoe_core") / "weights" / f"{weights}.safetensors"))
    path = shipped if weights in SHIPPED else Path(weights)
    if not path.is_file():
        raise ConfigError(
            f"inference.weights: must be one of {list(SHIPPED)} or the path of a checkpoint, got {weights!r} ({path})"
        )
    return path
