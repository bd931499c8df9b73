"""Which files of weights, heads and statistics a name stands for."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from flows.errors import ConfigError

NAMES: Final = ("nano", "nano-dense", "tiny", "tiny-dense")
"""Checkpoints that may come with the package: mixtures of experts, each with its dense student."""

MOST_SHIPPED_MB: Final = 60.0
"""Megabytes (10^6 bytes) that all weights, heads and statistics in the package have together, at most."""

DEMONSTRATED: Final = "nano-dense"
"""What the demonstration maps with: not below its teacher on unseen simulated regions, at 38 % of its size."""


def shipped_folder() -> Path:
    """Returns where the package keeps its weights."""
    return Path(str(resources.files("ringmoe_core") / "weights"))


SHIPPED: Final = tuple(name for name in NAMES if (shipped_folder() / f"{name}.safetensors").is_file())
"""Those that this installation has."""


def weights_path(weights: str) -> Path:
    """Returns the path of a checkpoint, given by the name of a shipped one or by its own path.

    Raises:
        ConfigError: There is no such file.
    """
    path = shipped_folder() / f"{weights}.safetensors" if weights in SHIPPED else Path(weights)
    if not path.exists():  # a file, or a folder of shards
        raise ConfigError(
            f"inference.weights: must be one of {list(SHIPPED)} or the path of a checkpoint, got {weights!r} ({path})"
        )
    return path


def heads_path(weights: str) -> Path:
    """Returns the path of the heads that lie beside a checkpoint, which is given as for `weights_path`.

    Raises:
        ConfigError: There is no such checkpoint, or no heads beside it.
    """
    path = weights_path(weights)
    heads = path / "heads.safetensors" if path.is_dir() else path.with_suffix(".heads.safetensors")
    if not heads.is_file():
        raise ConfigError(
            f"heads of {weights}: must lie beside the weights, got no {heads}; train some by `ringmoe train CONFIG`"
        )
    return heads


def shipped_megabytes() -> dict[str, float]:
    """Returns the size of every file of tensors in the package, 10^6 bytes, by its name."""
    return {path.name: path.stat().st_size / 1e6 for path in sorted(shipped_folder().glob("*.safetensors"))}
