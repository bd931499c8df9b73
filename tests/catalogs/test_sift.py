"""Whatever an item holds, it ends in exactly one heap, and no item ends a search."""

import copy
import math
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogs.item import FoundItem
from catalogs.providers import EARTH_SEARCH
from catalogs.sift import sift

JUNK = (
    None, 0, -1, 10**400, math.nan, math.inf, "", "x", "9999-12-31T23:59:59-12:00", True, [], {}, [[]], [{}], [None],
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [math.nan, 0], [0, 0]]]},
)  # fmt: skip


def places(value, path=()):
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), count=st.integers(1, 3))
def test_junk_anywhere_in_an_item_is_accounted_for(item, query, seed, count):
    chance = random.Random(seed)
    document = item()
    for _ in range(count):
        *path, last = chance.choice(sorted(places(document), key=repr))
        holder = document
        for key in path:
            holder = holder[key]
        holder[last] = copy.deepcopy(chance.choice(JUNK))
    entry = FoundItem(id="a", collection="sentinel-2-l2a", href="https://x.example/a", document=document)

    answer = sift(query, [entry], EARTH_SEARCH)

    assert len(answer.scenes) + len(answer.skipped) + answer.unmatched == 1


def test_an_item_that_says_nothing_of_clouds_or_sun_says_none(item, found, query):
    document = item(properties={"eo:cloud_cover": None, "view:sun_azimuth": None, "view:sun_elevation": None})

    (scene,) = sift(query, [found(document)], EARTH_SEARCH).scenes

    assert (scene.cloud_cover, scene.sun_azimuth_deg, scene.sun_elevation_deg) == (None, None, None)
