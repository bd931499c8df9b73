"""A user's own heads over the model's maps: loaded, held against the backbone, asked window by window."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pipelines.inference.channels import NORMALISATION_ID
from pipelines.inference.errors import InferenceError
from pipelines.inference.pixel_statistics import NUM_STATISTICS, window_statistics
from pipelines.legend import LegendClass, own_legend
from ringmoe_core.errors import CheckpointError
from ringmoe_core.heads import apply_temperature, load_heads
from ringmoe_core.heads.head_inputs import band_words
from ringmoe_core.heads.pixel import PixelHead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipelines.inference.channels import FloatArray
    from ringmoe_core import LoadedModel, Series
    from ringmoe_core.heads.head_inputs import HeadInputs
    from ringmoe_core.heads.head_metadata import HeadMetadata

OWN_ATTR: Final = "own_classes"
"""Attribute of a prediction: JSON of each of the user's heads by the name of its product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHead:
    """One head of a user, ready to be asked."""

    name: str
    """Of its product: lower-case letters, digits and '-'."""

    head: PixelHead
    """In evaluation mode."""

    classes: tuple[LegendClass, ...]
    """In the order of its logits."""

    temperature: float
    sha256: str
    """Of its file."""

    provenance: str = ""
    inputs: HeadInputs | None = None
    """What it was shown while it learned; None where its file does not say."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def layer(self) -> str:
        """Name of the prediction's variable."""
        return f"own_{self.name}_probability"

    @property
    def dim(self) -> str:
        """Name of the dimension of its classes."""
        return f"own_{self.name}_class"

    def to_dict(self) -> dict[str, object]:
        """Returns what a product must know of it, as plain values."""
        return {
            "sha256": self.sha256,
            "temperature": self.temperature,
            "provenance": self.provenance,
            "classes": [asdict(entry) for entry in self.classes],
        }


def load_own_heads(paths: Mapping[str, Path], model: LoadedModel, *, window: int) -> tuple[OwnHead, ...]:
    """Returns the heads of a user by the names of their products, once they fit the backbone and its windows.

    Args:
        paths: Files that `ringmoe fit` wrote, each with one head of pixels.
        model: The backbone.
        window: Side of the windows that it is to be shown, pixels.

    Raises:
        InferenceError: No such file, damaged, of another backbone, learned on other windows, or no head of this kind.
    """
    return tuple(_load(name, path, model, window) for name, path in paths.items())


def check_fed(heads: Sequence[OwnHead], bands: Mapping[str, tuple[str, ...]]) -> None:
    """Checks that heads are shown no band that they have never learned from.

    Args:
        heads: A user's.
        bands: Of each modality that the model is fed.

    Raises:
        InferenceError: One is.
    """
    for head in heads:
        extra = {} if head.inputs is None else head.inputs.unlearned(bands)
        if head.inputs is not None and extra:
            raise InferenceError(
                f"the head of own product {head.name!r} must be shown bands that it learned from, "
                f"{band_words(head.inputs.bands)}, got {band_words(extra)} as well; fit it again on this cube, or "
                "leave their scenes out"
            )


def own_probabilities(heads: Sequence[OwnHead], maps_BPHW: torch.Tensor, series: Mapping[str, Series]) -> FloatArray:
    """Returns the probabilities of every head, one behind the other, (place, class, y, x).

    Args:
        heads: At least one.
        maps_BPHW: Decoded maps of all images of each place.
        series: The model's input for those places.
    """
    statistics = None
    if any(head.head.num_statistics for head in heads):
        statistics = torch.from_numpy(window_statistics(series))
    parts = []
    for head in heads:
        planes = [maps_BPHW.float()] if head.head.num_maps else []
        if head.head.num_statistics:
            assert statistics is not None, "made for it above"
            planes.append(statistics)
        logits_BKHW = apply_temperature(head.head(torch.cat(planes, dim=1)).float(), head.temperature)
        parts.append(logits_BKHW.softmax(1).numpy())
    joined: FloatArray = np.concatenate(parts, axis=1)
    return joined


def _load(name: str, path: Path, model: LoadedModel, window: int) -> OwnHead:
    try:
        loaded = load_heads(path, model)
    except (CheckpointError, FileNotFoundError) as error:
        raise InferenceError(f"the head of own product {name!r} cannot be used: {error}") from error
    if len(loaded.heads) != 1:
        raise InferenceError(f"a file of own classes holds one head, {path} holds {sorted(loaded.heads)}; fit it again")
    ((key, head),) = loaded.heads.items()
    if not isinstance(head, PixelHead):
        kind = loaded.metadata.configs[key].kind
        raise InferenceError(
            f"own classes of a region are a head of pixels, {path} holds one of kind {kind!r}; make it by "
            "`ringmoe fit REGION.yaml --labels ...`"
        )
    _check(loaded.metadata, head, path)
    inputs = loaded.metadata.inputs.get(key)
    if head.num_maps and inputs is not None and not inputs.knows_window(window):
        learned = " and ".join(map(str, inputs.windows_px))
        raise InferenceError(
            f"the head of own product {name!r} must be shown windows as it learned on, {learned} pixels, got {window}; "
            f"set inference.window to {inputs.windows_px[-1]}, or fit it again"
        )
    return OwnHead(
        name=name,
        head=head,
        classes=own_legend(loaded.metadata.configs[key].class_names),
        temperature=loaded.metadata.temperature(key),
        sha256=loaded.sha256,
        provenance=loaded.metadata.provenance,
        inputs=inputs,
    )


def _check(metadata: HeadMetadata, head: PixelHead, path: Path) -> None:
    if metadata.normalisation != NORMALISATION_ID:
        raise InferenceError(
            f"own classes must be fitted on input normalised as {NORMALISATION_ID!r}, got "
            f"{metadata.normalisation!r} in {path}; fit them again"
        )
    if head.num_statistics not in {0, NUM_STATISTICS}:
        raise InferenceError(
            f"own classes read {NUM_STATISTICS} statistics of a pixel or none, {path} reads {head.num_statistics}; "
            "fit them again"
        )
