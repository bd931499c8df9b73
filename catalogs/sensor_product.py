"""One kind of product that a sensor's numbers are sold or given away as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Group = Literal["l8", "modis", "s1", "s2", "slc", "vhr"]
"""Groups of a cube, as `pipelines.schema` has them."""

Modality = Literal["ms", "optical", "sar_l1", "sar_l2"]
"""Kinds of input that a model may know: multispectral, colour images, complex and detected radar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What the pixels of a product are and where they go."""

    id: str
    modality: Modality
    quantity: str
    """In words."""

    source: tuple[str, ...]
    types: tuple[str, ...] = ()
    """Spellings of the product type in items, upper case."""

    collections: tuple[str, ...] = ()
    """Collections that hold nothing else."""

    group: Group | None = None
    """Group of the cube; None where none takes it, and its scenes are skipped."""

    mask: str = ""
    """Band that a scene must have besides its values, '' where none is needed."""

    nodata: float | None = None
    """Fill value where it differs from the sensor's other products."""

    pixel_spacing_range_m: float | None = None
    pixel_spacing_azimuth_m: float | None = None

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality) or self.group not in (None, *get_args(Group)):
            raise ValueError(
                f"product {self.id} needs a modality of {get_args(Modality)} and a group of {get_args(Group)} or none, "
                f"got {self.modality!r} and {self.group!r}; correct the facts"
            )
        if not self.source:
            raise ValueError(f"every product names the source of its facts, {self.id} does not; correct the facts")
