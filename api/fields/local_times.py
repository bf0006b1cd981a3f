"""Local times in requests: time of day, days of the week and their time zone."""

from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints


@lru_cache(1)
def known_zones() -> frozenset[str]:
    """Return the names of the IANA database; cached, because they are files."""
    return frozenset(available_timezones())


def known_zone(name: str) -> str:
    """Return `name`; raises ValueError if it is no time zone of the IANA database."""
    if name not in known_zones():  # never opened by name: it may be a path
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin")
    return name


def each_once(days: list[int]) -> list[int]:
    """Return days of the week in order, each once."""
    return sorted(set(days))


Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(known_zone)]
Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7), AfterValidator(each_once)
]
