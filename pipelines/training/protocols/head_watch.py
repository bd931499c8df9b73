"""What a stored head is shown, sample by sample, held against what it learned from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipelines.training.places.band_names import band_names
from pipelines.training.protocols.windows import windows
from ringmoe_core.heads.head_inputs import band_words

if TYPE_CHECKING:
    from pipelines.training.protocols.inputs import SampleImages
    from pipelines.training.protocols.settings import Settings
    from ringmoe_core.heads.head_inputs import HeadInputs


class HeadWatch:
    """Refuses bands that a head never learned from; counts samples that lack some, and windows of other sizes."""

    def __init__(self, name: str, learned: HeadInputs, settings: Settings) -> None:
        """Begins.

        Args:
            name: Of the head.
            learned: What it was shown while it learned.
            settings: Windows of the evaluation.
        """
        self._name, self._learned, self._settings = name, learned, settings
        self._num = 0
        self._lacking: Counter[tuple[str, str]] = Counter()
        self._sides: Counter[int] = Counter()

    def see(self, images: SampleImages) -> None:
        """Takes a sample.

        Raises:
            ValueError: It has bands that the head has never learned from.
        """
        shown = _bands(images)
        if extra := self._learned.unlearned(shown):
            raise ValueError(
                f"head {self._name!r} must be shown bands that it learned from, {band_words(self._learned.bands)}, got "
                f"{band_words(extra)}; take a head that learned from them, or teach one by --protocol finetune"
            )
        self._num += 1
        self._lacking.update((modality, band) for modality, ids in self._learned.lacking(shown).items() for band in ids)
        first = windows(images.size, self._settings.window, self._settings.overlap)[0]
        sides = {span.stop - span.start for span in (first.rows, first.columns)}
        self._sides.update(side for side in sides if not self._learned.knows_window(side))

    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know."""
        found = []
        if self._lacking:
            lacking: dict[str, tuple[str, ...]] = {}
            for modality, band in self._lacking:
                lacking[modality] = (*lacking.get(modality, ()), band)
            found.append(
                f"head {self._name!r} learned from {band_words(self._learned.bands)} and is not shown "
                f"{band_words(lacking)} in {max(self._lacking.values())} of {self._num} samples: expect less of it "
                "than of one that learned without them"
            )
        if self._sides:
            learned = " and ".join(map(str, self._learned.windows_px))
            shown = ", ".join(map(str, sorted(self._sides)))
            largest = self._learned.windows_px[-1]
            fix = f"give --window {largest}" if max(self._sides) > largest else "take one that learned on smaller ones"
            found.append(
                f"head {self._name!r} learned on windows of {learned} pixels and is shown windows of {shown}: expect "
                f"less of it there; {fix}"
            )
        return tuple(found)


def _bands(images: SampleImages) -> dict[str, tuple[str, ...]]:
    """Bands with a value in any of a sample's images, by modality."""
    found: dict[str, list[bool]] = {}
    for image in images.images:
        seen = found.setdefault(image.modality, [False] * len(image.channels.present))
        found[image.modality] = [bool(a or b) for a, b in zip(seen, image.channels.present, strict=True)]
    named = {
        modality: tuple(name for name, has in zip(band_names(modality), seen, strict=True) if has)
        for modality, seen in found.items()
    }
    return {modality: bands for modality, bands in named.items() if bands}
