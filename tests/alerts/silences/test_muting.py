"""When maintenance windows run and when a rule's hours hold, whatever the clocks do."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.silences.schedule import is_active, is_running

MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
BERLIN, AUCKLAND = "Europe/Berlin", "Pacific/Auckland"


def weekly(days: Iterable[int], start: str, minutes: int, zone: str = "UTC") -> dict[str, Any]:
    return {
        "weekdays": list(days), "local_start": time.fromisoformat(start), "duration_minutes": minutes,
        "time_zone": zone,
    }  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def running(window: dict[str, Any], begin: str, end: str, step: timedelta = MINUTE) -> tuple[str, str]:
    """Return the first instant at which a window runs and the first after it, within a range."""
    at, seen = utc(begin), []
    while at < utc(end):
        if is_running(window, at):
            seen.append(at)
        at += step
    assert len(seen) == (seen[-1] - seen[0]) / step + 1, "it pauses"
    return f"{seen[0]:%d %H:%M}", f"{seen[-1] + step:%d %H:%M}"


def test_once_runs_from_its_beginning_to_before_its_end() -> None:
    window = {"weekdays": None, "starts_at": utc("2026-05-03 10:00"), "ends_at": utc("2026-05-03 12:00")}
    assert running(window, "2026-05-03 09:00", "2026-05-03 13:00") == ("03 10:00", "03 12:00")


@pytest.mark.parametrize(
    ("window", "range_", "wanted"),
    [
        # 2026-05-04 is a Monday.
        (weekly([1], "22:00", 60), ("2026-05-04 00:00", "2026-05-05 12:00"), ("04 22:00", "04 23:00")),
        (weekly([1], "22:00", 240), ("2026-05-04 00:00", "2026-05-05 12:00"), ("04 22:00", "05 02:00")),
        (weekly([7], "22:00", 240), ("2026-05-03 00:00", "2026-05-04 12:00"), ("03 22:00", "04 02:00")),
        (weekly([1], "22:00", 60, BERLIN), ("2026-05-04 00:00", "2026-05-05 12:00"), ("04 20:00", "04 21:00")),
        (weekly([1], "00:30", 60, BERLIN), ("2026-05-03 12:00", "2026-05-04 12:00"), ("03 22:30", "03 23:30")),
        (weekly([1], "08:00", 600, AUCKLAND), ("2026-05-03 12:00", "2026-05-04 12:00"), ("03 20:00", "04 06:00")),
        # Several days in a row, each running into the next.
        (weekly([1, 2, 3], "12:00", 1440), ("2026-05-04 00:00", "2026-05-08 00:00"), ("04 12:00", "07 12:00")),
    ],
)  # fmt: skip
def test_a_weekly_window_runs_over_midnight_and_into_the_next_week(
    window: dict[str, Any], range_: tuple[str, str], wanted: tuple[str, str]
) -> None:
    assert running(window, *range_) == wanted


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("00:00", ("28 23:00", "29 03:00")),  # Berlin puts its clocks forward at 01:00 UTC
        ("02:30", ("29 01:30", "29 05:30")),  # a time that isn't there: as if the clocks hadn't been put forward
        ("03:00", ("29 01:00", "29 05:00")),
    ],
)
def test_clocks_put_forward_make_no_window_shorter(start: str, wanted: tuple[str, str]) -> None:
    assert running(weekly([7], start, 240, BERLIN), "2026-03-28 12:00", "2026-03-29 12:00") == wanted


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("00:00", ("24 22:00", "25 02:00")),  # and back at 01:00 UTC
        ("02:30", ("25 00:30", "25 04:30")),  # a time that comes twice: the first
        ("03:00", ("25 02:00", "25 06:00")),
    ],
)
def test_clocks_put_back_make_no_window_longer(start: str, wanted: tuple[str, str]) -> None:
    assert running(weekly([7], start, 240, BERLIN), "2026-10-24 12:00", "2026-10-25 12:00") == wanted


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_a_window_of_a_whole_week_is_always_running(change: str) -> None:
    window = weekly([6], "23:30", 7 * 1440, BERLIN)
    at = utc(f"{change} 12:00") - 2 * timedelta(days=5)
    # When clocks are put back, a week has an hour more than the window.
    gap = [
        at + number * 10 * MINUTE for number in range(6 * 24 * 20) if not is_running(window, at + number * 10 * MINUTE)
    ]
    assert len(gap) * 10 == (60 if change.endswith("10-25") else 0)


ZONES = st.sampled_from(
    ["UTC", BERLIN, "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
)


@given(
    day=st.dates(date(2024, 1, 1), date(2027, 12, 1)), start=st.times(), minutes=st.integers(1, 10_080), zone=ZONES,
    part=st.floats(0, 0.999),
)  # fmt: skip
def test_a_weekly_window_lasts_as_long_as_it_says(day: date, start: time, minutes: int, zone: str, part: float) -> None:
    window = weekly([day.isoweekday()], f"{start:%H:%M}", minutes, zone)
    begin = datetime.combine(day, window["local_start"], ZoneInfo(zone)).astimezone(UTC)
    length, second = minutes * MINUTE, timedelta(seconds=1)
    assert all(is_running(window, at) for at in (begin, begin + length * part, begin + length - second))
    if length < WEEK - timedelta(hours=2):  # else it runs into the next where clocks are put forward
        assert not is_running(window, begin + length)
        assert not is_running(window, begin - second)
        # What runs is this one: nothing else in the six days around it.
        assert not is_running(window, begin + length + (WEEK - length - timedelta(hours=2)) * part)


def hours(begin: str, end: str, *days: int, zone: str = BERLIN) -> dict[str, Any]:
    return {"days": list(days), "from": begin, "to": end, "time_zone": zone}


@pytest.mark.parametrize(
    ("of", "at", "holds"),
    [
        (hours("08:00", "18:00", 1), "2026-05-04 06:00", True),  # Monday, 08:00 in Berlin
        (hours("08:00", "18:00", 1), "2026-05-04 05:59", False),
        (hours("08:00", "18:00", 1), "2026-05-04 15:59", True),
        (hours("08:00", "18:00", 1), "2026-05-04 16:00", False),
        (hours("08:00", "18:00", 1), "2026-05-05 08:00", False),
        (hours("22:00", "06:00", 7), "2026-05-03 20:00", True),  # Sunday, 22:00
        (hours("22:00", "06:00", 7), "2026-05-04 03:59", True),
        (hours("22:00", "06:00", 7), "2026-05-04 04:00", False),
        (hours("22:00", "06:00", 7), "2026-05-03 03:00", False),  # the night before wasn't Sunday's
        (hours("22:00", "00:00", 7), "2026-05-03 21:59", True),
        (hours("22:00", "00:00", 7), "2026-05-03 22:00", False),
        (hours("08:00", "18:00", 1), "2026-01-05 06:30", False),  # in winter 08:00 is 07:00 UTC
        (hours("08:00", "18:00", 1), "2026-01-05 07:00", True),
    ],
)
def test_a_rules_hours_are_local_and_belong_to_the_day_on_which_they_begin(
    of: dict[str, Any], at: str, holds: bool
) -> None:
    assert is_active(of, utc(at)) is holds
