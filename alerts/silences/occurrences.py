"""The times at which a maintenance window runs: once, or on each of its weekdays in its own time zone."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from alerts.silences.schedule import parse_local_time

DAY = timedelta(days=1)
LONGEST = timedelta(days=8)  # a week that begins just before clocks go forward ends on the eighth day
SOON = timedelta(days=9)  # a weekly window starts again within this, also across a change of the clocks


class TimeRange(NamedTuple):
    """A range of time, in UTC."""

    start: datetime
    end: datetime


def occurrences(
    window: Mapping[str, Any] | asyncpg.Record, begin: datetime, end: datetime, most: int = 100
) -> list[TimeRange]:
    """Return the first `most` spans in which a window runs and that overlap begin..end (UTC).

    A start inside a DST gap uses the earlier offset; an ambiguous start is its first occurrence. Raises one of
    `schedule.UNREADABLE` for a window that cannot be read, as one whose zone this host does not have.
    """
    if window["weekdays"] is None:
        once = TimeRange(window["starts_at"], window["ends_at"])
        return [once] if once.start < end and once.end > begin else []
    return list(islice((span for span in weekly(window, begin - LONGEST, end) if span.end > begin), most))


def next_start(window: Mapping[str, Any] | asyncpg.Record, now: datetime) -> datetime | None:
    """Return when a window starts next (UTC), None when it does not start again; raises what `occurrences` raises."""
    if window["weekdays"] is None:
        return window["starts_at"] if window["starts_at"] > now else None
    return next((span.start for span in weekly(window, now, now + SOON) if span.start > now), None)


def weekly(window: Mapping[str, Any] | asyncpg.Record, begin: datetime, end: datetime) -> Iterator[TimeRange]:
    """Yield the spans of a weekly window that begin between two times."""
    zone, length = ZoneInfo(window["time_zone"]), timedelta(minutes=window["duration_minutes"])
    local_start = parse_local_time(window["local_start"])
    day, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        if day.isoweekday() in window["weekdays"]:
            start = datetime.combine(day, local_start, zone).astimezone(UTC)  # local times add up wrongly
            if begin <= start < end:
                yield TimeRange(start, start + length)
        day += DAY
