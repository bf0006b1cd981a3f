"""Finds the changes of the fleet since the previous poll, for the scopes of the live channel.

Devices are compared field by field with the last state, so that a frame has only the changed fields. All open alerts
are read in the few columns that change; the comparison shows new, ended, acknowledged and snoozed alerts, also those
that another program changed. Names and times are read only for changed alerts.

A part that fails does not affect the others. When it works again, its changes in between are unknown, so followers of
its scope are asked to read the whole list.
"""

import logging
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from api.live.clients import Message
from api.live.scopes import ScopeChanges, format_value
from db.pools import CONNECTION_ERRORS
from db.sql import load_beside
from devices.summary import count_awaiting_approval

log = logging.getLogger(__name__)

QUERIES = load_beside(__file__, "scopes.sql")

OVERLAP = timedelta(seconds=10)  # for late commits, and for other processes' clocks
MAX_ALERTS = 50_000
FIELDS = (
    "status", "last_heartbeat", "last_metrics_received", "cpu_percent", "memory_percent", "disk_percent",
    "status_changed_at",
)  # fmt: skip
Alert = dict[str, Any]
T = TypeVar("T")


class ScopePoller:
    """Keeps the state of the previous poll; the first poll finds no changes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.forget()

    def forget(self) -> None:
        """Drop the state, so that the next poll is a first one."""
        self._since: datetime | None = None
        self._devices: dict[UUID, tuple[Any, ...]] = {}
        self._alerts: dict[UUID, Alert] = {}
        self._late: set[UUID] = set()
        self._counts: dict[tuple[UUID, UUID], int] = {}
        self._tokens: dict[UUID, str] = {}
        self._awaiting: int | None = None
        self._failing: set[str] = set()

    async def poll(self, now: datetime) -> ScopeChanges:
        """Return what changed since the previous poll; raises the driver's errors of a database that is unavailable."""
        first, since = self._since is None, (self._since or now) - OVERLAP
        failed = frozenset(self._failing)
        devices = await self._part("devices", self._changed_devices(since))
        alerts = await self._part("alerts", self._changed_alerts(since, now))
        counts = self._changed_counts(now)
        registration = await self._part("registration", self._changed_tokens(since, now))
        awaiting = await self._part("approval", self._changed_awaiting(now))
        self._since = now
        if first:
            return ScopeChanges(now, [], [], None, [])
        recovered = failed - self._failing
        more = frozenset("alerts" if part == "alerts" else "fleet" for part in recovered)
        return ScopeChanges(now, (devices or []) + counts, alerts or [], awaiting, registration or [], more)

    async def _part(self, name: str, changes: Awaitable[T]) -> T | None:
        """Return the changes of one part; None when it fails, and when it works again after that."""
        try:
            result = await changes
        except CONNECTION_ERRORS:
            raise
        except Exception:
            if name not in self._failing:
                log.exception("the part %s of the live channel's scopes cannot be read", name)
            self._failing.add(name)
            return None
        if name in self._failing:
            self._failing.remove(name)
            return None
        return result

    async def _changed_devices(self, since: datetime) -> list[tuple[UUID, Message]]:
        """Return the fields of each device that differ from the last state; of a new device all fields."""
        changed_devices = []
        for row in await self._pool.fetch(*QUERIES.bind("changed_devices", since=since)):
            values = tuple(row[name] for name in FIELDS)
            before = self._devices.get(row["id"], ())
            if values != before:
                self._devices[row["id"]] = values
                old = before or (object(),) * len(FIELDS)
                changed = {
                    name: format_value(value)
                    for name, value, was in zip(FIELDS, values, old, strict=True)
                    if value != was
                }
                changed_devices.append((row["business_id"], {"id": str(row["id"]), **changed}))
        return changed_devices

    async def _changed_alerts(self, since: datetime, now: datetime) -> list[tuple[UUID, Message]]:
        """Return the alerts that began, ended, were acknowledged or snoozed, or were found in late data."""
        rows = await self._pool.fetch(*QUERIES.bind("open_alerts", limit=MAX_ALERTS))
        alerts = {row["id"]: dict(row) for row in rows}
        late = {row["id"] for row in await self._pool.fetch(*QUERIES.bind("late_alerts", since=since))}
        before, new_late = self._alerts, late - self._late
        changed = {key for key in before.keys() | alerts.keys() if before.get(key) != alerts.get(key)} | new_late
        details = await self._pool.fetch(*QUERIES.bind("read_changed_alerts", alerts=list(changed))) if changed else []
        self._alerts, self._late = alerts, late
        changes = []
        for row in details:
            alert = dict(row)
            event = "found_late" if alert["id"] in new_late else alert_event(before.get(alert["id"]), alert)
            if event:
                changes.append((alert["business_id"], alert_message(alert, event, now)))
        return changes

    def _changed_counts(self, now: datetime) -> list[tuple[UUID, Message]]:
        """Return the devices whose number of open alerts changed; a snooze that ends changes it too."""
        counts = Counter(
            (alert["business_id"], alert["agent_device_id"])
            for alert in self._alerts.values()
            if alert["snoozed_until"] is None or alert["snoozed_until"] <= now
        )
        before, self._counts = self._counts, dict(counts)
        return [
            (business, {"id": str(device), "open_alerts": counts[business, device]})
            for business, device in before.keys() | counts.keys()
            if before.get((business, device), 0) != counts[business, device]
        ]

    async def _changed_tokens(self, since: datetime, now: datetime) -> list[Message]:
        """Return the registration tokens that were made, spent or have expired."""
        rows = await self._pool.fetch(*QUERIES.bind("registration_tokens", since=since, now=now))
        before, self._tokens = self._tokens, {row["id"]: row["state"] for row in rows}
        return [
            {"token_id": str(token), "state": state}
            for token, state in self._tokens.items()
            if before.get(token) != state
        ]

    async def _changed_awaiting(self, now: datetime) -> int | None:
        """Return the number of commands that await approval; None if it has not changed."""
        count = await count_awaiting_approval(self._pool, None, None, now)
        before, self._awaiting = self._awaiting, count
        return count if count != before else None


def is_open(alert: Alert) -> bool:
    return alert["status"] in ("active", "acknowledged")


def alert_event(before: Alert | None, alert: Alert) -> str | None:
    """Return the name of the change of an alert; None if it did not change."""
    if before is None:
        return "firing" if is_open(alert) else None
    if not is_open(alert):
        return "resolved"
    if alert["status"] != before["status"]:
        return "acknowledged"
    return "snoozed" if alert["snoozed_until"] != before["snoozed_until"] else None


def alert_message(alert: Alert, event: str, now: datetime) -> Message:
    """Return a changed alert as a message for followers."""
    times = {"firing": "triggered_at", "resolved": "resolved_at", "acknowledged": "acknowledged_at"}
    at = alert[times[event]] if event in times else now
    return {
        "id": str(alert["id"]), "agent_id": str(alert["agent_device_id"]), "severity": alert["severity"],
        "status": alert["status"], "alert_name": alert["alert_name"], "device_name": alert["device_name"],
        "event": event, "at": format_value(at or now), "snoozed_until": format_value(alert["snoozed_until"]),
    }  # fmt: skip
