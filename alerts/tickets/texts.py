"""The texts of a ticket: a title that fits its column, and a description with the cause, the device and the time."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from alerts.rules.loader import RuleRow
from core.text import clean_name

MAX_TITLE = 255
ENDING = (
    "Opened by the agent monitoring. It is closed automatically when the alert has ended, unless somebody has changed "
    "this ticket."
)


@dataclass(frozen=True, slots=True)
class Text:
    """Title and description of a ticket."""

    title: str
    description: str


def single_text(row: RuleRow, device_name: str, message: str, now: datetime) -> Text:
    facts = f"{message}\n\nDevice: {clean_name(device_name)}\nSeverity: {row.severity}\nSince: {in_words(now)}"
    return Text(shortened(f"{row.alert_name} on {device_name}"), f"{facts}\n\n{ENDING}")


def describe_place(device_name: str, instance: str) -> str:
    """Return where an alert is: `web-1`, or `web-1 (D:)` on an instance of it."""
    return f"{device_name} ({instance})" if instance else device_name


def group_text(row: asyncpg.Record, now: datetime) -> Text:
    """Return the text of a group's ticket; `row` is of describe_groups."""
    devices = f"{row['devices']} device{'' if row['devices'] == 1 else 's'}"
    title = f"{row['alert_name']} on {devices}"
    if row["location_name"]:
        title = f"{row['location_name']}: {devices} fell silent together"
    lines = [f"- {clean_name(message)}" for message in row["messages"] or ()]
    more = row["alerts"] - len(lines)
    if more > 0:
        lines.append(f"- and {more} more")
    listed = "\n".join(lines)
    return Text(shortened(title), f"{clean_name(title)}. As of {in_words(now)}:\n\n{listed}\n\n{ENDING}")


def shortened(title: str) -> str:
    """Return a title in one line that fits, with an ellipsis where it was longer."""
    title = clean_name(title) or "Alert"
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"


def in_words(at: datetime) -> str:
    """Return a time as text: `2026-05-03 12:00 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
