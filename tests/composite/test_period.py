"""Periods by the calendar, solar days by the sun."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.composite.period import Period, gather, period_of, solar_day

INSTANTS = st.datetimes(datetime(1972, 1, 1), datetime(2060, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("length", "start", "end"),
    [
        ("month", (2023, 2, 1), (2023, 3, 1)),
        ("quarter", (2023, 1, 1), (2023, 4, 1)),
        ("year", (2023, 1, 1), (2024, 1, 1)),
        ("10d", (2023, 2, 12), (2023, 2, 22)),  # 19400 days after 1970-01-01
    ],
)
def test_a_date_belongs_to_its_period(length, start, end):
    period = period_of(datetime(2023, 2, 14, 10, 30, tzinfo=UTC), length)
    assert period == Period(start=datetime(*start, tzinfo=UTC), end=datetime(*end, tzinfo=UTC))


@given(INSTANTS, st.sampled_from(["month", "quarter", "year", "1d", "5d", "16d"]))
def test_periods_follow_each_other_without_a_gap(time, length):
    period = period_of(time, length)
    assert period.holds(time)
    assert period_of(period.start, length) == period
    following = period_of(period.end, length)
    assert following.start == period.end
    assert period_of(period.start - timedelta(microseconds=1), length).end == period.start


@given(st.lists(INSTANTS, max_size=12))
def test_every_date_is_gathered_once(times):
    members = gather(times, "month")
    assert sorted(index for indices in members.values() for index in indices) == list(range(len(times)))
    assert list(members) == sorted(members)
    assert all(period.holds(times[index]) for period, indices in members.items() for index in indices)


def test_a_pass_over_midnight_utc_is_one_solar_day():
    # Fiji, 178 degrees east: 22:15 UTC is the morning of the next day there
    assert solar_day(datetime(2023, 5, 1, 22, 15, tzinfo=UTC), 178.0) == date(2023, 5, 2)
    assert solar_day(datetime(2023, 5, 1, 23, 55, tzinfo=UTC), 178.0) == solar_day(
        datetime(2023, 5, 2, 0, 5, tzinfo=UTC), 178.0
    )
    assert solar_day(datetime(2023, 5, 1, 10, 30, tzinfo=UTC), 5.0) == date(2023, 5, 1)


@given(INSTANTS, st.floats(-180, 180))
def test_solar_days_follow_each_other_without_a_gap(time, longitude_deg):
    period = period_of(time, "solar-day", longitude_deg)
    assert period.holds(time)
    assert period_of(period.start, "solar-day", longitude_deg) == period
    assert period_of(period.end, "solar-day", longitude_deg).start == period.end
    assert solar_day(period.middle, longitude_deg) == solar_day(time, longitude_deg)


def test_two_passes_of_one_morning_are_one_image():
    late, early = datetime(2023, 5, 1, 23, 55, tzinfo=UTC), datetime(2023, 5, 2, 0, 5, tzinfo=UTC)
    assert len(gather([late, early], "1d")) == 2
    assert list(gather([late, early], "solar-day", 178.0).values()) == [(0, 1)]


@pytest.mark.parametrize("wrong", ["week", "-3d", "d", "10 d", ""])
def test_an_unknown_length_is_refused(wrong):
    with pytest.raises(ValueError, match="a period is one of"):
        period_of(datetime(2023, 1, 1, tzinfo=UTC), wrong)


def test_a_longitude_out_of_range_is_refused():
    with pytest.raises(ValueError, match="-180 to 180"):
        solar_day(datetime(2023, 1, 1, tzinfo=UTC), 190)
