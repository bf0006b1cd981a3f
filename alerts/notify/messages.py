"""One message to one recipient: its alerts as a subject, as lines of text and as the content of a webhook."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from core.text import clean_name

NAMES = (
    "kind", "alert_id", "alert_name", "alert_type", "severity", "alert_message", "triggered_at", "resolved_at",
    "metric_value", "threshold_value", "resolved_value", "reason", "agent_id", "device_name", "instance",
    "business_id", "business_name",
)  # fmt: skip

Row = Mapping[str, Any] | asyncpg.Record  # a notification that was claimed: a row of `claim_notifications`


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. `owner` is the business of the rule, None for rules of all businesses.

    `id` is the same each time the same notifications are sent, so that a receiver can drop duplicates.
    """

    id: str
    owner: UUID | None
    subject: str
    text: str
    content: dict[str, Any]


def compose_message(rows: Sequence[Row]) -> Message:
    """Return the message to one recipient about these notifications, which share an owner."""
    joined = ",".join(str(number) for number in sorted(row["id"] for row in rows))
    return Message(
        "msg_" + hashlib.sha256(joined.encode()).hexdigest()[:32], rows[0]["owner_id"], compose_subject(rows),
        "\n".join(map(compose_line, rows)), {"alerts": [webhook_alert(row) for row in rows]},
    )  # fmt: skip


def compose_subject(rows: Sequence[Row]) -> str:
    if len(rows) == 1:
        row = rows[0]
        label = "OK" if row["kind"] == "resolved" else row["severity"]
        return f"[{label}] {compose_sentence(row)}"
    firing = sum(row["kind"] == "firing" for row in rows)
    return f"{firing} alerts firing, {len(rows) - firing} resolved"


def compose_line(row: Row) -> str:
    ended = row["kind"] == "resolved"
    at = row["resolved_at"] if ended else row["triggered_at"]
    label = "RESOLVED" if ended else row["severity"].upper()
    return f"{label}  {in_words(at)}  {clean_name(row['business_name'])}: {compose_sentence(row)}"


def compose_sentence(row: Row) -> str:
    """Return the text of an alert; of a resolved one also its last value, its end (UTC) and its duration."""
    if row["kind"] != "resolved":
        return clean_name(row["alert_message"] or row["alert_name"])
    began, ended = row["triggered_at"], row["resolved_at"]
    now, was = number(row["resolved_value"]), number(row["metric_value"])
    values = (f"{now} now" if now else "over") + (f", was {was}" if was else "")
    lasted = f" after {span_in_words(ended - began)}" if ended else ""
    note = f"; {row['reason']}" if row["reason"] not in (None, "recovered") else ""
    where = f"{row['device_name']} ({row['instance']})" if row["instance"] else row["device_name"]
    return clean_name(f"{row['alert_name']} on {where}: {values}; ended {in_words(ended)}{lasted}{note}")


def webhook_alert(row: Row) -> dict[str, Any]:
    """Return one alert as webhooks carry it; `duration_seconds` is null while it fires."""
    ended, began = row["resolved_at"], row["triggered_at"]
    lasted = (ended - began).total_seconds() if row["kind"] == "resolved" and ended else None
    return {name: row[name] for name in NAMES} | {"message": compose_sentence(row), "duration_seconds": lasted}


def number(value: float | None) -> str:
    """Return a value with four significant digits, "" for None."""
    return "" if value is None else f"{value:.4g}"


def in_words(at: datetime | None) -> str:
    """Return a time as text: `2026-05-03 12:00 UTC`."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def span_in_words(span: timedelta) -> str:
    """Return how long something lasted: `2 d 3 h`, `1 h 6 min`, `40 s`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts[:2])
