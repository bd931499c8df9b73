"""How a model is put to a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Protocol = Literal["head", "linear", "prototype", "finetune"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)

Adapt = Literal["frozen", "lora", "full"]
ADAPTS: Final[tuple[Adapt, ...]] = get_args(Adapt)
"""How much of the backbone learns beside a head: nothing, low-rank matrices, or all of it."""

SIDE_STEP: Final = 32
"""Windows are multiples of the coarsest stride."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A protocol and its numbers; everything that is drawn follows from `seed`."""

    protocol: Protocol
    adapt: Adapt = "frozen"
    """What of the backbone learns; other than frozen with finetune only."""

    steps: int = 200
    """Of a head that is trained."""

    batch: int = 4
    """Windows a step."""

    learning_rate: float = 1e-3
    window: int = 256
    """Side in pixels of what the model sees at once."""

    overlap: int = 64
    """Pixels that neighbouring windows share."""

    shots: int | None = None
    """Samples of each class to learn from; None for all."""

    train_share: float = 1.0
    """Share of the training split to learn from."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"--protocol must be one of {list(PROTOCOLS)}, got {self.protocol!r}")
        if self.adapt not in ADAPTS or (self.adapt != "frozen" and self.protocol != "finetune"):
            raise ValueError(
                f"--adapt must be one of {list(ADAPTS)}, other than frozen with --protocol finetune only, "
                f"got {self.adapt!r} with {self.protocol!r}"
            )
        if self.seed < 0:
            raise ValueError(f"--seed must be 0 or more, got {self.seed}")
        if min(self.steps, self.batch) < 1 or not self.learning_rate > 0:
            raise ValueError(
                f"steps, batch and learning rate must be positive, got {self.steps}, {self.batch}, {self.learning_rate}"
            )
        if self.window < SIDE_STEP or self.window % SIDE_STEP or not 0 <= self.overlap < self.window:
            raise ValueError(
                f"--window must be a multiple of {SIDE_STEP} and above the overlap, got {self.window}, {self.overlap}"
            )
        if not 0 < self.train_share <= 1:
            raise ValueError(f"--train-share must be above 0 and at most 1, got {self.train_share}")
        if self.shots is not None and (self.shots < 1 or self.train_share < 1):
            raise ValueError(
                f"--shots must be positive and without --train-share, got {self.shots}, {self.train_share}"
            )
