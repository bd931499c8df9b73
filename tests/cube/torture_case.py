"""Holds a build over the torture catalogue to its manifest: outcomes, values, reasons, and that nothing is silent."""

from collections import defaultdict

import numpy as np
import rasterio

from catalogs import SceneQuery, search
from pipelines.cube import BuildOptions, build_cube, open_cube
from pipelines.cube.read_policy import ReadPolicy
from pipelines.schema import VALUE_NAME, Reason
from pipelines.simulate.torture.place import COLLECTIONS

CHUNK = 64
QUICK = ReadPolicy(
    connect_s=2.0,
    stall_s=0.5,
    slowest_bytes_per_s=1e5,
    num_tries=3,
    backoff_s=0.01,
    longest_wait_s=0.2,
    verify="all",
)
OPTIONS = BuildOptions(chunk=CHUNK, num_threads=2, retries=1, retry_wait_s=0.01)
WHY_MISSING = Reason.NODATA | Reason.BORDER | Reason.READ_FAILED | Reason.OUTSIDE_SWATH


def search_place(place, source):
    """The scenes that a place asks of a catalogue."""
    ring = place.grid.footprint_wgs84()
    query = SceneQuery(
        bbox=place.grid.bbox_wgs84(), footprint=ring, start=place.start, end=place.end, collections=COLLECTIONS
    )
    return search(query, source)


def build_place(place, source, uri, options=OPTIONS):
    """What a build of a place gives: the search's answer and the build's."""
    found = search_place(place, source)
    return found, build_cube(found, place.grid, uri, options=options)


def complaints(manifest, folder, place, way, *, found, result):
    """Returns what differs from the manifest, in words; nothing where all is right."""
    entries = manifest.of(place.name, way)
    told = []
    rows = defaultdict(list)
    for row in result.outcomes:
        rows[row.id].append(row)
    expected = defaultdict(list)
    for entry in entries:
        expected[entry.id].append(entry)
    told += [f"{name}: in the report and not in the catalogue" for name in rows if name not in expected]
    groups = {name: open_cube(result.ref.uri, name).load() for name, count in result.dates.items() if count}
    for name, wanted in expected.items():
        told += _outcomes(name, wanted, rows[name], way)
        for entry in wanted:
            if entry.outcome(way).outcome == "used":
                told += [f"{name}: {text}" for text in _values(entry, entry.outcome(way), folder, groups)]
    stored = {name for data in groups.values() for ids in data.scene_ids.to_numpy() for name in str(ids).split()}
    unused = {name for name, wanted in expected.items() if all(e.outcome(way).outcome != "used" for e in wanted)}
    told += [f"{name}: its pixels are in the cube" for name in sorted(stored & unused)]
    return told + _silent(groups, entries, way, found)


def _outcomes(name, wanted, rows, way):
    right = sorted((o.outcome, o.reason) for o in (entry.outcome(way) for entry in wanted) if o.outcome != "unmatched")
    got = sorted((row.outcome, row.reason or "") for row in rows)
    if right != got:
        return [f"{name}: {right} expected, got {got}: {[row.detail for row in rows]}"]
    text = " | ".join(row.detail for row in rows)
    words = [word for entry in wanted for word in entry.outcome(way).words]
    return [f"{name}: the report says nothing of {word!r}: {text!r}" for word in words if word not in text]


def _values(entry, outcome, folder, groups):
    group = "s1" if entry.collection == "sentinel-1-grd" else "s2"
    if group not in groups:
        return ["no such group in the cube"]
    data = groups[group]
    at = [index for index, ids in enumerate(data.scene_ids.to_numpy()) if entry.id in str(ids).split()]
    if len(at) != 1:
        return [f"used at {len(at)} dates"]
    date = data.isel(time=at[0])
    values = date[VALUE_NAME[group]].sel(band=list(entry.bands)).to_numpy()
    reason = date.reason.to_numpy()
    with rasterio.open(folder / entry.truth) as file:
        truth = file.read()
    with rasterio.open(folder / entry.reasons) as file:
        right_reason = file.read(1)
    lost = _lost(outcome.lost_px, reason.shape)
    return [
        *_lost_is_said(lost, outcome.lost_px, values, reason),
        *_differs(entry, lost, (values, reason), (truth, right_reason)),
    ]


def _lost(lost_px, shape):
    """Chunks that hold what cannot be read."""
    lost = np.zeros(shape, dtype=bool)
    if lost_px is not None:
        row, col, height, width = lost_px
        top, left = row // CHUNK * CHUNK, col // CHUNK * CHUNK
        lost[top : -(-(row + height) // CHUNK) * CHUNK, left : -(-(col + width) // CHUNK) * CHUNK] = True
    return lost


def _lost_is_said(lost, lost_px, values, reason):
    failed = (reason & int(Reason.READ_FAILED)) != 0
    told = []
    if (failed & ~lost).any():
        told.append(f"{(failed & ~lost).sum()} pixels are marked as failed that could be read")
    if lost_px is not None:
        row, col, height, width = lost_px
        if not failed[row : row + height, col : col + width].all():
            told.append("what cannot be read is not marked as failed")
    if not np.isnan(values[:, failed]).all():
        told.append("pixels marked as failed have values")
    return told


def _differs(entry, lost, got, right):
    values, reason = (got[0][:, ~lost], got[1][~lost])
    truth, right_reason = (right[0][:, ~lost], right[1][~lost])
    told = []
    if (np.isnan(values) != np.isnan(truth)).any():
        more, less = (np.isnan(values) & ~np.isnan(truth)).sum(), (~np.isnan(values) & np.isnan(truth)).sum()
        told.append(f"{more} values are missing that are none, {less} are there that should be missing")
    error = np.abs(values.astype("float64") - truth)
    worst = float(np.nanmax(error, initial=0.0))
    if worst > entry.tolerance:
        beyond = (error > entry.tolerance).sum()
        told.append(f"{beyond} values differ by up to {worst:.6f}, {entry.tolerance} is allowed")
    strange = reason ^ right_reason
    if strange.any():
        bits = Reason(int(np.bitwise_or.reduce(strange)))
        told.append(f"reasons differ at {(strange != 0).sum()} pixels by {bits!r}")
    return told


def _silent(groups, entries, way, found):
    """Every missing pixel has a reason, every pixel without value is not valid, every unmatched item is counted."""
    told = []
    for name, data in groups.items():
        missing = np.isnan(data[VALUE_NAME[name]].to_numpy()).all(axis=1)
        reason = data.reason.to_numpy()
        if ((reason[missing] & int(WHY_MISSING)) == 0).any():
            told.append(f"{name}: pixels are missing without a reason")
        if data.valid.to_numpy()[missing].any():
            told.append(f"{name}: missing pixels are called valid")
    unmatched = sum(entry.outcome(way).outcome == "unmatched" for entry in entries)
    if way == "disk" and found.unmatched < unmatched:
        told.append(f"{unmatched} items are not asked for, {found.unmatched} are counted")
    return told
