"""How a model is laid over a cube: options with their limits, and the values that come back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, Literal

from pipelines.inference.channels import MODALITY_BANDS, MODALITY_GROUP, CubeModality
from pipelines.inference.epochs import EPOCH_DAYS, MAX_EPOCHS

Task = Literal["land-cover", "change"]
TASKS: Final[tuple[Task, ...]] = ("land-cover", "change")

BATCH_IMAGES: Final = 24
"""Images (windows x dates) after which a larger batch is no faster: the experts see enough tokens, and temporaries
leave the cache. Bounds the memory of a worker as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceOptions:
    """Options of `predict`. All but `num_workers`, `slab_mb` and `keep_heap` can change the result or its layout."""

    window: int = 128
    """Side of a window in pixels, a multiple of 32 (the model's coarsest stride)."""

    stride: int = 96
    """Pixels from one window to the next; windows overlap by `window - stride`."""

    chunk: int = 512
    """Side of the output's chunks in pixels, at least 1; layout only, no value depends on it."""

    group: int = 4
    """Most windows that go through the model together; fewer where the dates alone fill a batch (`BATCH_IMAGES`)."""

    num_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Dask threads; each runs torch with one thread of its own."""

    keep_heap: bool = True
    """Whether memory that torch has freed stays with the process (1.2 times faster, see `heap.py`)."""

    slab_mb: int = 1024
    """About how many MiB of the cube are held at once, in two slabs; two lattice rows always are."""

    modalities: tuple[CubeModality, ...] = ("sar_l2", "ms")
    """What to feed; those that the cube or the checkpoint lacks are left out and named in the result's attrs."""

    max_epochs: int = MAX_EPOCHS
    epoch_days: float = EPOCH_DAYS
    """See `pipelines.inference.epochs`."""

    def __post_init__(self) -> None:
        if self.window < 32 or self.window % 32:  # noqa: PLR2004
            raise ValueError(f"window must be a positive multiple of 32, got {self.window}; use 128")
        if not 1 <= self.stride <= self.window:
            raise ValueError(
                f"stride must be 1 to window ({self.window}), got {self.stride}; use {self.window * 3 // 4}"
            )
        for name in ("chunk", "group", "num_workers", "slab_mb", "max_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; raise it")
        if not self.epoch_days > 0:
            raise ValueError(f"epoch_days must be positive, got {self.epoch_days}; use {EPOCH_DAYS}")
        if not self.modalities or set(self.modalities) - set(MODALITY_BANDS):
            raise ValueError(f"modalities must be some of {sorted(MODALITY_BANDS)}, got {self.modalities}; name one")
        if len({MODALITY_GROUP[name] for name in self.modalities}) != len(self.modalities):
            raise ValueError(f"one modality a group of the cube is fed, got {self.modalities}; drop optical or ms")

    def windows_in_batch(self, images_per_window: int) -> int:
        """Returns how many windows go through the model together, at least 1."""
        return max(1, min(self.group, BATCH_IMAGES // max(1, images_per_window)))

    @property
    def meaning(self) -> dict[str, object]:
        """The options that a prediction's key holds."""
        return {
            "window": self.window,
            "stride": self.stride,
            "chunk": self.chunk,
            "group": self.group,
            "modalities": list(self.modalities),
            "max_epochs": self.max_epochs,
            "epoch_days": self.epoch_days,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRef:
    """Where a finished prediction lies."""

    uri: str
    """Folder of the Icechunk repository."""

    snapshot: str
    """The version that holds it."""

    key: str
    """SHA-256 over everything that the values depend on, and the layout."""


def check_tasks(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Returns the tasks in their fixed order, each once.

    Raises:
        ValueError: None, or an unknown one.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise ValueError(f"tasks must be some of {list(TASKS)}, got {list(tasks)}; name at least one of them")
    return tuple(task for task in TASKS if task in tasks)
