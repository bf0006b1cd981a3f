"""Times in the past in which a rule could not have begun to fire, by the current maintenance windows and hours."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from alerts.silences.schedule import find_fault, is_active, is_running
from db.pools import Source
from db.sql import load_beside

QUERIES = load_beside(__file__, "past.sql")


class PastSilences:
    """The maintenance windows of a range of time, by device, and a rule's hours."""

    def __init__(self, windows: Mapping[UUID, Sequence[asyncpg.Record]], hours: dict[str, Any] | None) -> None:
        self._windows, self._hours = windows, hours

    def __call__(self, device_id: UUID, at: datetime) -> bool:
        """Return whether nothing may begin to fire on a device."""
        if self._hours is not None and not is_active(self._hours, at):
            return True
        return any(is_running(window, at) for window in self._windows.get(device_id, ()))


async def read_past_silences(
    source: Source, begin: datetime, end: datetime, business_id: UUID | None, hours: dict[str, Any] | None
) -> PastSilences:
    """Return the silences of the devices of a business (None: all) between two instants (UTC)."""
    windows: dict[UUID, list[asyncpg.Record]] = {}
    for row in await source.fetch(*QUERIES.bind("windows_of_devices", start=begin, end=end, business_id=business_id)):
        if find_fault(row, end):  # out of force, as in a live evaluation
            continue
        windows.setdefault(row["device_id"], []).append(row)
    return PastSilences(windows, hours)
