"""Segmentation of classes that were shown in a few images only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from pipelines.training.benchmarks.errors import SplitError
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.listing import shuffled
from pipelines.training.benchmarks.sample import IGNORE, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.training.benchmarks.info import BenchmarkInfo


class MaskSource(Protocol):
    """A segmentation set whose masks can be read without their images."""

    entries: Sequence[str]

    def __init__(self, root: Path, split: str) -> None:
        """Opens a split."""

    def read_mask(self, entry: str) -> NDArray[np.int64]:
        """The mask of an entry, (y, x)."""

    def _read(self, entry: str) -> Sample: ...


class FewShotMasks(IndexedBenchmark):
    """`support`: images of `train` that show the novel classes; `query`: all images of `val`.

    Masks keep the novel classes; all others become the background, class 0, as the few-shot protocols have it. The
    paper's table names such runs without its choice of classes and shots: both are options here. To choose the support,
    masks of `train` are read in an order drawn by hash and seed until each class has its images.
    """

    info: ClassVar[BenchmarkInfo]
    source: ClassVar[type[MaskSource]]

    folds: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Published divisions of the classes, for the option `fold`."""

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        shots: int = 5,
        seed: int = 0,
        fold: int | None = None,
        novel: tuple[str, ...] = (),
    ) -> None:
        """Opens the support or the query.

        Args:
            root: The set's folder.
            split: "support" or "query".
            shots: Images of each novel class in the support.
            seed: Of the draw.
            fold: One of the set's published folds; `novel` must then be empty.
            novel: Names of the novel classes; all but the background where neither is given.

        Raises:
            BenchmarkError: No such folder, split, fold or class, or a class with too few images in `train`.
        """
        if shots < 1:
            raise SplitError(f"{self.info.title}: shots must be at least 1, got {shots}")
        self.shots, self.seed, self.novel = shots, seed, self._novel(fold, novel)
        super().__init__(root, split)

    def _novel(self, fold: int | None, novel: tuple[str, ...]) -> tuple[int, ...]:
        if fold is not None and (novel or not 0 <= fold < len(self.folds)):
            raise SplitError(
                f"{self.info.title}: fold must be one of 0 to {len(self.folds) - 1} and stand without novel classes, "
                f"got {fold} and {novel}"
            )
        chosen = novel or (self.folds[fold] if fold is not None else self.info.classes[1:])
        unknown = [name for name in chosen if name not in self.info.classes[1:]]
        if unknown:
            raise SplitError(f"{self.info.title}: novel must be among {list(self.info.classes[1:])}, got {unknown}")
        return tuple(self.info.classes.index(name) for name in chosen)

    def _list(self) -> Sequence[str]:
        if self.split == "query":
            self._source = self.source(self.root, "val")
            return self._source.entries
        self._source = self.source(self.root, "train")
        wanted = dict.fromkeys(self.novel, self.shots)
        chosen = []
        for entry in shuffled(self._source.entries, self.seed):
            shown = set(np.unique(self._source.read_mask(entry)).tolist())
            useful = [index for index in wanted if index in shown]
            if useful:
                chosen.append(entry)
            for index in useful:
                wanted[index] -= 1
                if wanted[index] == 0:
                    del wanted[index]
            if not wanted:
                return chosen
        lacking = {self.info.classes[index]: self.shots - left for index, left in wanted.items()}
        raise SplitError(
            f"{self.info.title}: each novel class must be in {self.shots} images of train, found {lacking}; "
            "ask for fewer shots or other classes"
        )

    def _read(self, entry: str) -> Sample:
        whole = self._source._read(entry)  # noqa: SLF001 the source is ours, opened by this class
        assert isinstance(whole.target, MaskTarget)
        mask = whole.target.mask
        kept = np.isin(mask, (*self.novel, IGNORE))
        return Sample(id=whole.id, images=whole.images, target=MaskTarget(mask=np.where(kept, mask, 0)))
