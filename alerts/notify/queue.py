"""Notifications: wanted with the alert, grouped by recipient, sent by the worker, again and again until they are taken.

An alert waits half a minute for others: what fires together is one message, and what is over before is none. Nothing is
sent while a transaction is open.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from alerts.notify.channels import Sender, SendError
from alerts.rules.loader import RuleRow
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "queue.sql")
log = logging.getLogger(__name__)

GATHER = timedelta(seconds=30)
HELD = timedelta(minutes=5)  # by a worker that is sending
FIRST_RETRY, LAST_RETRY, GIVE_UP_AFTER = timedelta(minutes=1), timedelta(hours=1), 20
CLAIMED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When only critical alerts are sent, by local time; `begin` after `end` goes over midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> "QuietHours | None":
        """Read `22:00-07:00 Europe/Berlin`; None for nothing. Raises ValueError."""
        if not text.strip():
            return None
        span, _, zone = text.strip().partition(" ")
        begin, _, end = span.partition("-")
        return cls(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone or "UTC"))

    def holds(self, now: datetime) -> bool:
        """Tell whether it is quiet."""
        clock = now.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


async def want_firing(connection: Connection, alerts: Mapping[UUID, RuleRow], now: datetime) -> None:
    """Want a notification for each recipient of each alert (history id → its rule)."""
    wanted = [
        (alert_id, channel, recipient)
        for alert_id, row in alerts.items()
        if row.notification_enabled
        for channel, recipient in recipients_of(row)
    ]
    if wanted:
        await connection.execute(QUERIES["want_firing"], *map(list, zip(*wanted, strict=True)), now, now + GATHER)


async def want_resolved(connection: Connection, alerts: Sequence[UUID], now: datetime) -> None:
    """Want that whoever was told of these alerts is told of their end."""
    await connection.execute(QUERIES["want_resolved"], list(alerts), now)


def recipients_of(row: RuleRow) -> list[tuple[str, str]]:
    """Return (channel, recipient) of a rule: addresses with a scheme are webhooks, those with an @ are e-mails."""
    found = []
    for recipient in row.recipients:
        text = str(recipient)
        channel = "webhook" if "://" in text else "email" if "@" in text else None
        if channel and (not row.channels or channel in row.channels):
            found.append((channel, text))
    return found


async def send_due(
    connection: Connection, senders: Mapping[str, Sender], now: datetime, quiet: QuietHours | None = None
) -> int:
    """Send what is due, one message a recipient; return how many messages were taken."""
    is_quiet = quiet is not None and quiet.holds(now)
    rows = await connection.fetch(QUERIES["claim_notifications"], now, now + HELD, CLAIMED_AT_ONCE, is_quiet)
    groups: dict[tuple[str, str], list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        groups[row["channel"], row["recipient"]].append(row)
    results = await asyncio.gather(*(attempt(senders, *key, group) for key, group in groups.items()))
    for group, fault in zip(groups.values(), results, strict=True):
        await note(connection, group, fault, now)
    return sum(fault is None for fault in results)


async def attempt(
    senders: Mapping[str, Sender], channel: str, recipient: str, group: Sequence[asyncpg.Record]
) -> str | None:
    """Send one message and return why it failed, None when it didn't."""
    try:
        await senders[channel].send(recipient, subject_of(group), content_of(group), text_of(group))
    except SendError as error:
        return str(error)
    return None


async def note(connection: Connection, group: Sequence[asyncpg.Record], fault: str | None, now: datetime) -> None:
    """Write down what became of one message."""
    ids = [row["id"] for row in group]
    if fault is None:
        await connection.execute(QUERIES["note_sent"], ids, now)
        return
    attempts = max(row["attempts"] for row in group)
    again = None if attempts >= GIVE_UP_AFTER else now + min(LAST_RETRY, FIRST_RETRY * 2 ** (attempts - 1))
    log.warning("%d notifications failed: %s; %s", len(ids), fault, "given up" if again is None else f"again {again}")
    await connection.execute(QUERIES["note_failed"], ids, again, fault)


def subject_of(group: Sequence[asyncpg.Record]) -> str:
    """Return the subject: the one alert, or how many."""
    if len(group) == 1:
        row = group[0]
        return f"[{'OK' if row['kind'] == 'resolved' else row['severity']}] {row['alert_message']}"
    firing = sum(row["kind"] == "firing" for row in group)
    return f"{firing} alerts firing, {len(group) - firing} resolved"


def text_of(group: Sequence[asyncpg.Record]) -> str:
    """Return the text of an e-mail."""
    return "\n".join(map(line_of, group))


def line_of(row: asyncpg.Record) -> str:
    """Return one alert as a line."""
    what = "RESOLVED" if row["kind"] == "resolved" else row["severity"].upper()
    return f"{what}  {row['triggered_at']:%Y-%m-%d %H:%M} UTC  {row['business_name']}: {row['alert_message']}"


def content_of(group: Sequence[asyncpg.Record]) -> dict[str, Any]:
    """Return the content of a webhook."""
    names = (
        "kind", "alert_id", "alert_name", "alert_type", "severity", "alert_message", "triggered_at", "resolved_at",
        "metric_value", "threshold_value", "agent_id", "device_name", "business_id", "business_name",
    )  # fmt: skip
    return {"alerts": [{name: row[name] for name in names} for row in group]}
