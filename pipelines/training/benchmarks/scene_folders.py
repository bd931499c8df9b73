"""Scene classification sets that keep a folder a class, with the divisions that are drawn from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from pipelines.training.benchmarks.errors import LayoutError, SplitError
from pipelines.training.benchmarks.folder import check_part, read_split_list
from pipelines.training.benchmarks.image_format import ImageFormat, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.listing import file_names, folder_names, shuffled
from pipelines.training.benchmarks.sample import ClassTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DRAWN: Final = ("train", "test")
"""Splits that are drawn from the whole set by `train_fraction` and `seed`, since its authors publish none."""

LISTED: Final = ("list-train", "list-val", "list-test")
"""Splits by the text lists of Neumann et al. 2019 (arXiv 1911.06721), a file name a line."""

FEW_SHOT: Final = ("support", "query")

NUM_NAMED: Final = 5


class SceneFolders(IndexedBenchmark):
    """One class an image, named by its folder. Entries are `class folder/file name`.

    Options of the splits `train` and `test`: `train_fraction` (0 to 1, of each class) and `seed`. The draw orders each
    class by a hash of file name and seed, so that it is the same everywhere; it is ours, since no official one exists.
    """

    bases: ClassVar[tuple[str, ...]]
    """Folders that may hold the class folders, first match; "." is the root."""

    folders: ClassVar[tuple[str, ...]]
    """Folder of each class, in the order of `info.classes`; copies may write it with blanks or in other case."""

    form: ClassVar[ImageFormat]
    suffixes: ClassVar[tuple[str, ...]] = (".jpg",)

    lists: ClassVar[str] = ""
    """Stem of the text lists in the root: `<stem>-train.txt`, ..."""

    listed: ClassVar[tuple[str, ...]] = LISTED
    """Splits that follow the lists."""

    def __init__(
        self, root: Path, split: str, *, train_fraction: float = 0.1, seed: int = 0, insist_on_size: bool = False
    ) -> None:
        """Opens a split.

        Args:
            root: The set's folder.
            split: One of `info.splits`.
            train_fraction: Share of each class that the split `train` takes; `test` takes the rest.
            seed: Of the draw.
            insist_on_size: Refuse images that have not the size that the set's authors state.

        Raises:
            BenchmarkError: No such folder, class folder or split file; a folder of no class; a class without images.
        """
        if not 0.0 < train_fraction < 1.0:
            raise SplitError(f"{self.info.title}: train_fraction must be between 0 and 1, got {train_fraction}")
        self.train_fraction, self.seed = train_fraction, seed
        self._form = self.form if insist_on_size else _any_size(self.form)
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        by_folder = self._by_folder()
        if self.split in self.listed:
            return self._listed(by_folder)
        chosen: list[str] = []
        for folder, names in by_folder.items():
            if len(names) == 1:
                raise SplitError(
                    f"{self.info.title}: class {folder!r} must have two images or more to be divided, has one; "
                    f"get the set again from {self.info.home}"
                )
            num = min(max(round(self.train_fraction * len(names)), 1), len(names) - 1)
            order = shuffled(names, self.seed)
            chosen.extend(f"{folder}/{name}" for name in sorted(order[:num] if self.split == "train" else order[num:]))
        return chosen

    def _by_folder(self) -> dict[str, list[str]]:
        """Image names of each class, in the order of the classes, under the class's official folder name."""
        base = check_part(self.root, self.bases, self.info)
        actual: dict[str, str] = {}
        for name in folder_names(base):
            other = actual.setdefault(_canonical(name), name)
            if other != name:
                raise LayoutError(
                    f"{self.info.title}: a class must have one folder, got {other!r} and {name!r}; join them in {base}"
                )
        strangers = sorted(set(actual) - {_canonical(folder) for folder in self.folders})
        if strangers and len(strangers) < len(actual):
            raise LayoutError(
                f"{self.info.title}: folders must be classes {list(self.folders)}, got "
                f"{[actual[name] for name in strangers[:NUM_NAMED]]}; take them out of {base}"
            )
        found = {}
        self.paths: dict[str, Path] = {}
        for folder in self.folders:
            path = check_part(base, (actual.get(_canonical(folder), folder),), self.info)
            names = file_names(path, self.suffixes)
            if not names:
                raise LayoutError(
                    f"{self.info.title}: class {folder!r} must have images {self.suffixes}, {path} has none; "
                    f"get the set again from {self.info.home}"
                )
            found[folder], self.paths[folder] = names, path
        return found

    def _listed(self, by_folder: Mapping[str, Sequence[str]]) -> list[str]:
        part = self.split.removeprefix("list-")
        path = self.root / f"{self.lists}-{part}.txt"
        folder_of: dict[str, str] = {}
        for folder, names in by_folder.items():
            for name in names:
                other = folder_of.setdefault(_stem(name), f"{folder}/{name}")
                if other != f"{folder}/{name}":
                    raise LayoutError(
                        f"{self.info.title}: images must have names of their own for the lists, got {other} and "
                        f"{folder}/{name}; get the set again from {self.info.home}"
                    )
        wanted = [_stem(name) for name in read_split_list(path, self.info, self.split)]
        missing = [name for name in wanted if name not in folder_of]
        if missing:
            raise SplitError(
                f"{self.info.title}: {path} lists {missing[:NUM_NAMED]} ({len(missing)} in all), which no class folder "
                f"holds; get the set again from {self.info.home}"
            )
        return [folder_of[name] for name in wanted]

    def _read(self, entry: str) -> Sample:
        folder, _, name = entry.partition("/")
        return Sample(
            id=f"{folder}/{_stem(name)}",
            images=(read_image(self.paths[folder] / name, self._form),),
            target=ClassTarget(label=self.folders.index(folder)),
        )


class FewShotScenes(SceneFolders):
    """A few images a class to learn from (`support`), all others to be told (`query`).

    The paper's table names such runs without saying which classes were held back or how many images were shown: here
    `classes` (all by default) and `shots` are options, and the draw is by hash and seed as in `SceneFolders`.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        shots: int = 5,
        seed: int = 0,
        classes: tuple[str, ...] = (),
        insist_on_size: bool = False,
    ) -> None:
        """Opens the support or the query.

        Args:
            root: The set's folder.
            split: "support" or "query".
            shots: Images of each class in the support.
            seed: Of the draw.
            classes: Names out of `info.classes` that take part; labels stay indices into `info.classes`.
            insist_on_size: Refuse images that have not the size that the set's authors state.

        Raises:
            BenchmarkError: As `SceneFolders`, an unknown class, or a class with too few images.
        """
        if shots < 1:
            raise SplitError(f"{self.info.title}: shots must be at least 1, got {shots}")
        unknown = [name for name in classes if name not in self.info.classes]
        if unknown:
            raise SplitError(f"{self.info.title}: classes must be among {list(self.info.classes)}, got {unknown}")
        self.shots, self.classes = shots, classes or self.info.classes
        super().__init__(root, split, seed=seed, insist_on_size=insist_on_size)

    def _list(self) -> Sequence[str]:
        chosen: list[str] = []
        for (folder, names), label in zip(self._by_folder().items(), self.info.classes, strict=True):
            if label not in self.classes:
                continue
            if len(names) <= self.shots:
                raise SplitError(
                    f"{self.info.title}: class {label!r} must have more than {self.shots} images to show {self.shots} "
                    f"and ask for others, has {len(names)}; ask for fewer shots"
                )
            order = shuffled(names, self.seed)
            part = order[: self.shots] if self.split == "support" else order[self.shots :]
            chosen.extend(f"{folder}/{name}" for name in sorted(part))
        return chosen


def _canonical(folder: str) -> str:
    return "".join(letter for letter in folder.lower() if letter.isalnum())


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _any_size(form: ImageFormat) -> ImageFormat:
    return replace(form, size=None)
