"""A scene set comes back from disk equal in every value."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogs.errors import CatalogError
from catalogs.scenes import Annotation, Asset, Scene, SceneOutcome, SceneSet, Sighting
from catalogs.snapshot import read_snapshot, write_snapshot

TEXT = st.sampled_from(["", "a", "é", "日本", 'quote " and \\', "line\nbreak", "\0", "🛰"])
DEGREES = st.floats(-180, 180)
NUMBER = st.none() | st.floats(allow_nan=False)
# one NaN object for all, as the readers use it: NaN equals nothing but itself by identity
FILL = st.none() | st.just(math.nan) | st.sampled_from([0.0, -0.0, 65535.0, -math.inf])
INSTANT = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 bounds
    lambda instant: instant.replace(fold=0)
)
RING = st.lists(st.tuples(DEGREES, DEGREES), min_size=3, max_size=6).map(lambda v: (*v, v[0]))
ASSETS = st.lists(
    st.builds(
        Asset, band=TEXT, href=TEXT, epsg=st.none() | st.integers(0, 99999), nodata=FILL, scale=NUMBER, offset=NUMBER,
        unit=st.none() | TEXT, data_type=st.none() | TEXT, checksum=st.none() | TEXT,
        size_bytes=st.none() | st.integers(0, 2**62), shape=st.none() | st.tuples(*[st.integers(1, 10**6)] * 2),
        transform=st.none() | st.tuples(*[st.floats(allow_nan=False)] * 6),
    ),
    max_size=2,
).map(tuple)  # fmt: skip
ANNOTATIONS = st.builds(Annotation, kind=st.sampled_from(["calibration", "noise"]), href=TEXT, band=TEXT, swath=TEXT)
SCENES = st.builds(
    Scene, id=TEXT, collection=TEXT, sensor=TEXT, time=INSTANT, time_start=INSTANT, time_end=INSTANT, footprint=RING,
    assets=ASSETS, platform=TEXT, orbit_direction=TEXT, relative_orbit=st.none() | st.integers(0, 175),
    processing_baseline=TEXT, offset_applied=st.none() | st.booleans(), tile=TEXT, cloud_cover=NUMBER,
    sun_azimuth_deg=NUMBER, sun_elevation_deg=NUMBER, view_azimuth_deg=NUMBER, view_incidence_deg=NUMBER,
    item_href=TEXT, product_type=TEXT, acquisition_id=TEXT, tier=TEXT,
    generated=st.none() | INSTANT, annotations=st.lists(ANNOTATIONS, max_size=2).map(tuple),
)  # fmt: skip
SIGHTINGS = st.builds(
    Sighting, sensor=TEXT, platform=TEXT, time=INSTANT, relative_orbit=st.none() | st.integers(0, 175), tile=TEXT,
    acquisition_id=TEXT, composite=st.booleans(),
)  # fmt: skip
SKIPPED = st.builds(
    SceneOutcome, id=TEXT, collection=TEXT, outcome=st.just("skipped"), reason=st.just("outside"), detail=TEXT,
    sighting=st.none() | SIGHTINGS,
)  # fmt: skip
SETS = st.builds(
    SceneSet,
    scenes=st.lists(SCENES, max_size=2).map(tuple),
    skipped=st.lists(SKIPPED, max_size=2).map(tuple),
    unmatched=st.integers(0, 10**6),
    attribution=st.lists(TEXT, max_size=2).map(tuple),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scene_set=SETS)
def test_what_is_written_is_read(tmp_path, scene_set):
    path = tmp_path / "scenes.parquet"

    write_snapshot(scene_set, path)
    back = read_snapshot(path)

    assert back == scene_set
    assert repr(back) == repr(scene_set)  # tells -0.0 from 0.0
    assert back.input_hash() == scene_set.input_hash()


def one(**changes):
    values = {
        "id": "a",
        "collection": "c",
        "sensor": "sentinel-2-msi",
        "time": datetime(2021, 6, 1, tzinfo=UTC),
        "time_start": datetime(2021, 6, 1, tzinfo=UTC),
        "time_end": datetime(2021, 6, 1, tzinfo=UTC),
        "footprint": ((5.0, 50.0), (6.0, 50.0), (6.0, 51.0), (5.0, 50.0)),
        "assets": (Asset(band="B02", href="/b.tif", nodata=math.nan), Asset(band="B03", href="/c.tif", nodata=0.0)),
    }
    return SceneSet(scenes=(Scene(**(values | changes)),))


def test_nothing_nan_and_zero_stay_three_things(tmp_path):
    write_snapshot(one(cloud_cover=0.0), tmp_path / "s.parquet")

    (scene,) = read_snapshot(tmp_path / "s.parquet").scenes

    assert scene.cloud_cover == 0.0
    assert scene.sun_azimuth_deg is None
    assert [asset.nodata is not None and math.isnan(asset.nodata) for asset in scene.assets] == [True, False]
    assert scene.offset_applied is None


def test_the_file_is_geoparquet(tmp_path):
    write_snapshot(one(), tmp_path / "s.parquet")

    table = pq.read_table(tmp_path / "s.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])

    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "footprint")
    assert shapely.from_wkb(table["footprint"][0].as_py()).equals(shapely.Polygon([(5, 50), (6, 50), (6, 51)]))
    assert table["bbox"][0].as_py() == {"xmin": 5.0, "ymin": 50.0, "xmax": 6.0, "ymax": 51.0}


def test_equal_sets_give_equal_bytes(tmp_path):
    write_snapshot(one(), tmp_path / "a.parquet")
    write_snapshot(one(), tmp_path / "b.parquet")

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_another_time_zone_comes_back_as_the_same_instant_in_utc(tmp_path):
    east = datetime(2021, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    write_snapshot(one(time=east), tmp_path / "s.parquet")

    time = read_snapshot(tmp_path / "s.parquet").scenes[0].time

    assert time == east
    assert time.tzinfo is UTC


def test_an_open_ring_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="closed ring"):
        write_snapshot(one(footprint=((5.0, 50.0), (6.0, 50.0), (6.0, 51.0))), tmp_path / "s.parquet")

    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "text").write_text("no parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")

    with pytest.raises(CatalogError, match="search again"):
        read_snapshot(tmp_path / "text")
    with pytest.raises(CatalogError, match=r"version 2.*has none"):
        read_snapshot(tmp_path / "other.parquet")
    with pytest.raises(CatalogError, match="absent"):
        read_snapshot(tmp_path / "absent")
