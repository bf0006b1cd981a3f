"""What happened to a device in a range of time, and why a chart of it may be empty somewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from alerts.silences.occurrences import Span, occurrences
from alerts.silences.schedule import UNREADABLE
from core.errors import AgentNotFoundError
from db.hypertables.policies import LEVELS
from db.sql import load_beside

QUERIES = load_beside(__file__, "annotations.sql")

MAX_OCCURRENCES = 200
COMES_LATE = timedelta(minutes=5)  # what an agent uploads lies a few minutes back
# Words for a status in which a device sends nothing, by the status.
SILENT = {"offline": ("offline", "The device was offline."), "disabled": ("deactivated", "The device was deactivated.")}


@dataclass(frozen=True, slots=True)
class StatusSpan:
    """A status and why it came."""

    status: str
    start: datetime
    end: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which there may be no samples, and why."""

    start: datetime
    end: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """One run of a maintenance window."""

    window_id: UUID
    window_name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Annotations:
    """Everything that a device's charts show beside the samples. Times in UTC."""

    start: datetime
    end: datetime
    as_of: datetime
    statuses: list[StatusSpan]
    gaps: list[Gap]
    maintenance: list[WindowSpan]
    alerts: list[asyncpg.Record]
    commands: list[asyncpg.Record]
    software: list[asyncpg.Record]
    retention: dict[str, datetime]
    enrolled_at: datetime | None


async def read_annotations(
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, span: Span, now: datetime
) -> Annotations:
    """Return what happened to a device in `span`; raises AgentNotFoundError."""
    async with pool.acquire() as connection:
        device = await connection.fetchrow(QUERIES["device"], device_id, tenant)
        if device is None:
            raise AgentNotFoundError
        lists = {
            name: await connection.fetch(QUERIES[name], device_id, tenant, *span)
            for name in ("statuses", "windows", "alerts", "commands", "software")
        }
    statuses = list(status_spans(device, lists["statuses"], span, now))
    maintenance = list(window_spans(lists["windows"], span))
    kept = {level.name: now - level.keep for level in LEVELS}
    gaps = [clipped for gap in gaps_of(device, statuses, maintenance, kept, now) if (clipped := clip(gap, span))]
    return Annotations(
        span.start, span.end, now, statuses, gaps, maintenance, lists["alerts"], lists["commands"], lists["software"],
        kept, device["enrolled_at"],
    )  # fmt: skip


def status_spans(
    device: asyncpg.Record, changes: Sequence[asyncpg.Record], span: Span, now: datetime
) -> Iterator[StatusSpan]:
    """Yield the statuses of the range, from its beginning or the device's to its end or now."""
    begin, until = max(span.start, device["created_at"]), min(span.end, now)
    status, reason = (changes[0]["from_status"], None) if changes else (device["status"], None)
    for change in changes:
        at = max(change["at"], begin)
        if at > begin:
            yield StatusSpan(status, begin, min(at, until), reason)
        status, reason, begin = change["to_status"], change["why"], at
    if begin < until:
        yield StatusSpan(status, begin, until, reason)


def window_spans(windows: Sequence[asyncpg.Record], span: Span) -> Iterator[WindowSpan]:
    """Yield the runs of maintenance windows; one that cannot be read is left out."""
    for window in windows:
        try:
            runs = occurrences(window, span.start, span.end, MAX_OCCURRENCES)
        except UNREADABLE:
            continue
        for run in runs:
            yield WindowSpan(window["id"], window["window_name"], run.start, run.end)


def gaps_of(
    device: Any, statuses: Sequence[StatusSpan], windows: Sequence[WindowSpan], kept: dict[str, datetime], now: datetime
) -> Iterator[Gap]:
    """Yield why samples may be missing, the surest reason first."""
    first, forever = datetime.min.replace(tzinfo=now.tzinfo), datetime.max.replace(tzinfo=now.tzinfo)
    yield Gap(first, min(kept.values()), "outside_retention", "Samples of that time are no longer kept.")
    joined = device["enrolled_at"] or (max(device["created_at"], now))
    yield Gap(first, joined, "not_enrolled", "The device had not joined yet.")
    if device["decommissioned_at"]:
        yield Gap(device["decommissioned_at"], forever, "decommissioned", "The device is decommissioned.")
    for one in statuses:
        if one.status in SILENT:
            reason, message = SILENT[one.status]
            yield Gap(one.start, one.end, reason, f"{message[:-1]}: {one.reason}." if one.reason else message)
    for window in windows:
        yield Gap(window.start, window.end, "maintenance", f"Maintenance: {window.window_name}.")
    if not device["monitoring_enabled"]:
        yield Gap(first, forever, "monitoring_off", "Monitoring of this device is switched off.")
    if device["late_from"]:
        yield Gap(device["late_from"], now, "late_data", "Samples of that time came late; rollups still take them in.")
    yield Gap(now - COMES_LATE, forever, "may_come_late", "The newest samples are still on their way.")


def clip(gap: Gap, span: Span) -> Gap | None:
    """Return a gap within the range, None when it lies outside."""
    start, end = max(gap.start, span.start), min(gap.end, span.end)
    return Gap(start, end, gap.reason, gap.message) if start < end else None
