"""Whole dates of known pixels written straight to a store: what concurrency, history and expiry are tested with."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
from made_scenes import GRID, scene_of

from catalogs import load_sensor
from pipelines.cube.acquisition import microseconds
from pipelines.cube.configuration import CubeConfiguration
from pipelines.cube.fields import STRING_COORDS
from pipelines.cube.group import GroupTemplate, array_of, create_group, make_room, stored_dates, write_coords
from pipelines.cube.lineage import lineage_of
from pipelines.cube.plan import place
from pipelines.cube.replay import DateReplay
from pipelines.cube.stored_scene import RECORD_KEY, scene_record
from pipelines.schema import PER_TIME_COORDS, SCHEMA_VERSION, VALUE_NAME, Reason

BANDS = ("B02", "B04")
CHUNK = 32
"""30 x 32 and 30 x 8 px: the former are objects of their own, the latter lie in the manifest."""


def pixels_of(scene_id, group="s2"):
    """(band, y, x) as stored: no value is the fill, so that a missing chunk shows."""
    seed = int.from_bytes(hashlib.sha256(scene_id.encode()).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    if group == "s2":
        return rng.integers(1, 10000, (len(BANDS), *GRID.shape)).astype("int16")
    return rng.gamma(4.0, 0.02, (2, *GRID.shape)).astype("float32")


def fake_scene(scene_id, day=0.0, *, sensor="sentinel-2-msi", **facts):
    time = datetime(2021, 3, 1, 10, 50, tzinfo=UTC) + timedelta(days=day)
    return scene_of(scene_id, (), sensor=sensor, time=time, **{"platform": "sentinel-2a", "tile": "31UFS", **facts})


def draft_date(draft, scene, group="s2"):
    """Writes a date to a draft, pixel by pixel as a build does; returns nothing, publishes nothing."""
    root = draft.root
    configuration = CubeConfiguration(grid=GRID, bands={})
    root.attrs.update(
        {
            "schema_version": SCHEMA_VERSION,
            "configuration": configuration.digest,
            "grid": GRID.to_dict(),
            "recipe": {},
            "attribution": f"attribution of {scene.collection}",
        }
    )
    if group not in root:
        names = BANDS if group == "s2" else ("VV", "VH")
        bands = tuple(load_sensor(scene.sensor).band(name) for name in names)
        create_group(root, GroupTemplate(name=group, grid=GRID, bands=bands, chunk=CHUNK, title="fake"))
    target = root[group]
    placement = place(microseconds(scene.time), (scene,), stored_dates(target))
    index = make_room(target, placement.order)
    array_of(target, VALUE_NAME[group])[index] = pixels_of(scene.id, group)
    array_of(target, "valid")[index] = True
    array_of(target, "reason")[index] = int(Reason.NOT_MASKED)
    values = {name: "" if name in STRING_COORDS else float("nan") for name in PER_TIME_COORDS}
    values |= {
        "scene_ids": scene.id,
        "platform": scene.platform,
        "processing_baseline": scene.processing_baseline,
        "radiometric_evidence": json.dumps({scene.id: {RECORD_KEY: scene_record(scene), "notes": []}}),
        "lineage": lineage_of(placement, snapshot=draft.base, now=datetime.now(UTC)),
    }
    time_us = microseconds(scene.time)
    write_coords(target, placement.order, time_us=time_us, bounds_us=(time_us, time_us), values=values)


def put_date(run, scene, group="s2", between=lambda: None):
    """Writes and publishes a date; `between` is called when it is drafted and not yet committed."""
    draft = run.begin()
    draft_date(draft, scene, group)
    between()
    replay = DateReplay(store=run.store, base=draft.base, group=group, scene_ids=(scene.id,))
    facts = {"group": group, "scenes": [scene.id], "schema_version": SCHEMA_VERSION}
    return draft.publish(f"{group} {scene.time:%Y-%m-%d}: {scene.id}", facts, replay=replay)


def require_whole(root):
    """Raises where any date of a root group is not exactly what was written; returns the ids seen by group."""
    seen = {}
    for group in ("s2", "s1"):
        if group not in root:
            continue
        held = root[group]
        dates = stored_dates(held)
        times = [date.time_us for date in dates]
        assert times == sorted(set(times)), times
        for name in ("time", "time_bounds", VALUE_NAME[group], "valid", "reason", *PER_TIME_COORDS):
            assert held[name].shape[0] == len(dates), (group, name, held[name].shape, len(dates))
        for index, date in enumerate(dates):
            (scene_id,) = date.scene_ids
            np.testing.assert_array_equal(held[VALUE_NAME[group]][index], pixels_of(scene_id, group))
            assert held["valid"][index].all(), scene_id
            assert (held["reason"][index] == int(Reason.NOT_MASKED)).all(), scene_id
        seen[group] = [date.scene_ids[0] for date in dates]
    return seen
