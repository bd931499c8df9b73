"""The six real Sentinel-1/Sentinel-2 pairs inside the installed wheel `bigearthnet-common`, read without its code."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

DISTRIBUTION: Final = "bigearthnet-common"
VERSION: Final = "2.8.0"
ARCHIVES: Final = ("BigEarthNet-S1-Example.tar.bz2", "BigEarthNet-S2-Example.tar.bz2")
MAX_MEMBER_BYTES: Final = 1_000_000
"""The largest member of the known archives holds 58 024 bytes."""

CLOCK_TOLERANCE: Final = timedelta(minutes=1)
"""How far the time in a patch's name may stand from the one in its labels before the patch is refused."""


class ArchiveError(RuntimeError):
    """The wheel's archives are absent, of another version or not what they are known to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch of one sensor, 1.2 km wide."""

    name: str
    bands: dict[str, bytes]
    """GeoTIFF files by band id (`B02`, `VV`), as published."""

    time: datetime
    """Acquisition in UTC, from the labels."""

    time_note: str
    """What is odd about the time in the name, '' where nothing is."""

    labels: tuple[str, ...]
    """CORINE Land Cover classes present somewhere in the patch: no map, no shares."""

    bounds: tuple[float, float, float, float]
    """x_min, y_min, x_max, y_max in metres of the patch's UTM zone, from the labels."""

    source: str
    """Name of the product that it was cut from."""

    partner: str
    """Name of the Sentinel-2 patch of a Sentinel-1 patch, '' for Sentinel-2."""


def read_pairs() -> list[tuple[Patch, Patch]]:
    """Returns the (Sentinel-1, Sentinel-2) patches of each place, sorted by the Sentinel-2 name.

    Raises:
        ArchiveError: The package is absent or of another version, or an archive is not as expected.
    """
    radar, optical = (read_archive(path) for path in locate_archives())
    by_name = {patch.name: patch for patch in optical}
    unpaired = [patch.name for patch in radar if patch.partner not in by_name]
    if unpaired or len(radar) != len(optical):
        raise ArchiveError(f"every Sentinel-1 patch names its Sentinel-2 patch, these do not: {unpaired}; reinstall")
    return sorted(((patch, by_name[patch.partner]) for patch in radar), key=lambda pair: pair[1].name)


def locate_archives() -> tuple[Path, ...]:
    """Returns the paths of the two archives inside the installed package.

    Raises:
        ArchiveError: The package is absent, of another version, or lacks an archive.
    """
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise ArchiveError(
            f"the demo needs {DISTRIBUTION}=={VERSION}, it is not installed; install the extra demo"
        ) from error
    if distribution.version != VERSION:
        raise ArchiveError(
            f"the demo reads {DISTRIBUTION}=={VERSION}, got {distribution.version}; install that version"
        )
    files = {file.name: Path(str(distribution.locate_file(file))) for file in distribution.files or ()}
    paths = tuple(files.get(name, Path(name)) for name in ARCHIVES)
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise ArchiveError(f"{DISTRIBUTION} must hold {list(ARCHIVES)}, it lacks {absent}; reinstall it")
    return paths


def read_archive(path: Path) -> list[Patch]:
    """Returns the patches of one archive, sorted by name; nothing is unpacked to disk.

    Raises:
        ArchiveError: A member is a link or a device, leaves the archive, is too large, or the content is incomplete.
    """
    folders: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path, mode="r:bz2") as archive:
        for member in archive:
            if member.isdir():
                continue
            name = _safe_name(member)
            stream = archive.extractfile(member)
            assert stream is not None, "a regular file has content"
            folders.setdefault(name.parent.name, {})[name.name] = stream.read()
    return [_patch(name, files) for name, files in sorted(folders.items())]


def _safe_name(member: tarfile.TarInfo) -> PurePosixPath:
    name = PurePosixPath(member.name)
    if not member.isreg() or name.is_absolute() or ".." in name.parts:
        raise ArchiveError(f"an archive may hold regular files below its root only, got {member.name!r}; reinstall")
    if member.size > MAX_MEMBER_BYTES:
        raise ArchiveError(
            f"a member may hold {MAX_MEMBER_BYTES} bytes, {member.name!r} holds {member.size}; reinstall"
        )
    return name


def _patch(name: str, files: dict[str, bytes]) -> Patch:
    bands = {key.removesuffix(".tif").rsplit("_", 1)[1]: data for key, data in files.items() if key.endswith(".tif")}
    label_files = [data for key, data in files.items() if key.endswith("_labels_metadata.json")]
    if not bands or len(label_files) != 1:
        raise ArchiveError(f"a patch holds bands and one labels file, {name} holds {sorted(files)}; reinstall")
    labels = json.loads(label_files[0])
    stated = datetime.fromisoformat(labels.get("acquisition_time") or labels["acquisition_date"]).replace(tzinfo=UTC)
    corner = labels["coordinates"]
    lower = corner["lry"] if "lry" in corner else corner["lly"]  # Sentinel-1 labels call the same corner lly
    return Patch(
        name=name,
        bands=dict(sorted(bands.items())),
        time=stated,
        time_note=time_note(name, stated),
        labels=tuple(labels["labels"]),
        bounds=(float(corner["ulx"]), float(lower), float(corner["lrx"]), float(corner["uly"])),
        source=labels.get("scene_source") or labels["tile_source"],
        partner=labels.get("corresponding_s2_patch", ""),
    )


def time_note(name: str, stated: datetime) -> str:
    """Returns what is odd about the time in a patch's name, '' where it is the stated time, written in full.

    Names of Sentinel-2 patches lost the leading zero of the hour (`T93020`), and one counts 61 seconds (`T94161`):
    it is no time of day. The labels state the time in full and are believed; the name is only held against them.

    Args:
        name: Name of the patch, with `YYYYMMDDTHHMMSS` or `YYYYMMDDTHMMSS` in it.
        stated: Acquisition time of the patch's labels.

    Raises:
        ArchiveError: The name holds no time, or one more than a minute from the stated one.
    """
    match = re.search(r"_(\d{8})T(\d{5,6})_", name)
    if match is None:
        raise ArchiveError(f"a patch's name holds its time as _YYYYMMDDTHHMMSS_, got {name!r}; reinstall")
    day, clock = match.groups()
    hour, minute, second = (int(part) for part in re.fullmatch(r"(\d\d?)(\d\d)(\d\d)", clock).groups())  # type: ignore[union-attr]
    named = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) + timedelta(hours=hour, minutes=minute, seconds=second)
    if abs(named - stated) > CLOCK_TOLERANCE:
        raise ArchiveError(f"name and labels of {name} must agree within a minute, labels say {stated}; reinstall")
    if second > 59:  # noqa: PLR2004 no leap second was ever inserted on this day
        return f"the name says T{clock}, no time of day; the labels' {stated:%H:%M:%S} is used"
    if named != stated:
        return f"the name says T{clock}; the labels' {stated:%H:%M:%S} is used"
    return f"the name says T{clock}, without the hour's leading zero" if len(clock) == 5 else ""  # noqa: PLR2004 HMMSS
