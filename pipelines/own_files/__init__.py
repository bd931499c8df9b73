"""A user's own GeoTIFFs as a static STAC catalogue, so that files without STAC can be used like all others."""

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["MadeItem", "OwnFilesResult", "RefusedFile", "catalogue_folder"],
        "options": ["OwnFilesOptions"],
    },
)

if TYPE_CHECKING:
    from pipelines.own_files.catalogue import MadeItem, OwnFilesResult, RefusedFile, catalogue_folder
    from pipelines.own_files.options import OwnFilesOptions

__all__ = ["MadeItem", "OwnFilesOptions", "OwnFilesResult", "RefusedFile", "catalogue_folder"]
