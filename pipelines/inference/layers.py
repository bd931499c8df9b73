"""The layers of a prediction: names, dims, types and CF attributes, and the empty dataset that a store begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dask.array
import numpy as np
import xarray as xr

from pipelines.inference.reduce import NO_DAY, NO_NOVELTY, NO_SPLIT
from pipelines.legend import CHANGE, LAND_COVER
from pipelines.schema import PREDICTION_REASONS, reason_attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.inference.epochs import Epochs
    from pipelines.inference.options import Task
    from pipelines.inference.own import OwnHead
    from pipelines.legend import LegendClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One variable of a prediction."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    long_name: str
    missing: int | None = None
    """The listed value that means there is none; None where there is no such value (floats: NaN)."""

    task: Task | None = None
    """Only written where this task is asked; None is always."""

    def attrs(self) -> dict[str, object]:
        """Returns the CF attributes."""
        attrs: dict[str, object] = {"long_name": self.long_name, "units": "1", "grid_mapping": "spatial_ref"}
        if self.missing is not None:
            attrs |= {"flag_values": np.array([self.missing], dtype=self.dtype), "flag_meanings": "none"}
        if self.name == "reason":
            attrs |= reason_attrs(PREDICTION_REASONS) | {"long_name": self.long_name}
        if self.name == NOVELTY:
            attrs |= {"units": "percent"}
        if self.name in ("change_before", "change_after"):
            attrs |= {"units": "day", "reference_date": "1970-01-01"}
        return attrs


_PLANE: Final = ("y", "x")

NOVELTY: Final = "novelty"
"""Name of the layer that is there only where the weights carry statistics of their training."""
_DAYS: Final = "days since 1970-01-01"

LAYERS: Final = (
    Layer(
        name="land_cover_probability",
        dims=("class", "y", "x"),
        dtype="float32",
        long_name="probability of each land-cover class at the last date; NaN where never observed",
        task="land-cover",
    ),
    Layer(
        name="change_probability",
        dims=("change_class", "y", "x"),
        dtype="float32",
        long_name="probability of each kind of change at the split of change_split; NaN where not comparable",
        task="change",
    ),
    Layer(
        name="change_split",
        dims=_PLANE,
        dtype="int16",
        long_name="split at which change is most probable, index along split",
        missing=NO_SPLIT,
        task="change",
    ),
    Layer(
        name="change_before",
        dims=_PLANE,
        dtype="int32",
        long_name=f"last valid observation of any sensor before the split, {_DAYS}",
        missing=NO_DAY,
        task="change",
    ),
    Layer(
        name="change_after",
        dims=_PLANE,
        dtype="int32",
        long_name=f"first valid observation of any sensor after the split, {_DAYS}",
        missing=NO_DAY,
        task="change",
    ),
    Layer(
        name="n_before",
        dims=_PLANE,
        dtype="uint16",
        long_name="number of valid observations in the epochs compared before the split",
        task="change",
    ),
    Layer(
        name="n_after",
        dims=_PLANE,
        dtype="uint16",
        long_name="number of valid observations in the epochs compared after the split",
        task="change",
    ),
    Layer(name="n_valid_s2", dims=_PLANE, dtype="uint16", long_name="number of valid Sentinel-2 observations used"),
    Layer(name="n_valid_s1", dims=_PLANE, dtype="uint16", long_name="number of valid Sentinel-1 observations used"),
    Layer(
        name=NOVELTY,
        dims=_PLANE,
        dtype="uint8",
        long_name="percentage of held-out simulated places that are less unlike the training than this one",
        missing=NO_NOVELTY,
    ),
    Layer(
        name="reason",
        dims=_PLANE,
        dtype="uint16",
        long_name="where never observed: every reason of any date; elsewhere: the reasons that all dates share",
    ),
)


def layers_of(tasks: tuple[Task, ...], *, novelty: bool = False) -> tuple[Layer, ...]:
    """Returns the layers that these tasks give, and that of novelty where it is told."""
    asked = tuple(layer for layer in LAYERS if layer.task is None or layer.task in tasks)
    return tuple(layer for layer in asked if novelty or layer.name != NOVELTY)


def template(
    frame: xr.Dataset,
    plan: Epochs,
    tasks: tuple[Task, ...],
    *,
    chunk: int,
    attrs: Mapping[str, object],
    novelty: bool = False,
    own: tuple[OwnHead, ...] = (),
) -> xr.Dataset:
    """Returns the prediction without values: lazy layers in chunks, coordinates whole.

    Args:
        frame: A group of the cube, for x, y and spatial_ref.
        plan: The epochs; splits become coordinates.
        tasks: What was asked.
        chunk: Side of a chunk in pixels.
        attrs: Attributes of the dataset.
        novelty: Whether the layer of novelty is written.
        own: The user's heads.
    """
    sizes = {
        "class": len(LAND_COVER),
        "change_class": len(CHANGE),
        "y": frame.sizes["y"],
        "x": frame.sizes["x"],
    }
    layers = (*layers_of(tasks, novelty=novelty), *(_own_layer(head) for head in own))
    sizes |= {head.dim: head.num_classes for head in own}
    coords: dict[str, object] = {"y": frame["y"].variable, "x": frame["x"].variable}
    coords["spatial_ref"] = frame["spatial_ref"].variable
    if "land-cover" in tasks:
        coords["class"] = ("class", np.array([entry.code for entry in LAND_COVER], dtype=np.uint8), _flags("class"))
    for head in own:
        codes = np.array([entry.code for entry in head.classes], dtype=np.uint8)
        coords[head.dim] = (head.dim, codes, _class_flags(head.classes, f"classes of {head.name}"))
    if "change" in tasks:
        codes = np.array([entry.code for entry in CHANGE], dtype=np.uint8)
        coords["change_class"] = ("change_class", codes, _flags("change_class"))
        ends = np.array([epoch.end for epoch in plan.epochs[:-1]], dtype="datetime64[us]")
        starts = np.array([epoch.start for epoch in plan.epochs[1:]], dtype="datetime64[us]")
        coords["split_before"] = ("split", ends, {"long_name": "last acquisition used before the split"})
        coords["split_after"] = ("split", starts, {"long_name": "first acquisition used after the split"})
    variables = {}
    for layer in layers:
        shape = tuple(sizes[dim] for dim in layer.dims)
        chunks = tuple(min(chunk, sizes[dim]) if dim in _PLANE else sizes[dim] for dim in layer.dims)
        variables[layer.name] = (layer.dims, dask.array.zeros(shape, dtype=layer.dtype, chunks=chunks), layer.attrs())
    return xr.Dataset(variables, coords=coords, attrs=dict(attrs)).drop_encoding()


def _own_layer(head: OwnHead) -> Layer:
    return Layer(
        name=head.layer,
        dims=(head.dim, "y", "x"),
        dtype="float32",
        long_name=f"probability of each class of {head.name}; NaN where never observed",
    )


def _flags(dim: str) -> dict[str, object]:
    if dim == "class":
        return _class_flags(LAND_COVER, "land cover, codes of ESA WorldCover")
    return _class_flags(CHANGE, "kind of land-cover change")


def _class_flags(legend: tuple[LegendClass, ...], long_name: str) -> dict[str, object]:
    return {
        "long_name": long_name,
        "flag_values": np.array([entry.code for entry in legend], dtype=np.uint8),
        "flag_meanings": " ".join(entry.name for entry in legend),
    }
