"""JSON in requests: objects that PostgreSQL's jsonb can hold, bounded in size and depth."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator

from ingest.faults import FaultError
from ingest.unknown_fields import check_value

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
EXACT = 2**63 - 1  # beyond it, decoders differ


def storable_object(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value`; raises ValueError if jsonb cannot hold it, and beyond 64 KiB or 16 levels of nesting."""
    try:
        check_value("it", value, MAX_DEPTH)
        size = len(json.dumps(value, default=str))
    except (FaultError, ValueError) as fault:
        raise ValueError(str(fault)) from None
    if size > MAX_BYTES:
        raise ValueError(f"has {size} bytes as JSON, at most {MAX_BYTES} are taken")
    if has_huge_number(value):
        raise ValueError("contains an integer beyond 64 bits")
    return value


def has_huge_number(value: Any) -> bool:
    """Return whether an integer in `value` doesn't fit 64 bits."""
    if isinstance(value, dict):
        return any(map(has_huge_number, value.values()))
    if isinstance(value, list):
        return any(map(has_huge_number, value))
    return isinstance(value, int) and not -EXACT <= value <= EXACT


JsonObject = Annotated[dict[str, Any], AfterValidator(storable_object)]
