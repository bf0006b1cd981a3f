"""The present silences: maintenance windows of devices, sites and businesses, and the active hours of a rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "schedule.sql")
# Errors that a row written by another program may raise; a zone with a NUL, or a folder's name, raises OSError or
# ValueError.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError)


@dataclass(slots=True)
class ActiveSilences:
    """The maintenance windows and hours in force at one instant."""

    now: datetime
    devices: set[UUID] = field(default_factory=set)

    def covers(self, device_id: UUID, active_hours: dict[str, Any] | None) -> bool:
        """Return whether a rule with these hours may not begin to fire on this device."""
        return device_id in self.devices or (active_hours is not None and not is_active(active_hours, self.now))


async def read_silences(connection: Connection, now: datetime, isolated: Isolated | None = None) -> ActiveSilences:
    """Return the devices in a maintenance window; a window that cannot be read is ignored and noted."""
    running = []
    for row in await connection.fetch(*QUERIES.bind("read_windows", now=now)):
        try:
            if row["is_running"] or is_running(row, now):
                running.append(row["id"])
        except UNREADABLE as error:
            if isolated is not None:
                await isolated.note(f"window:{row['id']}", fault_in_words(error, row["time_zone"]))
    rows = await connection.fetch(*QUERIES.bind("muted_devices", windows=running)) if running else []
    return ActiveSilences(now, {row["id"] for row in rows})


def find_fault(window: Mapping[str, Any] | asyncpg.Record, now: datetime) -> str | None:
    """Return why a window is ignored, None if it can be read."""
    try:
        is_running(window, now)
    except UNREADABLE as error:
        return fault_in_words(error, window["time_zone"])
    return None


def fault_in_words(error: Exception, zone: str | None) -> str:
    """Return why a window cannot be read, for the people who manage it."""
    if isinstance(error, ZoneInfoNotFoundError | OSError | ValueError) and not is_zone(zone):
        return f"out of force: this server does not have the time zone {zone!r}; write one as Europe/Berlin"
    return f"out of force: it cannot be read ({error})"


def is_zone(name: str | None) -> bool:
    """Return whether this host has a time zone of this name."""
    try:
        ZoneInfo(name or "")
    except UNREADABLE:
        return False
    return True


def is_running(window: Mapping[str, Any] | asyncpg.Record, now: datetime) -> bool:
    """Return whether a maintenance window is running; a weekly one may have begun a day or a week before.

    Its duration is elapsed time, also across a change of the clocks. A start inside a DST gap uses the earlier offset;
    an ambiguous start is its first occurrence (`fold=0`).
    """
    if window["weekdays"] is None:
        return bool(window["starts_at"] <= now < window["ends_at"])
    zone = ZoneInfo(window["time_zone"])
    start = parse_local_time(window["local_start"])
    length = timedelta(minutes=window["duration_minutes"])
    today = now.astimezone(zone).date()
    for days_ago in range(9):  # a week that begins just before clocks go forward ends on the eighth day
        day = today - timedelta(days=days_ago)
        begin = datetime.combine(day, start, zone).astimezone(UTC)  # local times add up wrongly
        if day.isoweekday() in window["weekdays"] and begin <= now < begin + length:
            return True
    return False


def parse_local_time(start: time | str) -> time:
    """Return a stored local time; raises ValueError for a time that Python cannot hold, such as 24:00."""
    return start if isinstance(start, time) else time.fromisoformat(start)


def check_hours(hours: Any) -> None:
    """Raise ValueError, TypeError or LookupError if a rule's hours cannot be read."""
    ZoneInfo(hours["time_zone"])
    if not isinstance(hours["days"], list) or not all(isinstance(day, int) and 1 <= day <= 7 for day in hours["days"]):
        raise ValueError("active_hours: days are a list of numbers from 1 (Monday) to 7")
    if any(time.fromisoformat(hours[name]).tzinfo for name in ("from", "to")):
        raise ValueError("active_hours: from and to are local times, without an offset")


def is_active(hours: dict[str, Any], now: datetime) -> bool:
    """Return whether `now` is in a rule's hours: days of the week (1 is Monday), from one local time to another.

    `from` after `to` spans midnight; the day is that on which the hours begin.
    """
    local = now.astimezone(ZoneInfo(hours["time_zone"]))
    begin, end = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
    clock, today, yesterday = local.time(), local.isoweekday(), (local - timedelta(days=1)).isoweekday()
    if begin <= end:
        return today in hours["days"] and begin <= clock < end
    return (today in hours["days"] and clock >= begin) or (yesterday in hours["days"] and clock < end)
