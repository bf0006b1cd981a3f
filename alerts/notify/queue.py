"""The queue of notifications, written in the transaction of the evaluation; `sending.py` sends them.

An alert waits half a minute for others: alerts that fire together share a message, and an alert that ends before it
is sent causes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from alerts.rules.loader import RuleRow
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "queue.sql")

GROUP_WAIT = timedelta(seconds=30)
MAX_RECIPIENT = 2000  # as the table's column


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours, in local time, in which only critical alerts are sent; `begin` after `end` spans midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> "QuietHours | None":
        """Read `22:00-07:00 Europe/Berlin`; returns None for an empty text. Raises ValueError."""
        if not text.strip():
            return None
        span, _, zone = text.strip().partition(" ")
        begin, _, end = span.partition("-")
        return cls(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone or "UTC"))

    def holds(self, now: datetime) -> bool:
        clock = now.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


async def queue_firing(connection: Connection, alerts: Mapping[UUID, RuleRow], now: datetime) -> None:
    """Queue a notification for each recipient of each alert (history id → its rule)."""
    due = [
        (alert_id, channel, recipient)
        for alert_id, row in alerts.items()
        if row.notification_enabled
        for channel, recipient in parse_recipients(row)
    ]
    if due:
        alert_ids, channels, recipients = zip(*due, strict=True)
        await connection.execute(
            *QUERIES.bind(
                "want_firing", alerts=alert_ids, channels=channels, recipients=recipients, now=now, due=now + GROUP_WAIT
            )
        )


async def queue_resolved(connection: Connection, alerts: Sequence[UUID], now: datetime) -> None:
    """Queue resolved messages for exactly the recipients of these alerts' firing messages."""
    await connection.execute(*QUERIES.bind("want_resolved", alerts=list(alerts), now=now))


def parse_recipients(row: RuleRow) -> list[tuple[str, str]]:
    """Return (channel, recipient) of a rule: addresses with a scheme are webhooks, those with an @ are e-mails."""
    recipients = []
    for recipient in row.recipients:
        text = str(recipient)
        channel = "webhook" if "://" in text else "email" if "@" in text else None
        fits = len(text) <= MAX_RECIPIENT
        if channel and fits and (not row.channels or channel in row.channels):
            recipients.append((channel, text))
    return recipients
