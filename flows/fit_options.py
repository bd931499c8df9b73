"""What a fit of a user's own classes does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from flows.errors import ConfigError
from pipelines.training.own_labels.chosen import FEWEST_SAMPLES
from pipelines.training.own_labels.label_pixels import PIXELS_PER_LABEL

Features = Literal["both", "maps", "statistics"]
FEATURES: Final[tuple[Features, ...]] = ("both", "maps", "statistics")
METRES_A_KM: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What a fit does; everything but the labels has a default."""

    labels: Path
    column: str
    out: Path | None = None
    """File of the head; None puts it into `heads/<column>.safetensors` of the region's output."""

    layer: str | None = None
    folds: int = 5
    block_km: float | None = None
    """Side of a block; None chooses one from the labels' extent."""

    buffer_m: float = 0.0
    features: Features = "both"
    hidden: int = 0
    """Width of a hidden layer; 0 is a linear head."""

    min_samples: int = FEWEST_SAMPLES
    pixels_per_label: int = PIXELS_PER_LABEL
    random_sample: bool = False
    """Whether the labels are points drawn at random over the area: then areas are estimated too."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise ConfigError(f"--features is one of {list(FEATURES)}, got {self.features!r}; correct it")
        if self.buffer_m < 0 or self.hidden < 0 or self.seed < 0:
            raise ConfigError(
                f"buffer, hidden and seed are not negative, got {self.buffer_m}, {self.hidden}, {self.seed}; raise them"
            )
