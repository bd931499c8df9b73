"""A scene set as a JSON file: what a run found, kept so that a later stage never searches again."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from catalogs import SceneSet
from flows.run_report import write_atomically


def write_scenes(path: Path, scene_set: SceneSet) -> None:
    """Writes a scene set; NaN (a legal nodata value) is written as JSON's common extension NaN."""
    write_atomically(path, json.dumps(asdict(scene_set), default=_plain))


def read_scenes(path: Path) -> SceneSet:
    """Returns the scene set that `write_scenes` wrote.

    Raises:
        ValueError: The file holds something else.
    """
    try:
        return TypeAdapter(SceneSet).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path} must hold a scene set as a search writes it, got: {error}; search again") from error


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a scene set holds plain values and times, got {type(value).__name__}")
