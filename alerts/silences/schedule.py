"""When nothing may begin to fire: maintenance windows of devices, sites and businesses, and hours of a rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "schedule.sql")


@dataclass(slots=True)
class Mutes:
    """What is muted at one instant."""

    now: datetime
    devices: set[UUID] = field(default_factory=set)

    def covers(self, device_id: UUID, active_hours: dict[str, Any] | None) -> bool:
        """Tell whether a rule with these hours may not begin to fire on this device."""
        return device_id in self.devices or (active_hours is not None and not is_active(active_hours, self.now))


async def read_mutes(connection: Connection, now: datetime) -> Mutes:
    """Return the devices that are in a maintenance window."""
    windows = await connection.fetch(QUERIES["read_windows"], now)
    running = [row["id"] for row in windows if is_running(row, now)]
    rows = await connection.fetch(QUERIES["muted_devices"], running) if running else []
    return Mutes(now, {row["id"] for row in rows})


def is_running(window: Mapping[str, Any] | asyncpg.Record, now: datetime) -> bool:
    """Tell whether a maintenance window is running; a weekly one may have begun a day or a week before.

    It lasts as long as it says, whatever the clocks do meanwhile. One that begins at a time that the clocks leave out
    begins as if they hadn't been put forward yet; at one that comes twice, the first time.
    """
    if window["weekdays"] is None:
        return bool(window["starts_at"] <= now < window["ends_at"])
    zone = ZoneInfo(window["time_zone"])
    length = timedelta(minutes=window["duration_minutes"])
    today = now.astimezone(zone).date()
    for days_ago in range(9):  # a week that begins shortly before clocks are put forward ends on the eighth day
        day = today - timedelta(days=days_ago)
        begin = datetime.combine(day, window["local_start"], zone).astimezone(UTC)  # local times add up wrongly
        if day.isoweekday() in window["weekdays"] and begin <= now < begin + length:
            return True
    return False


def is_active(hours: dict[str, Any], now: datetime) -> bool:
    """Tell whether a rule's hours hold: some days of the week (1 is Monday), from one local time to another.

    `from` after `to` goes over midnight; the day is that on which it begins.
    """
    local = now.astimezone(ZoneInfo(hours["time_zone"]))
    begin, end = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
    clock, today, yesterday = local.time(), local.isoweekday(), (local - timedelta(days=1)).isoweekday()
    if begin <= end:
        return today in hours["days"] and begin <= clock < end
    return (today in hours["days"] and clock >= begin) or (yesterday in hours["days"] and clock < end)
