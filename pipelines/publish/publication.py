"""Publishes one product: its files, its item, its manifest, all at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from pipelines.publish.cog import write_cog
from pipelines.publish.errors import PublishError
from pipelines.publish.flags import is_classes
from pipelines.publish.geozarr import write_zarr
from pipelines.publish.item import SOFTWARE, build_item, href_of, item_folder, item_id
from pipelines.publish.manifest import (
    MANIFEST_NAME,
    Manifest,
    is_complete,
    list_files,
    product_key,
    read_manifest,
    write_manifest,
)
from pipelines.publish.placement import grid_of
from pipelines.publish.staging import recover, whole_folder, write_whole
from pipelines.publish.thumbnail import write_thumbnail

if TYPE_CHECKING:
    import xarray as xr

    from pipelines.grid import TargetGrid
    from pipelines.publish.context import ItemContext

OnProgress: TypeAlias = Callable[[int, int], None]
"""Told (steps done, steps planned)."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedProduct:
    """A product that lies whole in the output folder."""

    name: str
    """Of the product, the id of its collection."""

    path: Path
    """Folder of the item and all its files."""

    item_path: Path
    """The STAC item."""

    zarr_path: Path
    """The Zarr group, for `xarray.open_zarr(path, consolidated=False)`."""

    files: tuple[Path, ...]
    """Every file, the manifest included, sorted."""

    snapshot: str
    """Version of the cube that the product was made from."""

    rewritten: bool
    """False where an equal product was there already and no file was touched."""


def publish_product(
    dataset: xr.Dataset,
    *,
    name: str,
    folder: Path,
    context: ItemContext,
    on_progress: OnProgress | None = None,
) -> PublishedProduct:
    """Returns the product as published under products/<name>/<item id>: COGs, Zarr, thumbnail, item, manifest.

    A product with the same values, attributes and origin that is already there whole is left untouched. Otherwise
    everything is written in a hidden folder beside its place and renamed into it at the end, so that a killed run or
    a full disk leaves the old product, or none. `write_catalog` then lists it.

    Args:
        dataset: As `land_cover` or `change` makes it; computed here where lazy, held in memory whole.
        name: Lower-case letters, digits and '-'.
        folder: The output folder, where the catalogue lies.
        context: The origin; its snapshot and model must be those that the dataset names.
        on_progress: Told how many of the layers and other parts are written.

    Raises:
        PublishError: Bad name, origin or grid, no class layer, a full disk, or a folder that cannot be written.
    """
    _check(dataset, name, context)
    grid = grid_of(dataset)
    target = item_folder(folder, name, context)
    loaded = _localised(dataset, target, folder, context).compute()
    key = product_key(loaded, name=name, context=context)
    recover(target)
    rewritten = not is_complete(target, key)
    if rewritten:
        with whole_folder(target) as draft:
            _write(loaded, draft, name=name, root=folder, grid=grid, context=context, key=key, report=on_progress)
    return _published(target, name, context, rewritten=rewritten)


def _write(
    dataset: xr.Dataset,
    draft: Path,
    *,
    name: str,
    root: Path,
    grid: TargetGrid,
    context: ItemContext,
    key: str,
    report: OnProgress | None,
) -> None:
    stem = item_id(name, context)
    layers = list(dataset.data_vars.values())
    total = len(layers) + 2
    tags = _tags(dataset, context)
    for done, layer in enumerate(layers, start=1):
        write_cog(layer, draft / f"{stem}_{layer.name}.tif", grid=grid, tags=tags)
        _tell(report, done, total)
    write_zarr(dataset, draft / f"{stem}.zarr")
    _tell(report, total - 1, total)
    write_thumbnail(next(layer for layer in layers if is_classes(layer)), draft / f"{stem}.png")
    files = list_files(draft)
    item = build_item(dataset, name=name, root=root, grid=grid, context=context, files=files)
    write_whole(draft / f"{stem}.json", json.dumps(item, indent=1).encode() + b"\n")
    manifest = Manifest(product=name, key=key, item=f"{stem}.json", files=list_files(draft))
    write_manifest(draft, manifest)
    _tell(report, total, total)


def _check(dataset: xr.Dataset, name: str, context: ItemContext) -> None:
    if not _NAME.fullmatch(name):
        raise PublishError(f"a product's name is lower-case letters, digits and '-', got {name!r}; rename it")
    if not any(is_classes(layer) for layer in dataset.data_vars.values()):
        raise PublishError(f"a product has a class layer with flag_colors, got {sorted(map(str, dataset))}; add one")
    stated = {"cube_snapshot": context.cube_snapshot, "model_sha256": context.model_sha256}
    for attr, value in stated.items():
        if dataset.attrs.get(attr) != value:
            raise PublishError(
                f"{attr} of context and product must agree, got {value!r} and {dataset.attrs.get(attr)!r}"
            )


def _localised(dataset: xr.Dataset, target: Path, root: Path, context: ItemContext) -> xr.Dataset:
    """The dataset with the origin in its attributes, the cube named from where the product lies."""
    attrs = {
        **dataset.attrs,
        "cube_uri": href_of(context.cube_uri, target, root),
        "model_name": context.model_name,
        "processing_software": f"{SOFTWARE} {context.software_version}",
        "license": context.license,
        "attribution": "; ".join(context.attribution),
    }
    return dataset.assign_attrs(attrs)


def _tags(dataset: xr.Dataset, context: ItemContext) -> dict[str, str]:
    names = ("title", "cube_snapshot", "model_name", "model_sha256", "license")
    tags = {name: str(dataset.attrs[name]) for name in names if name in dataset.attrs}
    tags["TIFFTAG_SOFTWARE"] = f"{SOFTWARE} {context.software_version}"
    if context.attribution:
        tags["TIFFTAG_COPYRIGHT"] = "; ".join(context.attribution)
    return tags


def _published(target: Path, name: str, context: ItemContext, *, rewritten: bool) -> PublishedProduct:
    stem = item_id(name, context)
    manifest = read_manifest(target)
    assert manifest is not None  # written last, or found complete
    files = sorted([*(target / entry.path for entry in manifest.files), target / MANIFEST_NAME])
    return PublishedProduct(
        name=name,
        path=target,
        item_path=target / f"{stem}.json",
        zarr_path=target / f"{stem}.zarr",
        files=tuple(files),
        snapshot=context.cube_snapshot,
        rewritten=rewritten,
    )


def _tell(report: OnProgress | None, done: int, total: int) -> None:
    if report is not None:
        report(done, total)
