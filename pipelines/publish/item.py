"""The STAC 1.1 item of a product."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.publish.asset import entry_of, layer_asset, thumbnail_asset, zarr_asset
from pipelines.publish.placement import geometry_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from pipelines.grid import TargetGrid
    from pipelines.publish.context import ItemContext, SourceScene
    from pipelines.publish.manifest import FileEntry

STAC_VERSION: Final = "1.1.0"
SOFTWARE: Final = "ringmoe-datacube"
EXTENSIONS: Final = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("classification/v1.1.0", "file/v2.1.0", "processing/v1.2.0", "projection/v2.0.0", "raster/v2.0.0")
)
PRODUCTS_FOLDER: Final = "products"
"""Below the catalogue: products/<collection>/<item id>/<item id>.json."""

PROBABILITY_LAYERS: Final = ("confidence", "probability")
"""Layers whose comment says how probabilities are calibrated."""

COLLECTION_HREF: Final = "../collection.json"
ROOT_HREF: Final = "../../../catalog.json"
GEOJSON_TYPE: Final = "application/geo+json"


def item_id(name: str, context: ItemContext) -> str:
    """Returns region_product_start_end, the dates as YYYYMMDD in UTC; also the stem of every file's name."""
    start, end = (moment.astimezone(UTC).strftime("%Y%m%d") for moment in (context.start, context.end))
    return f"{context.region}_{name}_{start}_{end}"


def item_folder(root: Path, name: str, context: ItemContext) -> Path:
    """Returns where a product's item and files lie below the catalogue's root."""
    return root / PRODUCTS_FOLDER / name / item_id(name, context)


def build_item(
    dataset: xr.Dataset,
    *,
    name: str,
    root: Path,
    grid: TargetGrid,
    context: ItemContext,
    files: Sequence[FileEntry],
) -> dict[str, object]:
    """Returns the item as a JSON object: what the product is, where, when, of what, made how.

    Args:
        dataset: The product.
        name: Of the product, the id of its collection.
        root: Folder of the catalogue; what lies below it is named by relative hrefs.
        grid: Where the pixels lie.
        context: The origin.
        files: Of the product's folder, without the item itself.

    Raises:
        PublishError: A layer has no file.
    """
    stem = item_id(name, context)
    folder = item_folder(root, name, context)
    assets = {
        str(layer.name): layer_asset(layer, entry_of(files, f"{stem}_{layer.name}.tif"), grid)
        for layer in dataset.data_vars.values()
    }
    assets["zarr"] = zarr_asset(f"{stem}.zarr", f"{dataset.attrs.get('title', name)}, all layers")
    assets["thumbnail"] = thumbnail_asset(entry_of(files, f"{stem}.png"))
    geometry, bbox = geometry_of(grid)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": stem,
        "collection": name,
        "geometry": geometry,
        "bbox": bbox,
        "properties": _properties(dataset, grid, context, folder),
        "links": _links(context.scenes, root, folder),
        "assets": assets,
    }


def _properties(dataset: xr.Dataset, grid: TargetGrid, context: ItemContext, folder: Path) -> dict[str, object]:
    title = str(dataset.attrs.get("title", ""))
    properties: dict[str, object] = {
        "title": f"{title}, {context.region}",
        "datetime": None,
        "start_datetime": _utc(context.start),
        "end_datetime": _utc(context.end),
        "gsd": grid.resolution,
        "license": context.license,
        "proj:code": f"EPSG:{grid.epsg}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
        "processing:level": "L4",
        "processing:software": {SOFTWARE: context.software_version},
        "processing:lineage": _lineage(title, context, _calibration(dataset)),
        "ringmoe:model_name": context.model_name,
        "ringmoe:model_sha256": context.model_sha256,
        "ringmoe:cube": href_of(context.cube_uri, folder, folder.parents[2]),
        "ringmoe:cube_snapshot": context.cube_snapshot,
        "ringmoe:run_id": context.run_id,
    }
    if context.attribution:
        properties["ringmoe:attribution"] = list(context.attribution)
    if context.created is not None:
        properties["created"] = _utc(context.created)
    return properties


def _lineage(title: str, context: ItemContext, calibration: str) -> str:
    said = f"; probabilities are {calibration}" if calibration else ""
    return (
        f"{title} by the model {context.model_name} (SHA-256 {context.model_sha256}) over a cube of "
        f"{len(context.scenes)} scenes, version {context.cube_snapshot}{said}."
    )


def _calibration(dataset: xr.Dataset) -> str:
    """What the layer of probability says of itself; '' where there is none or it says nothing."""
    layers = [dataset[name] for name in PROBABILITY_LAYERS if name in dataset]
    return next((str(layer.attrs["comment"]) for layer in layers if layer.attrs.get("comment")), "")


def _links(scenes: Sequence[SourceScene], root: Path, folder: Path) -> list[dict[str, object]]:
    links: list[dict[str, object]] = [
        {"rel": "root", "href": ROOT_HREF, "type": "application/json"},
        {"rel": "parent", "href": COLLECTION_HREF, "type": "application/json"},
        {"rel": "collection", "href": COLLECTION_HREF, "type": "application/json"},
    ]
    for scene in sorted(scenes, key=lambda scene: (scene.id, scene.href)):
        href = href_of(scene.href, folder, root)
        links.append({"rel": "derived_from", "href": href, "type": GEOJSON_TYPE, "title": scene.id})
    return links


def href_of(href: str, folder: Path, root: Path) -> str:
    """Returns an address as it is; a local path relative to `folder` where it lies below `root`, else as file://."""
    if "://" in href:
        return href
    target = Path(href).resolve()
    if target.is_relative_to(root.resolve()):
        return Path(os.path.relpath(target, folder.resolve())).as_posix()
    return target.as_uri()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
