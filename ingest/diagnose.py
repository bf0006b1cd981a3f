"""Reads one sample field by field: each fault is noted with field and code, and costs only that part.

Only a sample without a usable time is rejected. Unknown fields are stored.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from core.metrics import LOADS, METRICS, Metric
from ingest.faults import FaultError, Notes, short_form
from ingest.listed_services import read_services
from ingest.numbers import read_number
from ingest.samples import Sample
from ingest.series_read import read_series_parts
from ingest.unknown_fields import encode_unknown

SINGLE_METRICS = tuple(metric for metric in METRICS if metric not in LOADS)
FIELDS = frozenset(Sample.__struct_fields__)
Part = TypeVar("Part")


def read_sample(item: Any, notes: Notes) -> tuple[Sample, bytes | None]:
    """Return the sample without its faulty parts, and the JSON of its unknown fields (None: there are none).

    Raises FaultError when all of it must be rejected.
    """
    if not isinstance(item, dict):
        raise FaultError("wrong_type", f"a sample must be an object, not {short_form(item)}")
    sample = Sample(collected_at=read_time(item.get("collected_at")))
    for metric in SINGLE_METRICS:
        setattr(sample, metric.name, read_metric(metric, item.get(metric.name), notes))
    sample.load_average = part("load_average", lambda: read_load(item.get("load_average"), notes), notes)
    sample.services = part("services", lambda: read_services(item.get("services"), notes), notes)
    read_series_parts(sample, item, notes)
    unknown = {name: value for name, value in item.items() if name not in FIELDS}
    return sample, encode_unknown(unknown, notes) if unknown else None


def part(name: str, read: Callable[[], Part], notes: Notes) -> Part | None:
    """Return one part of a sample; None, and a note, when it can't be read."""
    try:
        return read()
    except FaultError as fault:
        notes.add(name, fault)
        return None


def read_metric(metric: Metric, value: Any, notes: Notes) -> float | None:
    """Return a metric's value: within its range, null when it can't be."""
    return part(metric.name, lambda: read_number(metric, value, notes), notes)


def read_load(value: Any, notes: Notes) -> tuple[float | None, float | None, float | None] | None:
    """Return the load averages of 1, 5 and 15 minutes; raises FaultError."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != len(LOADS):
        raise FaultError("wrong_type", f"load_average must be [1m, 5m, 15m], not {short_form(value)}")
    one, five, fifteen = (read_metric(metric, load, notes) for metric, load in zip(LOADS, value, strict=True))
    return one, five, fifteen


def read_time(value: Any) -> datetime:
    """Return collected_at; raises FaultError unless it is an RFC 3339 time with a zone."""
    if value is None:
        raise FaultError("missing_time", "collected_at is missing: send it as 2026-05-03T14:05:00Z")
    time = convert_time(value) or leap_second(value)
    if time is None:
        raise FaultError("invalid_time", f"collected_at must be like 2026-05-03T14:05:00Z, not {short_form(value)}")
    if time.tzinfo is None:
        message = f"collected_at {short_form(value)} has no time zone: add Z, or an offset such as +02:00"
        raise FaultError("time_without_zone", message)
    return time


def convert_time(value: Any) -> datetime | None:
    """Return an aware time, None if `value` is not an RFC 3339 time."""
    try:
        time = msgspec.convert(value, datetime)
        return time if time.tzinfo is None else time.astimezone(UTC)
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError):
        return None


def leap_second(value: Any) -> datetime | None:
    """Return 23:59:60 UTC as the last moment of its minute: RFC 3339 allows leap seconds, `datetime` does not."""
    if not isinstance(value, str) or value[16:19] != ":60":
        return None
    minute = convert_time(value[:17] + "59" + value[19:])
    if minute is None or minute.tzinfo is None or (minute.hour, minute.minute) != (23, 59):
        return None
    return minute.replace(microsecond=999_999)
