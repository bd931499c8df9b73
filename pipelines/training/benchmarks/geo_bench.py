"""GEO-Bench 1.0: six classification and six segmentation sets, an HDF5 file a sample, a folder a set.

The files keep the names of their arrays in the open, but dates, transforms and labels of whole images in a pickled
attribute; `task_specs.pkl` is a pickle too. Unpickling runs whatever a file says, so neither is opened: labels are from
`label_map.json` and `label_stats.json`, which the authors publish beside the samples, masks from the array `label`.
Facts are those of github.com/ServiceNow/geo-bench; the classes are in `geo_bench_tasks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipelines.training.benchmarks.band_files import on_finest_grid
from pipelines.training.benchmarks.errors import LayoutError, SampleError, SplitError
from pipelines.training.benchmarks.folder import check_inside, check_part
from pipelines.training.benchmarks.hdf5_layers import layer_names, read_layer
from pipelines.training.benchmarks.image_format import ImageFormat, image_of
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.listing import NUM_SHOWN, repeated_names
from pipelines.training.benchmarks.mask_codes import mask_of_codes
from pipelines.training.benchmarks.sample import ClassTarget, LabelsTarget, MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipelines.training.benchmarks.sample import Target

LABEL = "label"


class GeoBench(IndexedBenchmark):
    """One set of the benchmark; entries are names of files without suffix."""

    folder: ClassVar[str]
    """Of the set, as `m-eurosat`."""

    arrays: ClassVar[tuple[str, ...]]
    """Names of the arrays that are read, in the order of `form.bands`."""

    form: ClassVar[ImageFormat]
    """Its `bands` say what the arrays hold."""

    def __init__(self, root: Path, split: str, *, partition: str = "default") -> None:
        """Opens a split.

        Args:
            root: The benchmark's folder, that of its classification or segmentation sets, or the set's own.
            split: "train", "valid" or "test".
            partition: Which division: "default", or "0.01x_train" to "1.00x_train" for fewer training samples.

        Raises:
            BenchmarkError: No such folder, split or partition, or labels that do not fit it.
        """
        self.partition = partition
        super().__init__(root, split)

    def _list(self) -> Sequence[str]:
        kind = "segmentation" if self.info.task == "segmentation" else "classification"
        parts = (f"{kind}_v1.0/{self.folder}", self.folder)
        whole = self.root if self.root.resolve().name == self.folder else None
        self.base = whole or check_part(self.root, parts, self.info)
        path = self.base / f"{self.partition}_partition.json"
        if not path.is_file():
            raise SplitError(
                f"{self.info.title}: partition {self.partition!r} is in {path}, which is not there; "
                f"see {self.info.home}"
            )
        partition = _json(path)
        names = partition.get(self.split)
        if not isinstance(names, list):
            raise LayoutError(f"{self.info.title}: {path} must list {self.split!r}, it does not; get it again")
        self._check_apart(path, partition)
        self.labels = self._labels()
        return [check_inside(str(name), path) for name in names]

    def _check_apart(self, path: Path, partition: Mapping[str, Any]) -> None:
        listed = [name for split in self.info.splits for name in {str(name) for name in partition.get(split) or ()}]
        shared = repeated_names(listed)
        if shared:
            raise SplitError(
                f"{self.info.title}: splits of {path} must share no sample, {len(shared)} are in two or more, the "
                f"first {shared[:NUM_SHOWN]}; get it again from {self.info.home}"
            )

    def _labels(self) -> Mapping[str, tuple[int, ...]]:
        """Labels of samples, of sets whose label is of the whole image."""
        if self.info.task == "classification":
            path = check_part(self.base, ("label_map.json",), self.info)
            by_label = {int(label): names for label, names in _json(path).items() if label.isdigit()}
            self._check_labels(path, by_label)
            twice = repeated_names(str(name) for names in by_label.values() for name in names)
            if twice:
                raise LayoutError(
                    f"{self.info.title}: a sample must have one label in {path}, {twice[:NUM_SHOWN]} have several; "
                    f"get the set again from {self.info.home}"
                )
            return {str(name): (label,) for label, names in by_label.items() for name in names}
        if self.info.task == "multi_label":
            path = check_part(self.base, ("label_stats.json",), self.info)
            shares = {name: np.flatnonzero(np.asarray(row)).tolist() for name, row in _json(path).items()}
            self._check_labels(path, {label for labels in shares.values() for label in labels})
            return {name: tuple(labels) for name, labels in shares.items()}
        return {}

    def _check_labels(self, path: Path, labels: Any) -> None:
        outside = sorted(label for label in labels if label >= len(self.info.classes))
        if outside:
            raise LayoutError(
                f"{self.info.title}: labels in {path} must be below {len(self.info.classes)}, got {outside[:5]}; "
                f"get the set again from {self.info.home}"
            )

    def _read(self, entry: str) -> Sample:
        path = self.base / f"{entry}.hdf5"
        addresses = layer_names(path)
        layers = [read_layer(path, _address(addresses, band, path)) for band in self.arrays]
        image = image_of(on_finest_grid(layers, [path] * len(layers)), path, self.form)
        return Sample(id=entry, images=(image,), target=self._target(entry, path, addresses, image.size))

    def _target(self, entry: str, path: Path, addresses: Mapping[str, str], size: tuple[int, int]) -> Target:
        if self.info.task == "segmentation":
            codes = read_layer(path, _address(addresses, LABEL, path))
            mask = mask_of_codes(codes, path, {index: index for index in range(len(self.info.classes))})
            if mask.shape != size:
                raise SampleError(path, f"label must be {size} (height, width), got {mask.shape}", "get the file again")
            return MaskTarget(mask=mask)
        if entry not in self.labels:
            raise SampleError(
                path, "the sample must have a label in the set's JSON files, it has none", "get them again"
            )
        labels = self.labels[entry]
        return LabelsTarget(labels=labels) if self.info.task == "multi_label" else ClassTarget(label=labels[0])


def _address(addresses: Mapping[str, str], name: str, path: Path) -> str:
    """Of the one array of this name; a date may follow it."""
    wanted = name.replace(" ", "_")
    found = [address for stored, address in addresses.items() if stored == wanted or stored.startswith(f"{wanted}_20")]
    if len(found) != 1:
        raise SampleError(
            path, f"must have one array {name!r}, has {len(found)} among {sorted(addresses)}", "check the set's name"
        )
    return found[0]


def _json(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise LayoutError(f"GEO-Bench: {path} must be a JSON object, it is not; get it again")
    return content
