"""Cleans lists of software from agents: a malformed part of an entry costs only that part, and is noted."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from core.text import clean_name

NAME, SHORT = 512, 255  # characters
TEXTS = {"software_version": SHORT, "vendor": SHORT, "latest_available_version": SHORT}
TYPES = ("application", "system", "driver", "update")
FLAGS: dict[str, bool | None] = {"is_security_software": False, "is_latest_version": None}  # what an odd one becomes
EARLIEST, LATEST = date(1970, 1, 2), date(2200, 1, 1)  # 0001-01-01 and 1970-01-01 are programs' words for "no date"
MAX_NOTES = 1000


@dataclass(slots=True)
class Tidied:
    """The entries to store, the rejected ones, and notes on changed ones."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def note(self, index: int, name: str, code: str, message: str) -> None:
        """Note a change in an entry; the first thousand notes are kept."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append({"index": index, "field": name, "code": code, "message": message})


def tidy(entries: list[Any]) -> Tidied:
    """Return the entries of a list without their malformed parts."""
    tidied = Tidied()
    for index, entry in enumerate(entries):
        name = entry.get("software_name") if isinstance(entry, dict) else None
        cleaned = clean_name(name)[:NAME].strip() if isinstance(name, str) else ""
        if not cleaned:
            message = "an entry must be an object with a software_name; it was passed over"
            tidied.rejected.append({"index": index, "code": "invalid_entry", "message": message})
            continue
        if cleaned != str(name).strip():
            tidied.note(index, "software_name", "changed_text", f"stored as {cleaned[:80]!a}")
        tidied.entries.append({**entry, "software_name": cleaned} | tidy_fields(index, entry, tidied))
    return tidied


def tidy_fields(index: int, entry: dict[str, Any], tidied: Tidied) -> dict[str, Any]:
    """Return the fields of an entry except for its name."""
    fields: dict[str, Any] = {}
    for name, most in TEXTS.items():
        if entry.get(name) is not None:
            fields[name] = tidy_text(index, name, entry[name], most, tidied)
    if entry.get("install_date") is not None:
        fields["install_date"] = tidy_date(index, entry["install_date"], tidied)
    if "software_type" in entry and entry["software_type"] not in TYPES:
        fields["software_type"] = "application"
        tidied.note(index, "software_type", "wrong_type", f"must be one of {', '.join(TYPES)}; stored as application")
    for name, otherwise in FLAGS.items():
        if name in entry and not isinstance(entry[name], bool):
            fields[name] = otherwise
            if entry[name] is not None:
                tidied.note(index, name, "wrong_type", "must be true or false")
    return fields


def tidy_text(index: int, name: str, value: Any, most: int, tidied: Tidied) -> str | None:
    """Return a text without invisible characters, cut to its length; a number as text, null for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number and not isinstance(value, str):
        tidied.note(index, name, "wrong_type", "must be text or null; stored as null")
        return None
    text = str(value)[: 10 * most]
    cleaned = clean_name(text)[:most].strip()
    if cleaned != text.strip():
        tidied.note(index, name, "changed_text", f"stored as {cleaned[:80]!a}")
    return cleaned or None


def tidy_date(index: int, value: Any, tidied: Tidied) -> str | None:
    """Return a date as 2026-04-30, also from a time or from 20260430; null for anything else, and for "no date"."""
    try:
        text = str(value).strip()
        parsed = date.fromisoformat(text) if len(text) in (8, 10) else datetime.fromisoformat(text).date()
    except ValueError:
        parsed = date.min
    if isinstance(value, str) and EARLIEST <= parsed < LATEST:
        return parsed.isoformat()
    tidied.note(index, "install_date", "invalid_date", "must be a date like 2026-04-30; stored as null")
    return None
