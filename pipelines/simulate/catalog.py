"""A simulated region on disk: a static STAC catalogue of its scenes, and the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pystac

from pipelines.legend import CHANGE, CHANGE_NODATA, LAND_COVER, LAND_COVER_NODATA
from pipelines.simulate.item import COLLECTIONS, write_item
from pipelines.simulate.raster import write_cog

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.simulate.region import SimulatedRegion

TRUTH_FOLDER = "truth"

TITLES = {
    "s2": "Simulated Sentinel-2 Level-2A scenes",
    "s1": "Simulated Sentinel-1 IW GRD scenes, sigma0 as linear power",
}


def write_catalog(region: SimulatedRegion, folder: Path) -> Path:
    """Writes the scenes of a region as GeoTIFFs with items, and its truth; returns the path of `catalog.json`.

    Items, collections and the catalogue hold relative links only: the folder can be moved. Files of the same name are
    replaced, equal regions give equal bytes.

    Args:
        region: What to write.
        folder: Made where it does not exist. Scenes go to `<collection>/<id>/`, the truth to `truth/`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    catalog = pystac.Catalog(
        id=f"simulated-region-{region.spec.seed}",
        title=f"Simulated region {region.spec.seed}",
        description="Scenes made by a simulator, with known truth; no satellite saw them.",
    )
    for group, name in COLLECTIONS.items():
        scenes = [scene for scene in region.acquisitions if scene.group == group]
        items = [write_item(scene, region.grid, folder / name / scene.id) for scene in scenes]
        catalog.add_child(_collection(group, name, items))
    _write_truth(region, folder / TRUTH_FOLDER)
    catalog.normalize_and_save(str(folder), catalog_type=pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


def _collection(group: str, name: str, items: list[pystac.Item]) -> pystac.Collection:
    """Returns a collection that holds the items."""
    times = [item.datetime for item in items if item.datetime is not None]
    collection = pystac.Collection(
        id=name,
        title=TITLES[group],
        description=f"{TITLES[group]}, in the layout of a public catalogue. Not satellite data.",
        license="CC0-1.0",
        extent=pystac.Extent(
            pystac.SpatialExtent([items[0].bbox or []]),
            pystac.TemporalExtent([[min(times), max(times)]]),
        ),
    )
    collection.add_items(items)
    return collection


def _write_truth(region: SimulatedRegion, folder: Path) -> None:
    """Writes land cover, change and the index of the date of change, as `land_cover.tif` and so on."""
    grid = region.grid
    layers = (
        ("land_cover", region.land_cover, LAND_COVER_NODATA.code, (*LAND_COVER, LAND_COVER_NODATA)),
        ("change", region.change, CHANGE_NODATA.code, (*CHANGE, CHANGE_NODATA)),
        ("change_epoch", region.change_epoch, -1, ()),
    )
    for name, plane, nodata, legend in layers:
        write_cog(
            folder / f"{name}.tif",
            plane,
            epsg=grid.epsg,
            corner=(grid.x_min, grid.y_max),
            resolution=grid.resolution,
            nodata=nodata,
            colours={entry.code: entry.rgb for entry in legend} or None,
        )
