"""Places on disk, and the batches of chips that training draws from them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.places.draw import DrawConfig
    from pipelines.training.places.errors import PlaceError, PlaceStoreError, SamplerError
    from pipelines.training.places.from_cube import places_of_cube
    from pipelines.training.places.hold_out import HoldOut, split_of
    from pipelines.training.places.place import KINDS, Place
    from pipelines.training.places.sampler import ChipBatch, PlaceSampler, SamplerConfig, SamplerState
    from pipelines.training.places.store import PlaceStore, write_place

__all__ = [  # noqa: RUF022 plain order, as in every package
    "ChipBatch",
    "DrawConfig",
    "HoldOut",
    "KINDS",
    "Place",
    "PlaceError",
    "PlaceSampler",
    "PlaceStore",
    "PlaceStoreError",
    "SamplerConfig",
    "SamplerError",
    "SamplerState",
    "places_of_cube",
    "split_of",
    "write_place",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "draw": ["DrawConfig"],
        "errors": ["PlaceError", "PlaceStoreError", "SamplerError"],
        "from_cube": ["places_of_cube"],
        "hold_out": ["HoldOut", "split_of"],
        "place": ["KINDS", "Place"],
        "sampler": ["ChipBatch", "PlaceSampler", "SamplerConfig", "SamplerState"],
        "store": ["PlaceStore", "write_place"],
    },
)
