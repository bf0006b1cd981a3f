"""Fields of a sample without a column: each is kept as JSON, within limits of size and depth."""

import math
from typing import Any

import msgspec

from core.text import is_storable
from ingest.faults import FaultError, Notes, short_form

MAX_UNKNOWN_BYTES = 16 * 1024  # unknown fields of one sample, as JSON: state blobs must not bloat the hypertable
MAX_DEPTH = 16  # nesting of unknown fields
MAX_BITS = 63  # of a whole number: decoders differ beyond


def encode_unknown(unknown: dict[str, Any], notes: Notes) -> bytes | None:
    """Return unknown fields as JSON that PostgreSQL's jsonb takes, None when there are none.

    A field that can't be stored, or for which there is no room, is left out and noted.
    """
    parts: list[bytes] = []
    bytes_left = MAX_UNKNOWN_BYTES - 2
    for name, value in unknown.items():
        try:
            encoded = encode_field(name, value)
            if len(encoded) + 1 > bytes_left:
                message = f"unknown fields take more than {MAX_UNKNOWN_BYTES} bytes: this one is not stored"
                raise FaultError("too_much_unknown", message)
        except FaultError as fault:
            notes.add(name, fault)
        else:
            parts.append(encoded)
            bytes_left -= len(encoded) + 1
    return b"{" + b",".join(parts) + b"}" if parts else None


def encode_field(name: str, value: Any) -> bytes:
    """Return one field as `"name":value`; raises FaultError for what jsonb can't hold."""
    check_text(name, name)
    check_value(name, value, MAX_DEPTH - 1)
    return msgspec.json.encode({name: value})[1:-1]


def check_value(name: str, value: Any, depth: int) -> None:
    """Raise FaultError for text, numbers or nesting that jsonb can't hold."""
    if depth == 0:
        raise FaultError("too_deep", f"{short_form(name)} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        check_text(name, value)
    elif isinstance(value, int | float):
        check_size(name, value)
    elif isinstance(value, dict):
        for key, entry in value.items():
            check_text(name, key)
            check_value(key, entry, depth - 1)
    elif isinstance(value, list):
        for entry in value:
            check_value(name, entry, depth - 1)


def check_size(name: str, value: float) -> None:
    """Raise FaultError for a number that JSON can't carry."""
    if isinstance(value, float) and not math.isfinite(value):
        raise FaultError("not_finite", f"{short_form(name)} is {value}: send null for a value that was not measured")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise FaultError("out_of_range", f"{short_form(name)} contains an integer beyond 64 bits")


def check_text(name: str, text: str) -> None:
    """Raise FaultError for text that PostgreSQL can't store: U+0000, or half of a surrogate pair."""
    if not is_storable(text):
        raise FaultError(
            "invalid_text", f"{short_form(name)} contains a character that cannot be stored: {short_form(text)}"
        )
