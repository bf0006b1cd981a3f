"""Models of maintenance windows."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from alerts.silences.occurrences import TimeRange, next_start, occurrences
from alerts.silences.schedule import find_fault, is_running
from auth.tokens import Person


class Occurrence(BaseModel):
    """One run of a window, in UTC; it may begin before the range that was asked for, or end after it."""

    start: datetime
    end: datetime


class MaintenanceWindow(BaseModel):
    """A window. Times in UTC, but for `local_start`."""

    id: UUID
    window_name: str
    business_id: UUID | None = Field(
        description="null: a window that was written into the table directly, for all devices or for one"
    )
    business_name: str | None
    service_location_id: UUID | None
    location_name: str | None
    agent_device_id: UUID | None
    device_name: str | None = Field(description="hidden from customers whose device it no longer is")
    starts_at: datetime | None
    ends_at: datetime | None
    weekdays: list[int] | None
    local_start: str | None
    duration_minutes: int | None
    time_zone: str | None
    is_running: bool = Field(description="whether nothing begins to fire there now")
    next_start: datetime | None = Field(description="the next begin after now; null: it does not begin again")
    occurrences: list[Occurrence] | None = Field(
        None, description="the first 100 runs that overlap `start` to `end`; null: no range was asked for"
    )
    error_message: str | None = Field(description="why the window is out of force; null: it can be read")
    created_by: UUID | None = Field(description="not shown to customers")
    created_by_name: str | None = Field(description="kept when the employee is deleted; not shown to customers")
    created_at: datetime


class WindowList(BaseModel):
    """A page of windows in the order of their names."""

    windows: list[MaintenanceWindow]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


def to_window(
    row: asyncpg.Record, now: datetime, person: Person | None = None, within: TimeRange | None = None
) -> MaintenanceWindow:
    """Return a window's row without the fields that `person` may not see (None: an employee), with runs in `within`."""
    values: dict[str, Any] = dict(row) | list_occurrences(row, now, within)
    values["local_start"] = row["local_start"] and row["local_start"][:5]
    if person is not None and person.employee_id is None:
        values |= {"created_by": None, "created_by_name": None}
    return MaintenanceWindow(**values)


def list_occurrences(row: asyncpg.Record, now: datetime, within: TimeRange | None) -> dict[str, Any]:
    """Return the next start and the runs of a window; an unreadable one has none, and has the reason."""
    fault = find_fault(row, now)
    if fault is not None:
        runs: list[TimeRange] = []
        times: dict[str, Any] = {"is_running": False, "next_start": None}
    else:
        runs = occurrences(row, within.start, within.end) if within else []
        times = {"is_running": is_running(row, now), "next_start": next_start(row, now)}
    next_occurrences = None if within is None else [Occurrence(start=run.start, end=run.end) for run in runs]
    return times | {"occurrences": next_occurrences, "error_message": fault}
