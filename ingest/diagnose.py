"""One sample read field by field: unknown fields are kept, and a fault is named by code, field and value."""

import math
from datetime import datetime
from typing import Any

import msgspec

from core.metrics import BY_NAME
from core.text import is_storable
from ingest.samples import SERVICE_STATUSES, Sample

MAX_UNKNOWN_BYTES = 16 * 1024  # unknown fields of one sample, as JSON: state blobs must not bloat the hypertable
MAX_DEPTH = 16  # nesting of unknown fields
SHOWN = 80  # characters of a faulty value that a message repeats

METRICS = {name: metric for name, metric in BY_NAME.items() if not name.startswith("load_average")}
LOADS = tuple(metric for name, metric in BY_NAME.items() if name.startswith("load_average"))
KNOWN = frozenset(Sample.__struct_fields__)


class SampleFaultError(Exception):
    """A sample can't be accepted; `code` is stable, `message` names field and value."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_sample(item: Any) -> tuple[Sample, bytes | None]:
    """Return the sample and the JSON of its unknown fields (None when there are none).

    Raises SampleFaultError.
    """
    if not isinstance(item, dict):
        raise SampleFaultError("wrong_type", f"a sample must be an object, not {shown(item)}")
    for name, metric in METRICS.items():
        check_number(name, item.get(name), metric.maximum)
    check_load(item.get("load_average"))
    check_services(item.get("services"))
    check_time(item)
    unknown = encode_unknown({name: value for name, value in item.items() if name not in KNOWN})
    try:
        return msgspec.convert({name: item[name] for name in KNOWN & item.keys()}, Sample), unknown
    except msgspec.ValidationError as error:  # the checks above name every fault that we know of; this is the net
        raise SampleFaultError("wrong_type", str(error)) from error


def check_number(name: str, value: Any, maximum: float) -> None:
    """Raise unless `value` is null or a finite number in 0..maximum."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SampleFaultError("wrong_type", f"{name} must be a number or null, not {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SampleFaultError("not_finite", f"{name} is {value}: send null for what could not be measured")
    if not 0 <= value <= maximum:
        raise SampleFaultError("out_of_range", f"{name} is {shown(value)}, it must lie in 0..{maximum:g}")


def check_load(value: Any) -> None:
    """Raise unless `value` is null or three load averages, of 1, 5 and 15 minutes."""
    if value is None:
        return
    if not isinstance(value, list) or len(value) != len(LOADS):
        raise SampleFaultError("wrong_type", f"load_average must be [1m, 5m, 15m], not {shown(value)}")
    for metric, load in zip(LOADS, value, strict=True):
        check_number(metric.name, load, metric.maximum)


def check_services(value: Any) -> None:
    """Raise unless `value` is null or a list of at most 500 {name, status, pid}."""
    if value is None:
        return
    if not isinstance(value, list) or len(value) > 500:
        raise SampleFaultError("wrong_type", "services must be a list of at most 500 entries")
    for service in value:
        _check_service(service)


def _check_service(service: Any) -> None:
    if not isinstance(service, dict):
        raise SampleFaultError("wrong_type", f"a service must be an object, not {shown(service)}")
    name, status = service.get("name"), service.get("status")
    if not isinstance(name, str) or not 1 <= len(name) <= 255:
        raise SampleFaultError("invalid_service", f"a service's name must have 1 to 255 characters, not {shown(name)}")
    check_text("services", name)
    if status not in SERVICE_STATUSES:
        wanted = ", ".join(SERVICE_STATUSES)
        raise SampleFaultError(
            "invalid_service", f"status of {shown(name)} must be one of {wanted}, not {shown(status)}"
        )
    check_number("pid", service.get("pid"), 2**32)


def check_time(item: dict[str, Any]) -> None:
    """Raise unless collected_at is an RFC 3339 time with a zone."""
    value = item.get("collected_at")
    if value is None:
        raise SampleFaultError("missing_time", "collected_at is missing: send it as 2026-05-03T14:05:00Z")
    try:
        time = msgspec.convert(value, datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):
        message = f"collected_at must be like 2026-05-03T14:05:00Z, not {shown(value)}"
        raise SampleFaultError("invalid_time", message) from None
    if time.tzinfo is None:
        message = f"collected_at {shown(value)} has no time zone: add Z, or an offset such as +02:00"
        raise SampleFaultError("time_without_zone", message)


def encode_unknown(unknown: dict[str, Any]) -> bytes | None:
    """Return unknown fields as JSON that PostgreSQL's jsonb takes; raises SampleFaultError where it would not."""
    if not unknown:
        return None
    check_value("raw_metrics", unknown, MAX_DEPTH)
    encoded = msgspec.json.encode(unknown)
    if len(encoded) > MAX_UNKNOWN_BYTES:
        message = f"fields beyond the known ones take {len(encoded)} bytes, at most {MAX_UNKNOWN_BYTES} are kept"
        raise SampleFaultError("too_much_unknown", message)
    return encoded


def check_value(name: str, value: Any, depth: int) -> None:
    """Raise for text, numbers or nesting that jsonb can't hold."""
    if depth == 0:
        raise SampleFaultError("too_deep", f"{name} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        check_text(name, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise SampleFaultError("not_finite", f"{name} is {value}: send null for what could not be measured")
    elif isinstance(value, dict):
        for key, entry in value.items():
            check_text(name, key)
            check_value(key, entry, depth - 1)
    elif isinstance(value, list):
        for entry in value:
            check_value(name, entry, depth - 1)


def check_text(name: str, text: str) -> None:
    """Raise for text that PostgreSQL can't store: U+0000, or half of a surrogate pair."""
    if not is_storable(text):
        raise SampleFaultError("invalid_text", f"{shown(name)} holds a character that can't be stored: {shown(text)}")


def shown(value: Any) -> str:
    """Return a short, printable form of a faulty value."""
    text = ascii(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
