"""HeadInputs: what a head was shown while it learned, and how that differs from what it is shown now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadInputs:
    """What a head was shown while it learned."""

    windows_px: tuple[int, ...] = ()
    """Sides of the windows, pixels, from small to large; none for a head of points."""

    bands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Modality -> bands that it was shown, by the names of the modality's channels."""

    def __post_init__(self) -> None:
        if any(side < 1 for side in self.windows_px) or list(self.windows_px) != sorted(set(self.windows_px)):
            raise ValueError(f"windows are positive and rise, got {self.windows_px}; sort them, each once")
        if not self.bands or not all(self.bands.values()):
            raise ValueError(f"a head learned from a band at least of each modality, got {dict(self.bands)}; name them")

    def unlearned(self, bands: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Bands that it is shown and has never learned from, by modality."""
        return _without(bands, self.bands)

    def lacking(self, bands: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Bands that it learned from and is not shown, by modality."""
        return _without(self.bands, bands)

    def knows_window(self, side_px: int) -> bool:
        """Whether a side lies between the smallest and the largest that it learned on; any, of points."""
        return not self.windows_px or self.windows_px[0] <= side_px <= self.windows_px[-1]

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values."""
        return {"windows_px": list(self.windows_px), "bands": {name: list(ids) for name, ids in self.bands.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HeadInputs:
        """The value that `to_dict` wrote.

        Raises:
            TypeError: a key is unknown.
            ValueError: a value is out of range.
        """
        restored = dict(values)
        restored["windows_px"] = tuple(int(side) for side in values["windows_px"])
        restored["bands"] = {str(name): tuple(map(str, ids)) for name, ids in values["bands"].items()}
        return cls(**restored)


def band_words(bands: Mapping[str, tuple[str, ...]]) -> str:
    """Bands of modalities in words: `ms (B02, B03) and sar_l2 (VV)`."""
    return " and ".join(f"{name} ({', '.join(ids)})" for name, ids in bands.items()) or "none"


def _without(bands: Mapping[str, tuple[str, ...]], others: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    left = {name: tuple(band for band in ids if band not in others.get(name, ())) for name, ids in bands.items()}
    return {name: ids for name, ids in left.items() if ids}
