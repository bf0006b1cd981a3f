"""Times in requests: aware, kept in UTC, and within what the database and its drivers can hold."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def in_utc(time: datetime) -> datetime:
    """Return `time` in UTC; raises ValueError outside 1970..2200."""
    try:
        in_utc = time.astimezone(UTC)
    except OverflowError:  # the first and last hours that a datetime can hold
        raise ValueError("lies outside 1970..2200") from None
    if not EARLIEST <= in_utc < LATEST:
        raise ValueError("lies outside 1970..2200")
    return in_utc


def parse_time(text: str) -> datetime:
    """Return a time written with its zone, in UTC; raises ValueError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("has no time zone")
    return in_utc(time)


def shown_by_a_clock(time: datetime | None) -> datetime | None:
    """Return `time` in UTC; null outside 1970..2200, so that a wrong clock costs only the time."""
    try:
        return None if time is None else in_utc(time)
    except ValueError:
        return None


Time = Annotated[AwareDatetime, AfterValidator(in_utc)]
DeviceTime = Annotated[AwareDatetime | None, AfterValidator(shown_by_a_clock)]
