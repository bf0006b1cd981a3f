"""Times as microseconds: exact in both directions, and apart by the same as the times themselves."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from core.micros import SECOND, from_span, from_time, to_time

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(first=TIMES, second=TIMES)
def test_times_and_their_distance_are_exact(first: datetime, second: datetime) -> None:
    assert to_time(from_time(first)) == first
    assert from_span(second - first) == from_time(second) - from_time(first)
    assert from_time(first) / SECOND == first.timestamp()
    assert from_span(second - first) / SECOND == (second - first).total_seconds()


def test_a_time_of_another_zone_is_the_same_instant() -> None:
    there = datetime(2026, 5, 3, 14, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert to_time(from_time(there)) == there
    assert to_time(from_time(there)).tzinfo is UTC
