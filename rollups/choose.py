"""Chooses the level and the bucket of a chart: the coarsest level that still satisfies the request.

Pure functions of the question and the table of levels; nothing here reads a database or the clock.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.hypertables.policies import DAY, HOUR, LEVELS, MINUTE, Level
from rollups.errors import InvalidIntervalError, InvalidRangeError, TooManyPointsError

MAX_POINTS = 11_000  # the limit that Prometheus has too: more is an export, not a chart
MAX_RANGE = 3660 * DAY
# Without an interval, a level is fine enough when it gives at least this share of max_points.
# A fifth: a week in hours, 168 points, costs a third of a week in quarters of an hour, made from five minutes.
ENOUGH = 0.2
# Widths that people can read on an axis; each divides the next level's bucket or is a multiple of its level's bucket.
STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
)
UNITS = {"s": timedelta(seconds=1), "m": MINUTE, "h": HOUR, "d": DAY}
ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday: where time_bucket() counts from


@dataclass(frozen=True, slots=True)
class LevelQuestion:
    """The request of a chart. `interval` is a width, zero for raw samples, None to fit `max_points`."""

    start: datetime
    end: datetime
    interval: timedelta | None
    max_points: int
    sample_every: timedelta  # the device's own interval: nothing finer exists


@dataclass(frozen=True, slots=True)
class Choice:
    """The level and bucket of an answer; `width` zero means raw samples. `warning` is (code, message)."""

    level: Level
    width: timedelta
    start: datetime
    end: datetime
    warning: tuple[str, str] | None = None


def parse_interval(text: str | None) -> timedelta | None:
    """Parse a width such as `5m` or `1h`: zero for `raw`, None for None; raises InvalidIntervalError."""
    if text is None or text == "auto":
        return None
    if text == "raw":
        return timedelta(0)
    match = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text)
    if not match:
        raise InvalidIntervalError
    width = int(match[1]) * UNITS[match[2]]
    if width > MAX_RANGE:
        raise InvalidIntervalError
    return width


def choose(question: LevelQuestion, now: datetime, levels: tuple[Level, ...] = LEVELS) -> Choice:
    """Return the level and bucket for `question`; raises InvalidRangeError or TooManyPointsError."""
    if not timedelta(0) < question.end - question.start <= MAX_RANGE or not ORIGIN < question.end < now + MAX_RANGE:
        raise InvalidRangeError
    coarsest = _coarsest_that_gives(question, levels)
    holding = [level for level in levels if question.start >= now - level.keep]
    if not holding:
        return _outside_retention(question, max(levels, key=lambda level: level.keep), now)
    fitting = [level for level in holding if levels.index(level) <= levels.index(coarsest)]
    if not fitting:
        return _coarser_than_asked(question, coarsest, holding[0])
    return _choice(
        question, fitting[-1], question.start, None
    )  # finer than the coarsest that fits, where only that is kept so long


def _coarsest_that_gives(question: LevelQuestion, levels: tuple[Level, ...]) -> Level:
    """Return the coarsest level whose bucket divides the interval, or is fine enough where none was given."""
    if question.interval is not None:
        fitting = [level for level in levels if level.bucket and _divides(level.bucket, question.interval)]
    else:
        enough = (question.end - question.start) / (question.max_points * ENOUGH)
        finest_needed = max(enough, question.sample_every)
        fitting = [level for level in levels if level.bucket and level.bucket <= finest_needed]
    return fitting[-1] if fitting else levels[0]


def _divides(bucket: timedelta, interval: timedelta) -> bool:
    return bool(interval) and interval % bucket == timedelta(0)


def _outside_retention(question: LevelQuestion, longest: Level, now: datetime) -> Choice:
    since = now - longest.keep
    message = (
        f"Nothing before {since:%Y-%m-%d} is kept ({longest.name} for {longest.keep.days} days); "
        "the answer begins there."
    )
    start = min(since, question.end)
    return _choice(question, longest, start, ("outside_retention", message))


def _coarser_than_asked(question: LevelQuestion, coarsest: Level, kept_level: Level) -> Choice:
    """Choose a coarser level, because the finer one is no longer kept; add a warning if that was requested."""
    message = (
        f"{coarsest.name} is kept for {coarsest.keep.days} days, less than this range goes back: "
        f"the answer comes from {kept_level.name}."
    )
    warning = ("coarser_than_asked", message) if question.interval is not None else None
    return _choice(question, kept_level, question.start, warning)


def _choice(question: LevelQuestion, level: Level, start: datetime, warning: tuple[str, str] | None) -> Choice:
    if question.interval == timedelta(0) and level.bucket is None:
        return Choice(level, timedelta(0), start, question.end, warning)
    width = _width(question, level, start)
    if (question.end - start) / width > MAX_POINTS:
        raise TooManyPointsError(
            f"This range has {math.ceil((question.end - start) / width)} points of {width}, at most {MAX_POINTS} "
            "are allowed: use a longer interval or a shorter range."
        )
    return Choice(level, width, start, question.end, warning)


def _width(question: LevelQuestion, level: Level, start: datetime) -> timedelta:
    """Return the bucket: the interval asked for, rounded up to the level; else the smallest step that fits."""
    least = level.bucket or question.sample_every
    if question.interval:
        return math.ceil(question.interval / least) * least if level.bucket else question.interval
    needed = max((question.end - start) / question.max_points, least)
    fitting = [step for step in STEPS if step >= needed and (not level.bucket or step % level.bucket == timedelta(0))]
    return fitting[0] if fitting else math.ceil(needed / DAY) * DAY


def bucket_start(time: datetime, width: timedelta) -> datetime:
    """Return the start of the bucket that contains `time`, as time_bucket(width, time) does."""
    return ORIGIN + (time - ORIGIN) // width * width
