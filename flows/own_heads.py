"""What a region asks of its weights: the user's heads, and statistics of novelty, held against them before a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from flows.errors import ConfigError
from flows.weights import weights_path

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig

UNKNOWN_CLASSES: Final = 10
"""Of a head whose file cannot be read: a forecast is no place to say so."""


def check_asked_of_weights(config: RegionConfig) -> None:
    """Finds heads that cannot be used, and a limit of novelty that nothing tells, before anything is read.

    Only a region that asks for either has its weights loaded here.

    Raises:
        ConfigError: A head is not there, is damaged, of another kind or of other weights; or `max_novelty` is given
            and the weights have no statistics of their training, or damaged ones.
    """
    heads = {entry.name: entry.head for entry in config.own_products}
    if not heads and config.max_novelty is None:
        return
    from pipelines.inference.errors import InferenceError
    from pipelines.inference.novelty_file import load_novelty, novelty_path
    from pipelines.inference.own import load_own_heads
    from ringmoe_core import load_checkpoint
    from ringmoe_core.errors import CheckpointError

    weights = weights_path(config.inference.weights)
    statistics = novelty_path(weights)
    if config.max_novelty is not None and not statistics.is_file():
        raise ConfigError(
            f"max_novelty: must be left out where weights have no statistics of their training, got "
            f"{config.max_novelty} and no {statistics}; make them by `ringmoe calibrate`"
        )
    key = "inference.weights"
    try:
        loaded = load_checkpoint(weights)
        key = "own"
        load_own_heads(heads, loaded)
        key = "max_novelty"
        if config.max_novelty is not None:
            load_novelty(statistics, model_sha256=loaded.sha256)
    except (CheckpointError, InferenceError) as error:
        raise ConfigError(f"{key}: {error}") from error


def num_own_classes(path: Path) -> int:
    """Returns how many classes a head's file tells of, by its header alone; `UNKNOWN_CLASSES` where it tells none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            notes = file.metadata() or {}
        header = json.loads(notes["ringmoe-heads"])["header"]
        return sum(len(entry["class_names"]) for entry in header["metadata"]["configs"].values())
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError):
        return UNKNOWN_CLASSES
