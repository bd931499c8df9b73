"""Statistics of novelty in one safetensors file beside the weights that they belong to; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipelines.inference.channels import NORMALISATION_ID
from pipelines.inference.errors import InferenceError
from pipelines.inference.novelty import NUM_SEASONS, Novelty, Seen
from ringmoe_core.appearing import appearing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

FORMAT_VERSION: Final = 1
"""Raised when names or meanings change."""

_HEADER_KEY: Final = "ringmoe-novelty"
_ENVELOPE: Final = "envelope."
_PLAIN: Final = ("means_MD", "whitening_DD", "feature_quantiles", "radiometry_quantiles", "larger_quantiles")


def novelty_path(weights: Path) -> Path:
    """Returns where the statistics of weights lie: beside a file, or inside a folder of shards."""
    return weights / "novelty.safetensors" if weights.is_dir() else weights.with_suffix(".novelty.safetensors")


def save_novelty(novelty: Novelty, path: Path) -> str:
    """Writes the statistics, whole or not at all, and returns the SHA-256 over them."""
    tensors = {name: np.ascontiguousarray(getattr(novelty, name), dtype=np.float32) for name in _PLAIN}
    tensors |= {f"{_ENVELOPE}{name}": np.ascontiguousarray(value) for name, value in novelty.envelope.items()}
    seen = novelty.seen
    facts = {
        "format_version": FORMAT_VERSION,
        "normalisation": NORMALISATION_ID,
        "model_sha256": novelty.model_sha256,
        "level": novelty.level,
        "bands": {name: [list(row) for row in rows] for name, rows in sorted(seen.bands.items())},
        "seasons": list(seen.seasons),
        "platforms": list(seen.platforms),
        "gsd_m": seen.gsd_m,
    }
    digest = _digest(facts, tensors)
    with appearing(path) as partial:
        save_file(tensors, partial, metadata={_HEADER_KEY: json.dumps({**facts, "sha256": digest}, sort_keys=True)})
    return digest


def load_novelty(path: Path, *, model_sha256: str) -> tuple[Novelty, str]:
    """Returns the statistics of weights, and the SHA-256 over all of them.

    Args:
        path: File that `save_novelty` wrote.
        model_sha256: Of the weights that are to be judged.

    Raises:
        InferenceError: The file is damaged, of another format, or belongs to other weights.
    """
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})[_HEADER_KEY])
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        stated = str(header.pop("sha256"))
        novelty = _restore(header, tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InferenceError(
            f"statistics of novelty must be a whole file of this program, got {path} ({error!r}); "
            "make them by `ringmoe calibrate`"
        ) from error
    if _digest(header, tensors) != stated:
        raise InferenceError(f"statistics of novelty must be as written, {path} was altered; make them again")
    wanted = (FORMAT_VERSION, NORMALISATION_ID, model_sha256)
    found = (header["format_version"], header["normalisation"], novelty.model_sha256)
    if found != wanted:
        raise InferenceError(
            f"statistics of novelty belong to weights (format, normalisation, SHA-256) {wanted}, got {found} in "
            f"{path}; make them by `ringmoe calibrate`, or remove the file"
        )
    return novelty, stated


def _restore(header: Mapping[str, object], tensors: Mapping[str, npt.NDArray[np.float32]]) -> Novelty:
    bands, seasons, platforms = header["bands"], header["seasons"], header["platforms"]
    if not isinstance(bands, dict) or not isinstance(seasons, list) or not isinstance(platforms, list):
        raise TypeError(f"bands, seasons and platforms, got {bands!r}, {seasons!r}, {platforms!r}")
    if len(seasons) != NUM_SEASONS:
        raise ValueError(f"{NUM_SEASONS} seasons, got {len(seasons)}")
    seen = Seen(
        bands={str(name): tuple(tuple(bool(b) for b in row) for row in rows) for name, rows in bands.items()},
        seasons=tuple(bool(value) for value in seasons),
        platforms=tuple(str(name) for name in platforms),
        gsd_m=float(str(header["gsd_m"])),
    )
    return Novelty(
        model_sha256=str(header["model_sha256"]),
        seen=seen,
        level=int(str(header["level"])),
        envelope={name[len(_ENVELOPE) :]: value for name, value in tensors.items() if name.startswith(_ENVELOPE)},
        **{name: tensors[name] for name in _PLAIN},
    )


def _digest(facts: Mapping[str, object], tensors: Mapping[str, npt.NDArray[np.float32]]) -> str:
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        total.update(f"{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        total.update(tensors[name].tobytes())
    return total.hexdigest()
