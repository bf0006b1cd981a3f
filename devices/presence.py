"""Presence of devices: the worker's sweep over silent devices. Uploads and heartbeats bring a device back themselves.

If no device had contact although many of several businesses or sites were due, the outage is on the server's side, and
the silence of all devices counts from its end (`note_outage`).
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from db.isolation import due_apart
from db.pools import Connection
from db.sql import load_beside
from devices.audit import WORKER

QUERIES = load_beside(__file__, "presence.sql")
log = logging.getLogger(__name__)

SWEPT_AT_ONCE = 5000
LAPSED_AT_ONCE = 1000
# More than one interval, so that devices in step with one another don't look like an outage between their beats.
OUTAGE_AFTER_INTERVALS = 1.5
MANY_DEVICES = 10


@dataclass(frozen=True, slots=True)
class OfflineThresholds:
    """The interval of heartbeats (seconds), and the numbers of silent intervals until warning and offline."""

    heartbeat_interval: timedelta
    warning_after: float
    offline_after: float


async def sweep(
    connection: Connection, now: datetime, thresholds: OfflineThresholds, at_once: int = SWEPT_AT_ONCE
) -> int:
    """Check every due device, `at_once` in one statement; return how many changed their status."""
    await note_outage(connection, now, thresholds)
    changed: list[int] = []
    values = asdict(thresholds)
    find = partial(QUERIES.bind, "due_devices", now=now, limit=at_once)

    async def judge(only: Sequence[UUID] | None) -> int:
        row = await connection.fetchrow(*QUERIES.bind("sweep", now=now, **values, limit=at_once, only=only))
        assert row is not None
        changed.append(row["changed"])
        return int(row["judged"])

    judged = at_once
    while judged == at_once:
        judged = await due_apart(connection, "presence", now, judge, find)
    return sum(changed)


async def note_outage(connection: Connection, now: datetime, thresholds: OfflineThresholds) -> bool:
    """Return whether no device calls at all, an outage; then silence counts from `now`. Its beginning is logged."""
    unheard_for = thresholds.heartbeat_interval * OUTAGE_AFTER_INTERVALS
    row = await connection.fetchrow(
        *QUERIES.bind(
            "note_outage",
            now=now,
            unheard_for=unheard_for,
            heartbeat_interval=thresholds.heartbeat_interval,
            min_devices=MANY_DEVICES,
        )
    )
    if row is None:
        return False
    if row["known_until"] is None or row["known_until"] < now - unheard_for:
        log.error("no device made contact for %s: uploads do not arrive; all devices keep their status", unheard_for)
    return True


async def lapse_enrolments(connection: Connection, now: datetime, within: timedelta) -> int:
    """Remove devices without a call `within` this time of their registration; return how many."""
    removed, lapsed = 0, LAPSED_AT_ONCE
    limits: dict[str, Any] = {"now": now, "within": within, "limit": LAPSED_AT_ONCE}
    find = partial(QUERIES.bind, "due_enrolments", **limits)

    async def remove(only: Sequence[UUID] | None) -> int:
        lapse = QUERIES.bind("lapse_enrolments", **limits, **WORKER.parameters(), only=only)
        return int(await connection.fetchval(*lapse))

    while lapsed == LAPSED_AT_ONCE:
        lapsed = await due_apart(connection, "lapsed enrolments", now, remove, find)
        removed += lapsed
    return removed
