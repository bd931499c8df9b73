"""A static STAC catalogue of a folder of GeoTIFFs."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalogs.sensors import SENSOR_NAMES, load_sensor
from pipelines.own_files.errors import FileRefused
from pipelines.own_files.file_name import read_name
from pipelines.own_files.item import OwnFile, item_id, make_item, relative_href
from pipelines.own_files.options import OwnFilesOptions
from pipelines.own_files.raster import read_raster
from pipelines.own_files.sensor_choice import choose_sensor, collection_of
from pipelines.own_files.split import split_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pystac

    from catalogs.sensors import Sensor

MARK: Final = "ringmoe:own_files"
"""Field by which a catalogue is known to be made here: such a one may be replaced."""

SUFFIXES: Final = frozenset({".tif", ".tiff"})
RADAR: Final = frozenset({"hh", "hv", "vh", "vv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeItem:
    """An item that was written."""

    id: str
    collection: str
    sensor: str
    start: str
    end: str
    bands: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that stands in no item."""

    path: str
    """Below the folder."""

    reason: str
    """Rule, value and fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFilesResult:
    """What came of a folder."""

    catalog: str
    """Path of the catalogue, '' where no item could be made and nothing was written."""

    items: tuple[MadeItem, ...]
    refused: tuple[RefusedFile, ...]


def catalogue_folder(folder: Path, catalog: Path, options: OwnFilesOptions = OwnFilesOptions()) -> OwnFilesResult:  # noqa: B008 frozen
    """Writes a catalogue of the GeoTIFFs below a folder, and returns what became of each.

    Items go to `<name of the catalogue>_files/` beside it, with relative hrefs. Files whose band, sensor, time or place
    cannot be told are listed with the reason. Links that lead out of the folder are not followed.

    Args:
        folder: What to look through, all folders below it too.
        catalog: The catalogue to write. Readers follow hrefs below its folder alone, so that has to hold the files.
        options: What the files do not say.

    Raises:
        ValueError: There is no such folder, the files do not lie below the catalogue's, another file stands there, or
            a scale is said for several sensors.
    """
    root, catalog = folder.resolve(), catalog.resolve()
    _require_room(root, folder, catalog)
    store = catalog.with_name(f"{catalog.stem}_files")
    refused: list[RefusedFile] = []

    def refuse(path: Path, problem: FileRefused) -> None:
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        refused.append(RefusedFile(path=shown.as_posix(), reason=str(problem)))

    groups: dict[tuple[tuple[str, ...], bool], list[OwnFile]] = defaultdict(list)
    for path in _rasters(root, store, refuse):
        try:
            for file in _files(path, root, store, options):
                groups[file.name.key, file.band.lower().removeprefix("gamma0_") in RADAR].append(file)
        except FileRefused as problem:
            refuse(path, problem)
    items = list(_items(groups, options, refuse))
    _require_one_sensor(items, options)
    if items:
        _write(catalog, store, items)
    return OwnFilesResult(
        catalog=str(catalog) if items else "",
        items=tuple(_made(item, collection, sensor, store) for item, collection, sensor in items),
        refused=tuple(sorted(refused, key=lambda row: row.path)),
    )


def _require_room(root: Path, folder: Path, catalog: Path) -> None:
    if not root.is_dir():
        raise ValueError(f"a folder of GeoTIFFs must exist, got {folder}; correct the path")
    if not root.is_relative_to(catalog.parent):
        raise ValueError(
            f"files are read below the folder of their catalogue alone, {root} does not lie below {catalog.parent}; "
            f"write the catalogue to {root / 'catalog.json'}, or above it"
        )
    if not catalog.exists():
        return
    try:
        made_here = bool(json.loads(catalog.read_text(encoding="utf-8")).get(MARK))
    except (OSError, ValueError, AttributeError):
        made_here = False
    if not made_here:
        raise ValueError(f"{catalog} exists and was not made by this command; name another file by --out")


def _require_one_sensor(items: list[tuple[pystac.Item, str, Sensor]], options: OwnFilesOptions) -> None:
    sensors = sorted({sensor.name for _, _, sensor in items})
    if len(sensors) > 1 and (options.scale is not None or options.unit is not None):
        raise ValueError(
            f"scale, offset and unit hold for one sensor, the folder has {', '.join(sensors)}; make one catalogue for "
            "each, by --sensor and --out"
        )


def _rasters(root: Path, store: Path, refuse: Callable[[Path, FileRefused], None]) -> Iterator[Path]:
    for parent, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(parent, name) != store)
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for name in linked:
            refuse(Path(parent, name), FileRefused("a linked folder is not followed; move the files here"))
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() not in SUFFIXES or name.startswith("."):
                continue
            if not path.resolve().is_relative_to(root):
                refuse(path, FileRefused(f"a file lies below the folder, it leads to {path.resolve()}; copy it here"))
                continue
            yield path


def _files(path: Path, root: Path, store: Path, options: OwnFilesOptions) -> Iterator[OwnFile]:
    sensors = [load_sensor(name) for name in ((options.sensor,) if options.sensor else SENSOR_NAMES)]
    name = read_name(path.relative_to(root), sensors)
    facts = read_raster(path, checksum=options.checksums)
    if facts.count == 1:
        band = name.band or facts.names[0]
        if not band:
            raise FileRefused("the band must be known, neither name nor description has one; put B02 or VV in the name")
        yield OwnFile(name=name, facts=facts, band=band)
        return
    if not options.split:
        raise FileRefused(
            f"a file holds one band, it holds {facts.count}; add --split to have each band written as a file of its own"
        )
    target = store / "bands" / path.relative_to(root).parent
    for band, part in split_file(facts, options.bands, target).items():
        yield OwnFile(name=name, facts=read_raster(part, checksum=options.checksums), band=band)


def _items(
    groups: dict[tuple[tuple[str, ...], bool], list[OwnFile]],
    options: OwnFilesOptions,
    refuse: Callable[[Path, FileRefused], None],
) -> Iterator[tuple[pystac.Item, str, Sensor]]:
    taken: set[str] = set()
    short = [item_id(key) for key, _ in groups]
    for (key, radar), files in sorted(groups.items()):
        try:
            hint = next((file.name.sensor for file in files if file.name.sensor), "")
            sensor = choose_sensor((file.band for file in files), hint, options.sensor)
            identity = item_id(key, whole=short.count(item_id(key)) > 1)
            identity = f"{identity}-sar" if radar and identity in taken else identity
            item = make_item(identity, files, sensor, options)
        except FileRefused as problem:
            for file in files:
                refuse(file.facts.path, problem)
            continue
        taken.add(identity)
        yield item, options.collection or collection_of(sensor), sensor


def _write(catalog: Path, store: Path, items: Iterable[tuple[pystac.Item, str, Sensor]]) -> None:
    members: dict[str, list[tuple[pystac.Item, Sensor]]] = defaultdict(list)
    for item, collection, sensor in items:
        members[collection].append((item, sensor))
    links = [{"rel": "self", "href": f"./{catalog.name}"}]
    for name, found in sorted(members.items()):
        path = store / name / "collection.json"
        _write_collection(path, name, found)
        links.append({"rel": "child", "href": relative_href(path, catalog), "type": "application/json"})
    _write_json(
        catalog,
        {
            "type": "Catalog",
            "stac_version": "1.1.0",
            "id": "own-files",
            "description": f"GeoTIFFs of {catalog.parent.name}",
            MARK: True,
            "links": links[1:],
        },
    )


def _write_collection(path: Path, name: str, found: list[tuple[pystac.Item, Sensor]]) -> None:
    links = []
    for item, _ in found:
        target = path.parent / f"{item.id}.json"
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        document["collection"] = name
        document["links"] = [{"rel": "collection", "href": "./collection.json", "type": "application/json"}]
        for asset in document["assets"].values():
            asset["href"] = relative_href(Path(asset["href"]), target)
        _write_json(target, document)
        links.append({"rel": "item", "href": f"./{target.name}", "type": "application/geo+json"})
    boxes = [item.bbox or [] for item, _ in found]
    spans = [_span(item) for item, _ in found]
    _write_json(
        path,
        {
            "type": "Collection",
            "stac_version": "1.1.0",
            "id": name,
            "description": f"Own files of {', '.join(sorted({sensor.name for _, sensor in found}))}",
            "license": "other",
            "extent": {
                "spatial": {"bbox": [[*map(min, *_columns(boxes)[:2]), *map(max, *_columns(boxes)[2:])]]},
                "temporal": {"interval": [[min(start for start, _ in spans), max(end for _, end in spans)]]},
            },
            "links": links,
        },
    )


def _columns(boxes: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*boxes, strict=True)]


def _span(item: pystac.Item) -> tuple[str, str]:
    properties = item.to_dict(include_self_link=False, transform_hrefs=False)["properties"]
    moment = properties["datetime"]
    return (moment, moment) if moment else (properties["start_datetime"], properties["end_datetime"])


def _made(item: pystac.Item, collection: str, sensor: Sensor, store: Path) -> MadeItem:
    start, end = _span(item)
    return MadeItem(
        id=item.id,
        collection=collection,
        sensor=sensor.name,
        start=start,
        end=end,
        bands=tuple(item.assets),
        path=str(store / collection / f"{item.id}.json"),
    )


def _write_json(path: Path, document: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(document, indent=2), encoding="utf-8")
    part.replace(path)
