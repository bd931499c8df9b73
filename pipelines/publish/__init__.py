"""Published products: COG, GeoZarr, STAC items and the catalogue that lists them, each whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.publish.catalogue import write_catalog
    from pipelines.publish.cog import write_cog
    from pipelines.publish.context import ItemContext, SourceScene
    from pipelines.publish.errors import PublishError
    from pipelines.publish.geozarr import write_zarr
    from pipelines.publish.manifest import is_complete, product_key
    from pipelines.publish.publication import PublishedProduct, publish_product
    from pipelines.publish.validate import validate_catalog

__all__ = [
    "ItemContext",
    "PublishError",
    "PublishedProduct",
    "SourceScene",
    "is_complete",
    "product_key",
    "publish_product",
    "validate_catalog",
    "write_catalog",
    "write_cog",
    "write_zarr",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": ["write_catalog"],
        "cog": ["write_cog"],
        "context": ["ItemContext", "SourceScene"],
        "errors": ["PublishError"],
        "geozarr": ["write_zarr"],
        "manifest": ["is_complete", "product_key"],
        "publication": ["PublishedProduct", "publish_product"],
        "validate": ["validate_catalog"],
    },
)
