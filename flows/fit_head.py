"""A fitted head as a file: what it is, what it belongs to, how sure it may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pipelines.inference.channels import NORMALISATION_ID
from ringmoe_core.heads import HeadConfig, HeadMetadata, save_heads

if TYPE_CHECKING:
    from pathlib import Path

    from ringmoe_core import LoadedModel
    from ringmoe_core.heads.head_inputs import HeadInputs
    from ringmoe_core.heads.pixel import PixelHead


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadNote:
    """What a report says of a head's file."""

    path: str
    task: str
    """Its name in the file."""

    sha256: str
    kind: str
    reads: str
    """Features, for a person."""

    temperature: float

    def to_dict(self) -> dict[str, object]:
        """Returns plain values."""
        return asdict(self)


def save_own_head(
    head: PixelHead,
    out: Path,
    *,
    task: str,
    class_names: tuple[str, ...],
    temperature: float,
    backbone: LoadedModel,
    provenance: str,
    inputs: HeadInputs,
) -> HeadNote:
    """Writes a head of pixels for use in a region, and returns what a report says of it."""
    options = {"maps": bool(head.num_maps), "statistics": head.num_statistics, "hidden": head.hidden}
    metadata = HeadMetadata(
        configs={task: HeadConfig(kind="pixel", task=task, class_names=class_names, options=options)},
        model_config=backbone.model.config,
        backbone_sha256=backbone.sha256,
        normalisation=NORMALISATION_ID,
        provenance=provenance,
        temperatures={task: temperature},
        inputs={task: inputs},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = save_heads({task: head}, out, metadata=metadata)
    parts = [f"{head.num_maps} channels of the decoded maps"] if head.num_maps else []
    parts += [f"{head.num_statistics} statistics of the pixel's series"] if head.num_statistics else []
    shape = f"one hidden layer of {head.hidden}" if head.hidden else "linear"
    return HeadNote(
        path=str(out),
        task=task,
        sha256=digest,
        kind=f"pixel, {shape}",
        reads=" and ".join(parts),
        temperature=temperature,
    )
