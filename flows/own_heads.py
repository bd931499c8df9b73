"""What a region asks of its weights: the user's heads, and statistics of novelty, held against them before a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flows.errors import ConfigError
from flows.weights import weights_path

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig
    from pipelines.cube import CubeRef
    from ringmoe_core.heads.head_inputs import HeadInputs

UNKNOWN_CLASSES: Final = 10
"""Of a head whose file cannot be read: a forecast is no place to say so."""


def check_asked_of_weights(config: RegionConfig) -> None:
    """Finds heads that cannot be used, and a limit of novelty that nothing tells, before anything is read.

    Only a region that asks for either has its weights loaded here.

    Raises:
        ConfigError: A head is not there, is damaged, of another kind, of other weights or of other windows; or
            `max_novelty` is given and the weights have no statistics of their training, or damaged ones.
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
        load_own_heads(heads, loaded, window=config.inference.window)
        key = "max_novelty"
        if config.max_novelty is not None:
            load_novelty(statistics, model_sha256=loaded.sha256)
    except (CheckpointError, InferenceError) as error:
        raise ConfigError(f"{key}: {error}") from error


def own_head_notes(config: RegionConfig, cube: CubeRef) -> list[str]:
    """Returns a line for each of the user's heads that learned from bands that a cube does not hold.

    What its report says of its accuracy does not hold there. Bands that a head never learned from end a run instead.

    Args:
        config: The region; its heads have passed `check_asked_of_weights`.
        cube: That is to be mapped.
    """
    learned = {entry.name: _inputs(entry.head) for entry in config.own_products}
    if not any(learned.values()):
        return []
    from pipelines.inference import InferenceOptions
    from pipelines.inference.channels import MODALITY_GROUP
    from pipelines.inference.fed_bands import fed_bands
    from pipelines.inference.prediction import open_groups
    from ringmoe_core.heads.head_inputs import band_words

    groups = open_groups(cube)
    held = fed_bands(groups, [name for name in InferenceOptions().modalities if MODALITY_GROUP[name] in groups])
    return [
        f"own product {name} must be shown what its head learned from, the cube lacks {band_words(lacking)}: the "
        "accuracy that its report tells does not hold here; add those scenes, or fit it again"
        for name, inputs in learned.items()
        if inputs is not None and (lacking := inputs.lacking(held))
    ]


def num_own_classes(path: Path) -> int:
    """Returns how many classes a head's file tells of, by its header alone; `UNKNOWN_CLASSES` where it tells none."""
    try:
        return sum(len(entry["class_names"]) for entry in _stated(path)["configs"].values())
    except (AttributeError, KeyError, TypeError):
        return UNKNOWN_CLASSES


def reads_statistics(path: Path) -> bool:
    """Returns whether a head reads statistics, by its file's header alone; True where that cannot be read."""
    try:
        return any(entry["options"].get("statistics", 0) > 0 for entry in _stated(path)["configs"].values())
    except (AttributeError, KeyError, TypeError):
        return True


def _inputs(path: Path) -> HeadInputs | None:
    """What the one head of a file was shown while it learned, by the file's header alone; None where it is silent."""
    from ringmoe_core.heads.head_inputs import HeadInputs

    try:
        return next((HeadInputs.from_dict(one) for one in _stated(path).get("inputs", {}).values()), None)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _stated(path: Path) -> dict[str, Any]:
    """What a file's header says of its heads; nothing where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            notes = file.metadata() or {}
        return dict(json.loads(notes["ringmoe-heads"])["header"]["metadata"])
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError):
        return {}
