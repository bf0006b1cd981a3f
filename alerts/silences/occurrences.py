"""When a maintenance window runs: once, or at each of its weekdays in its own time zone."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

DAY = timedelta(days=1)
LONGEST = timedelta(days=8)  # a week that begins shortly before clocks are put forward ends on the eighth day


class Span(NamedTuple):
    """From when to when, in UTC."""

    start: datetime
    end: datetime


def occurrences(
    window: Mapping[str, Any] | asyncpg.Record, begin: datetime, end: datetime, most: int = 100
) -> list[Span]:
    """Return at most `most` spans in which a window runs and that overlap begin..end (UTC).

    A start inside a DST gap uses the earlier offset; an ambiguous start is its first occurrence. Raises
    ZoneInfoNotFoundError and ValueError for a zone that this host does not have.
    """
    if window["weekdays"] is None:
        once = Span(window["starts_at"], window["ends_at"])
        return [once] if once.start < end and once.end > begin else []
    found: list[Span] = []
    for span in weekly(window, begin - LONGEST, end):
        if span.end > begin and len(found) < most:
            found.append(span)
    return found


def weekly(window: Mapping[str, Any] | asyncpg.Record, begin: datetime, end: datetime) -> Iterator[Span]:
    """Yield the spans of a weekly window that begin between two times."""
    zone, length = ZoneInfo(window["time_zone"]), timedelta(minutes=window["duration_minutes"])
    day = begin.astimezone(zone).date()
    while True:
        start = datetime.combine(day, window["local_start"], zone).astimezone(UTC)  # local times add up wrongly
        if start >= end:
            return
        if day.isoweekday() in window["weekdays"]:
            yield Span(start, start + length)
        day += DAY
