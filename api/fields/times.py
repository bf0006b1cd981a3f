"""Times in requests: aware, converted to UTC, and within the range of the database and its drivers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from ingest.diagnose import leap_second

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


def without_leap_second(value: Any) -> Any:
    """Return 23:59:60 of UTC as the last moment of its minute, anything else as it is."""
    return leap_second(value) or value


LEAP_SECOND = BeforeValidator(without_leap_second)
AnyTime = Annotated[AwareDatetime, LEAP_SECOND]
Time = Annotated[AwareDatetime, LEAP_SECOND, AfterValidator(in_utc)]
DeviceTime = Annotated[AwareDatetime | None, LEAP_SECOND, AfterValidator(shown_by_a_clock)]
