"""Stage five: the output catalogue over all products of the region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.paths import OutputPaths
from pipelines.publish import write_catalog

if TYPE_CHECKING:
    from flows.config import RegionConfig


def publish(config: RegionConfig) -> Path:
    """Returns the path of the output catalogue, after bringing it up to date.

    Raises:
        PublishError: No product is there, or the catalogue cannot be written.
    """
    span = f"{config.time.start:%Y-%m-%d} to {config.time.end:%Y-%m-%d}"
    return write_catalog(
        OutputPaths(root=config.output).root,
        catalog_id=config.name,
        title=f"Products of {config.name}",
        description=f"{', '.join(config.products)} of {config.name}, {span}, by RingMoE Datacube.",
    )
