"""PlaceSampler: batches of chips, each a function of the seed and its own number alone.

Nothing is carried from one batch to the next, so a run that starts again at batch i gets batch i, and processes that
share a batch each make their own rows of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pipelines.training.places.chip import is_finite
from pipelines.training.places.draw import DrawConfig, draw_chip
from pipelines.training.places.errors import SamplerError
from pipelines.training.places.hold_out import HoldOut, Split, split_of, usable_window
from pipelines.training.places.place import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pipelines.training.places.chip import Chip
    from pipelines.training.places.hold_out import Window
    from pipelines.training.places.place import Place
    from pipelines.training.places.place_file import PlaceEntry
    from pipelines.training.places.store import PlaceStore

_KIND_STREAM: Final = 1
_CHIP_STREAM: Final = 2
"""Second words of the seeds, so that kinds and chips are drawn apart."""

_TRIES: Final = 200
"""Draws after which a chip is given up: there is hardly any data, or the limit is too strict."""

_EVENT_PLACES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How chips are drawn."""

    purpose: Literal["pretrain", "tasks"]
    """Pretraining takes dates of all sensors within `draw.pair_days`; tasks take what their truth asks for."""

    size: int = 64
    """Pixels a side."""

    batch: int = 16
    temperature: float = 0.5
    """tau of p ~ n^tau over kinds of n places each: 1 draws as often as there are places, 0 all kinds alike."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """Factor on a kind's probability, 1 where it is not named; 0 leaves a kind out."""

    max_nodata: float = 0.6
    """Largest share of a chip's pixels, over its images, that may be missing."""

    overlap: float = 0.75
    """Largest share of its side that a chip shares with another of its place, 0 to below 1: chips lie on a lattice."""

    draw: DrawConfig = field(default_factory=DrawConfig)

    def __post_init__(self) -> None:
        if self.size < 4 or self.size % 4 or self.batch < 1:  # noqa: PLR2004 the model's patch
            raise ValueError(f"chips are a multiple of 4 pixels, batches at least 1, got {self.size} and {self.batch}")
        if not 0 <= self.overlap < 1 or not 0 <= self.max_nodata <= 1 or self.temperature < 0:
            raise ValueError(
                f"overlap lies in [0, 1), max_nodata in [0, 1], the temperature is at least 0, got {self.overlap}, "
                f"{self.max_nodata} and {self.temperature}; correct them"
            )
        unknown = sorted(set(self.weights) - set(KINDS))
        if unknown or any(weight < 0 for weight in self.weights.values()):
            raise ValueError(f"weights are at least 0 and of {KINDS}, got {dict(self.weights)}; correct them")

    @property
    def stride(self) -> int:
        """Pixels between neighbouring places of the lattice."""
        return max(1, -int(-self.size * (1 - self.overlap) // 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was drawn and what was drawn in vain."""

    chips: int = 0
    too_little_data: int = 0
    not_finite: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            chips=self.chips + other.chips,
            too_little_data=self.too_little_data + other.too_little_data,
            not_finite=self.not_finite + other.not_finite,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipBatch:
    """One batch, or one process's rows of it."""

    index: int
    kind: Kind
    chips: tuple[Chip, ...]
    counts: Counts


class PlaceSampler:
    """Draws batches of one split of a store."""

    def __init__(
        self, store: PlaceStore, config: SamplerConfig, *, seed: int, hold_out: HoldOut, split: Split = "train"
    ) -> None:
        """Looks at the store's index.

        Args:
            store: Of places.
            config: How chips are drawn.
            seed: Of all draws.
            hold_out: Which ground is held out.
            split: What is drawn from.

        Raises:
            SamplerError: The split has no place that a chip fits in.
        """
        self.config = config
        self.seed = seed
        self._store = store
        blocks = frozenset(entry.block for entry in store.entries)
        own = [entry for entry in store.entries if split_of(entry.block, hold_out) == split]
        self._windows: dict[str, Window] = {entry.id: usable_window(entry, blocks, hold_out) for entry in own}
        fitting = [entry for entry in own if self._windows[entry.id].holds(config.size)]
        wanted = [kind for kind in KINDS if config.weights.get(kind, 1.0) > 0]
        self._places: dict[Kind, list[PlaceEntry]] = {
            kind: places for kind in wanted if (places := [entry for entry in fitting if entry.kind == kind])
        }
        if not self._places:
            raise SamplerError(
                f"a chip of {config.size} pixels must fit into some {split} place of kinds {wanted}, got none among "
                f"{len(own)} of {len(store)} places in {store.folder}; add places or lower size, buffer or shares"
            )
        self._events = lru_cache(maxsize=_EVENT_PLACES)(self._find_events)

    @property
    def kinds(self) -> dict[Kind, float]:
        """Probability of each kind that there are places of."""
        odds = {
            kind: self.config.weights.get(kind, 1.0) * len(places) ** self.config.temperature
            for kind, places in self._places.items()
        }
        return {kind: odd / sum(odds.values()) for kind, odd in odds.items()}

    @property
    def places(self) -> tuple[PlaceEntry, ...]:
        """All places that are drawn from."""
        return tuple(entry for places in self._places.values() for entry in places)

    def place(self, place_id: str) -> Place:
        """Returns a place of the store."""
        return self._store.place(place_id)

    def restricted(self, kinds: Sequence[Kind]) -> PlaceSampler:
        """Returns a sampler of some kinds only, for instance those that a task has truth of.

        Raises:
            SamplerError: There is no place of these kinds.
        """
        kept = {kind: places for kind, places in self._places.items() if kind in kinds}
        if not kept:
            raise SamplerError(
                f"there must be a place of {list(kinds)}, got {sorted(self._places)} in {self._store.folder}; "
                "render some, or leave out what needs them"
            )
        other = object.__new__(PlaceSampler)
        other.__dict__ = {**self.__dict__, "_places": kept}
        return other

    def kind_of(self, index: int) -> Kind:
        """Returns the kind of a batch."""
        kinds = self.kinds
        random = np.random.default_rng((self.seed, _KIND_STREAM, index))
        return list(kinds)[int(random.choice(len(kinds), p=list(kinds.values())))]

    def batch(self, index: int, rows: range | None = None) -> ChipBatch:
        """Returns batch number `index`, or some of its rows.

        Raises:
            SamplerError: Nothing with enough data is found.
        """
        kind = self.kind_of(index)
        drawn = [self._row(kind, index, row) for row in (rows if rows is not None else range(self.config.batch))]
        counts = sum((counts for _, counts in drawn), Counts())
        return ChipBatch(index=index, kind=kind, chips=tuple(chip for chip, _ in drawn), counts=counts)

    def _row(self, kind: Kind, index: int, row: int) -> tuple[Chip, Counts]:
        random = np.random.default_rng((self.seed, _CHIP_STREAM, index, row))
        places, vain = self._places[kind], Counter[str]()
        for _ in range(_TRIES):
            entry = places[int(random.integers(len(places)))]
            place = self._store.place(entry.id)
            firsts = lattice(self._windows[entry.id], self.config.size, self.config.stride)
            chip = draw_chip(
                place, self.config.draw, random, purpose=self.config.purpose, size=self.config.size, lattice=firsts,
                events=self._events(entry.id),
            )  # fmt: skip
            if not all(is_finite(cut) for cut in chip.series.values()):
                vain["not_finite"] += 1
            elif chip.nodata > self.config.max_nodata:
                vain["too_little_data"] += 1
            else:
                return chip, Counts(chips=1, **vain)
        raise SamplerError(
            f"a chip has at most {self.config.max_nodata:.0%} missing pixels, got none in {_TRIES} draws of {kind} "
            f"({dict(vain)}); raise max_nodata or look at the places"
        )

    def _find_events(self, place_id: str) -> npt.NDArray[np.int64]:
        first = self._store.place(place_id).targets.get("change_epoch")
        return np.argwhere(np.asarray(first) > 0) if first is not None else np.zeros((0, 2), np.int64)


@dataclass(slots=True, kw_only=True)
class SamplerState:
    """How far a run has come in its draws; with the seed it is all there is to resume."""

    seed: int
    next_index: int = 0
    counts: Counts = field(default_factory=Counts)

    def took(self, batch: ChipBatch) -> None:
        """Notes a batch that was used."""
        self.next_index = batch.index + 1
        self.counts = self.counts + batch.counts

    def state_dict(self) -> dict[str, Any]:
        """Returns the state as JSON has it."""
        counts = {name: getattr(self.counts, name) for name in Counts.__slots__}
        return {"seed": self.seed, "next_index": self.next_index, "counts": counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes a state over.

        Raises:
            ValueError: It belongs to another seed.
        """
        if state["seed"] != self.seed:
            raise ValueError(f"a sampler goes on with its seed {self.seed}, got a state of {state['seed']}; start anew")
        self.next_index = int(state["next_index"])
        self.counts = replace(Counts(), **{name: int(value) for name, value in state["counts"].items()})


def lattice(window: Window, size: int, stride: int) -> tuple[range, range]:
    """Returns the first rows and first columns that chips of a window may have: multiples of the stride inside it."""
    rows = range(window.top, window.bottom - size + 1, stride)
    columns = range(window.left, window.right - size + 1, stride)
    return rows, columns
