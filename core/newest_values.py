"""A device's newest values as its row keeps them, read so that an odd row costs only itself."""

from typing import Any

import msgspec

MAX_WHOLE = 2**63  # what JSON libraries write of whole numbers


def newest_values(text: str | None) -> dict[str, float | None]:
    """Return the values by metric, {} before the first sample; `text` is the column `agent_devices.current_metrics`.

    Another program may have written the column: anything but an object counts as {}, anything but a number as None.
    """
    try:
        values = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:  # a number of thousands of digits
        return {}
    return {name: parse_number(value) for name, value in values.items()} if isinstance(values, dict) else {}


def parse_number(value: Any) -> float | None:
    """Return a number as it is, None for anything else and for whole numbers that are out of range."""
    is_float = isinstance(value, float)
    return value if is_float or (type(value) is int and abs(value) < MAX_WHOLE) else None
