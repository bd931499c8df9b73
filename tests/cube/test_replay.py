"""A date applied again beside what another run wrote meanwhile."""

import json

import numpy as np
import pytest
from fake_dates import draft_date, fake_scene, pixels_of

from pipelines.cube.plan import AlreadyThere
from pipelines.cube.replay import DateReplay
from pipelines.cube.store import create_store

ENTRY = {"band": "B02", "href": "a.tif", "fault": "timeout", "cause": "no answer"}


def failing(run, scene, *blocks):
    """A draft of a date of which some blocks could not be read."""
    draft = run.begin()
    draft_date(draft, scene)
    told = json.dumps({scene.id: [{**ENTRY, "blocks": list(blocks)}]}) if blocks else ""
    draft.root["s2/read_failures"][...] = np.array([told], dtype=object)
    return draft


@pytest.mark.parametrize(
    ("ours", "theirs", "gives_way"),
    [
        ([[0, 0, 32, 32]], [[0, 32, 32, 32]], True),  # each has what the other lacks: what stands, stays
        ([[0, 0, 32, 32], [0, 32, 32, 32]], [[0, 32, 32, 32]], True),
        ([[0, 0, 32, 32]], [[0, 0, 32, 32]], True),
        ([[0, 0, 32, 32]], [[0, 0, 32, 32], [0, 32, 32, 32]], False),
        ([], [[0, 0, 32, 32]], False),
    ],
)
def test_no_date_loses_pixels_to_a_slower_run(tmp_path, ours, theirs, gives_way):
    store, scene = create_store(tmp_path / "cube"), fake_scene("a")
    with store.run("one") as run:
        slow = failing(run, scene, *ours)
        replay = DateReplay(store=store, base=slow.base, group="s2", scene_ids=(scene.id,))
        changed = store.root(slow.commit("drafted", {}))
        failing(run, scene, *theirs).publish("the other run's", {})
        if gives_way:
            with pytest.raises(AlreadyThere):
                replay(run.begin(), changed)
        else:
            fresh = run.begin()
            replay(fresh, changed)
            fresh.publish("again", {})
            np.testing.assert_array_equal(store.root()["s2/reflectance"][0], pixels_of(scene.id))
            told = str(store.root()["s2/read_failures"][0])
            assert (json.loads(told)[scene.id][0]["blocks"] if told else []) == ours
