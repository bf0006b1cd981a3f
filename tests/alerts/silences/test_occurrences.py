"""The runs of a maintenance window in a range, and when it begins next; evaluation decides by the same rules."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alerts.silences.occurrences import TimeRange, next_start, occurrences
from alerts.silences.schedule import is_running

DAY, MINUTE, MOMENT = timedelta(days=1), timedelta(minutes=1), timedelta(microseconds=1)
EACH_DAY = [1, 2, 3, 4, 5, 6, 7]


def weekly(days: list[int], start: time | str, minutes: int, zone: str = "UTC") -> dict[str, Any]:
    return {"weekdays": days, "local_start": start, "duration_minutes": minutes, "time_zone": zone}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


windows = st.builds(
    weekly,
    st.lists(st.integers(1, 7), min_size=1, unique=True),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.integers(1, 10_080),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]),
)
instants = st.datetimes(datetime(2010, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(window=windows, now=instants)
def test_the_next_start_is_the_first_one_after_now(window: dict[str, Any], now: datetime) -> None:
    starts = [span.start for span in occurrences(window, now, now + 20 * DAY) if span.start > now]
    begin = next_start(window, now)
    assert begin == starts[0]
    assert is_running(window, begin)


@given(window=windows, begin=instants, length=st.integers(1, 40))
def test_runs_overlap_the_range_in_order(window: dict[str, Any], begin: datetime, length: int) -> None:
    end = begin + length * DAY
    spans = occurrences(window, begin, end, most=1000)
    assert spans == sorted(set(spans))
    for span in spans:
        assert span.start < end
        assert span.end > begin
        assert span.end - span.start == timedelta(minutes=window["duration_minutes"])


def test_the_first_hundred_are_returned_of_more() -> None:
    begin = utc("2026-01-01 00:00")
    spans = occurrences(weekly(EACH_DAY, "12:00", 60), begin, begin + 366 * DAY)
    assert [span.start for span in spans] == [begin + timedelta(days=day, hours=12) for day in range(100)]


def test_a_run_that_only_touches_the_range_is_not_in_it() -> None:
    start, end = utc("2026-05-03 10:00"), utc("2026-05-03 12:00")
    once = {"weekdays": None, "starts_at": start, "ends_at": end}
    for window in (once, weekly([7], "10:00", 120)):
        assert occurrences(window, start - MINUTE, start) == []
        assert occurrences(window, end, end + MINUTE) == []
        assert occurrences(window, start - MINUTE, start + MOMENT) == [TimeRange(start, end)]
        assert occurrences(window, end - MOMENT, end + MINUTE) == [TimeRange(start, end)]


def test_a_window_that_runs_once_begins_once() -> None:
    start = utc("2026-05-03 10:00")
    once = {"weekdays": None, "starts_at": start, "ends_at": start + 2 * MINUTE}
    assert next_start(once, start - MOMENT) == start
    assert next_start(once, start) is None
    assert next_start(once, start + 3 * MINUTE) is None
