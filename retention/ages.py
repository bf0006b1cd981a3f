"""Ages in the notation of people: `14d`, `8w`, `2y`; and ages in days, as plans and history store them."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from core.errors import RtsError
from db.hypertables.policies import DAY
from db.hypertables.values import StorageValues

UNITS = {"d": 1, "w": 7, "y": 365}
LEVEL_NAMES = ("raw", "5m", "1h", "1d")
MAX_DAYS = 36_500
FOR_EVER = timedelta(days=MAX_DAYS)  # the longest age: nothing is deleted


class InvalidAgeError(RtsError):
    """Write an age as 14d, 8w or 2y: whole days, weeks or years, 100 years at most."""

    code: ClassVar[str] = "invalid_age"
    status: ClassVar[int] = 422


def parse_age(text: str) -> timedelta:
    """Parse an age such as `14d`, `8w` or `2y`; raises InvalidAgeError."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([dwy])", text.strip().lower())
    days = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < days <= MAX_DAYS:
        raise InvalidAgeError
    return timedelta(days=days)


def days_by_level(values: StorageValues) -> dict[str, float]:
    """Return the retention of each level in days."""
    return {level.name: level.keep / DAY for level in values.metrics}


def ages_from_days(days: Mapping[str, float]) -> dict[str, timedelta]:
    """Return ages in days as spans of time."""
    return {name: timedelta(days=count) for name, count in days.items()}
