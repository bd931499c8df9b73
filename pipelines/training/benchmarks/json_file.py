"""JSON files of a set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.folder import read_text

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        SampleError: It is missing, not UTF-8 or not JSON, or nested more deeply than any set's.
    """
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise SampleError(path, f"must be JSON ({error})", "get the file again") from error
