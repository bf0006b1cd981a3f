"""Which devices are there: what the worker does about silence. Uploads and heartbeats bring a device back themselves.

When nobody at all was heard although many devices of several businesses or sites should have been, the outage is on
our side, and everybody's silence counts from its end (`note_outage`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
DEAF_AFTER_INTERVALS = 1.5
MANY_DEVICES = 10


@dataclass(frozen=True, slots=True)
class OfflineThresholds:
    """How often devices with heartbeats are expected, and how many intervals of silence mean what."""

    heartbeat_interval: timedelta
    warning_after: float
    offline_after: float


async def sweep(
    connection: Connection, now: datetime, patience: OfflineThresholds, at_once: int = SWEPT_AT_ONCE
) -> int:
    """Judge every device whose time has come, `at_once` in one statement; return how many changed their status."""
    await note_outage(connection, now, patience)
    changed: list[int] = []
    values = now, patience.heartbeat_interval, patience.warning_after, patience.offline_after, at_once

    async def judge(only: Sequence[UUID] | None) -> int:
        row = await connection.fetchrow(QUERIES["sweep"], *values, only)
        assert row is not None
        changed.append(row["changed"])
        return int(row["judged"])

    judged = at_once
    while judged == at_once:
        judged = await due_apart(connection, "presence", now, judge, QUERIES["due_devices"], now, at_once)
    return sum(changed)


async def note_outage(connection: Connection, now: datetime, patience: OfflineThresholds) -> bool:
    """Return whether no device calls at all; then silence counts from now on. Logged once, when it begins."""
    unheard_for = patience.heartbeat_interval * DEAF_AFTER_INTERVALS
    row = await connection.fetchrow(
        QUERIES["note_outage"], now, unheard_for, patience.heartbeat_interval, MANY_DEVICES
    )  # fmt: skip
    if row is None:
        return False
    if row["known_until"] is None or row["known_until"] < now - unheard_for:
        log.error("no device made contact for %s: uploads do not arrive; all devices keep their status", unheard_for)
    return True


async def lapse_enrolments(connection: Connection, now: datetime, within: timedelta) -> int:
    """Remove devices without a call `within` this time of their registration; return how many."""
    removed, lapsed = 0, LAPSED_AT_ONCE

    async def remove(only: Sequence[UUID] | None) -> int:
        values = now, within, LAPSED_AT_ONCE, *WORKER.values(), only
        return int(await connection.fetchval(QUERIES["lapse_enrolments"], *values))

    while lapsed == LAPSED_AT_ONCE:
        lapsed = await due_apart(
            connection, "lapsed enrolments", now, remove, QUERIES["due_enrolments"], now, within, LAPSED_AT_ONCE
        )
        removed += lapsed
    return removed
