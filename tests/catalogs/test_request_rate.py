"""One rate for a service, whatever the number of threads."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.rate import TokenBucket, before_reading, bucket, hold


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 5),
    waits=st.lists(st.floats(0, 3), max_size=40),
)
def test_no_window_holds_more_requests_than_rate_and_burst_allow(rate, burst, waits):
    clock = Clock()
    turns = TokenBucket(rate, burst=burst, clock=clock, sleep=clock.sleep)
    went = []
    for wait in waits:
        clock.now += wait
        turns.take()
        went.append(clock.now)

    for first in range(len(went)):
        for last in range(first, len(went)):
            assert last - first + 1 <= burst + (went[last] - went[first]) * rate + 1e-6


def test_a_bucket_that_rests_lends_no_more_than_its_burst():
    clock = Clock()
    turns = TokenBucket(2.0, burst=3, clock=clock, sleep=clock.sleep)
    clock.now = 1000.0

    assert [turns.take() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]


def test_several_requests_are_taken_at_once():
    clock = Clock()
    turns = TokenBucket(2.0, clock=clock, sleep=clock.sleep)

    assert (turns.take(4), turns.take()) == (0.0, 2.0)


def test_a_pause_holds_for_everybody():
    clock = Clock()
    turns = TokenBucket(10.0, burst=4, clock=clock, sleep=clock.sleep)
    turns.hold(30.0)

    assert turns.take() == 30.0
    assert turns.take() == pytest.approx(0.1)


def test_threads_share_the_rate():
    turns = bucket("https://test.example", 50.0)
    started = time.monotonic()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bucket("https://test.example", 50.0).take(), range(11)))

    assert time.monotonic() - started >= 10 / 50
    assert bucket("https://test.example", 50.0) is turns


def test_reading_is_limited_where_a_provider_says_so():
    assert before_reading("/data/B02.tif") == before_reading("https://sentinel-cogs.example/B02.tif") == 0.0
    before_reading("s3://eodata/B02.jp2")

    assert 0 < before_reading("https://eodata.dataspace.copernicus.eu/eodata/B02.jp2") <= 60 / 2000


def test_a_busy_host_is_left_alone_by_all(monkeypatch):
    hold("/data/B02.tif", 60.0)
    hold("https://nobody.example/B02.tif", 60.0)
    hold("s3://eodata/B02.jp2", 0.2)
    started = time.monotonic()

    before_reading("s3://eodata/B03.jp2")

    assert time.monotonic() - started >= 0.19


def test_local_paths_import_nothing():
    code = (
        "import sys; from catalogs.rate import before_reading; before_reading('/a.tif'); "
        "assert 'catalogs.providers' not in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_is_positive(rate, burst):
    with pytest.raises(ValueError, match="a rate is above 0"):
        TokenBucket(rate, burst=burst)
