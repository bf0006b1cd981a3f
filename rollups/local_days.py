"""Local days of a chart in a time zone: some have 23 or 25 hours, some begin at one o'clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from db.hypertables.policies import DAY, HOUR

FIRST_DAY = date(2000, 1, 3)  # a Monday: weeks begin on it


def whole_days(width: timedelta) -> int | None:
    """Return how many days a width has; None when it is no whole number of days."""
    return width // DAY if width and width % DAY == timedelta(0) else None


def day_starts(start: datetime, end: datetime, days: int, zone: ZoneInfo) -> list[datetime]:
    """Return the local midnights (as UTC) at which buckets of `days` days begin: `start` is in the first one.

    The last one is the first that is not before `end`. A midnight that clocks skip is the instant at which they skip.
    """
    number = (start.astimezone(zone).date() - FIRST_DAY).days // days * days
    starts = [midnight(number, zone)]
    while starts[-1] < end:
        number += days
        starts.append(midnight(number, zone))
    return starts


def midnight(number: int, zone: ZoneInfo) -> datetime:
    """Return when a day begins, counted from the first Monday of 2000."""
    return datetime.combine(FIRST_DAY + timedelta(days=number), time(), zone).astimezone(UTC)


def has_whole_hours(starts: list[datetime]) -> bool:
    """Return whether all days begin with an hour of UTC, as buckets of an hour do."""
    return all((start - starts[0]) % HOUR == timedelta(0) and start.minute == 0 for start in starts)
