"""The history of a device in a range of time, for its charts, with the reasons for gaps in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from alerts.silences.occurrences import TimeRange, occurrences
from alerts.silences.schedule import UNREADABLE
from api.fields.times import parse_time
from api.gaps import Gap, StatusSpan, WindowSpan, find_gaps
from core.errors import AgentNotFoundError
from db.hypertables.values import StorageValues
from db.sql import load_beside

QUERIES = load_beside(__file__, "annotations.sql")

MAX_OCCURRENCES = 200


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
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, span: TimeRange, now: datetime, values: StorageValues
) -> Annotations:
    """Return the annotations of a device in `span` (UTC); raises AgentNotFoundError."""
    async with pool.acquire() as connection:
        device = await connection.fetchrow(*QUERIES.bind("device", device_id=device_id, tenant=tenant))
        if device is None:
            raise AgentNotFoundError
        lists = {
            name: await connection.fetch(
                *QUERIES.bind(name, device_id=device_id, tenant=tenant, start=span.start, end=span.end)
            )
            for name in ("statuses", "windows", "alerts", "commands", "software")
        }
    statuses = list(status_spans(device, lists["statuses"], span, now))
    maintenance = list(window_spans(lists["windows"], span))
    kept_since = {level.name: now - level.keep for level in values.of(device["business_id"]).metrics}
    gaps = list(find_gaps(device, statuses, maintenance, kept_since, span, now))
    return Annotations(
        span.start, span.end, now, statuses, gaps, maintenance, lists["alerts"], lists["commands"], lists["software"],
        kept_since, device["enrolled_at"],
    )  # fmt: skip


def status_spans(
    device: asyncpg.Record, changes: Sequence[asyncpg.Record], span: TimeRange, now: datetime
) -> Iterator[StatusSpan]:
    """Yield the statuses of the range, from its beginning or the device's to its end or now."""
    begin, until = max(span.start, device["created_at"]), min(span.end, now)
    status, reason, silent_since = changes[0]["from_status"] if changes else device["status"], None, None
    for change in changes:
        at = max(change["at"], begin)
        if at > begin:
            yield StatusSpan(status, begin, min(at, until), reason, silent_since)
        status, reason, begin = change["to_status"], change["why"], at
        silent_since = parse_event_time(change["silent_since"])
    if begin < until:
        yield StatusSpan(status, begin, until, reason, silent_since)


def parse_event_time(text: str | None) -> datetime | None:
    """Return a time of an event's data; None for none or one that cannot be read."""
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None


def window_spans(windows: Sequence[asyncpg.Record], span: TimeRange) -> Iterator[WindowSpan]:
    """Yield the runs of maintenance windows; one that cannot be read is left out."""
    for window in windows:
        try:
            runs = occurrences(window, span.start, span.end, MAX_OCCURRENCES)
        except UNREADABLE:
            continue
        for run in runs:
            yield WindowSpan(window["id"], window["window_name"], run.start, run.end)
