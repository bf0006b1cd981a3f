"""Which level and bucket answers a question: pure functions, no database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.hypertables.policies import LEVELS
from rollups.choose import MAX_POINTS, LevelQuestion, bucket_start, choose, parse_interval
from rollups.errors import InvalidIntervalError, InvalidRangeError, TooManyPointsError

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def ask(
    back: timedelta,
    *,
    until: timedelta = timedelta(0),
    interval: timedelta | None = None,
    max_points: int = 800,
    every: timedelta = 5 * MINUTE,
) -> LevelQuestion:
    """A question that begins `back` ago and ends `until` ago."""
    return LevelQuestion(NOW - back, NOW - until, interval, max_points, every)


@pytest.mark.parametrize(
    ("question", "level", "width"),
    [
        (ask(HOUR), "5m", 5 * MINUTE),
        (ask(HOUR, every=5 * timedelta(seconds=1)), "raw", 5 * timedelta(seconds=1)),
        (ask(6 * HOUR, every=MINUTE), "raw", MINUTE),
        (ask(DAY), "5m", 5 * MINUTE),
        (ask(DAY, every=MINUTE), "5m", 5 * MINUTE),
        (ask(7 * DAY), "1h", HOUR),
        (ask(7 * DAY, interval=15 * MINUTE), "5m", 15 * MINUTE),
        (ask(30 * DAY), "1h", HOUR),
        (ask(90 * DAY), "1h", 3 * HOUR),
        (ask(365 * DAY), "1d", DAY),
        (ask(5 * 365 * DAY), "1d", 3 * DAY),
        (ask(30 * DAY, max_points=10), "1d", 3 * DAY),
        (ask(DAY, interval=HOUR), "1h", HOUR),
        (ask(DAY, interval=6 * HOUR), "1h", 6 * HOUR),
        (ask(DAY, interval=30 * MINUTE), "5m", 30 * MINUTE),
        (ask(DAY, interval=MINUTE), "raw", MINUTE),
        (ask(DAY, interval=7 * MINUTE), "raw", 7 * MINUTE),
        (ask(DAY, interval=timedelta(0)), "raw", timedelta(0)),
        (ask(30 * DAY, interval=7 * DAY), "1d", 7 * DAY),
    ],
)
def test_the_coarsest_level_that_still_gives_what_was_asked(
    question: LevelQuestion, level: str, width: timedelta
) -> None:
    choice = choose(question, NOW)
    assert (choice.level.name, choice.width, choice.warning) == (level, width, None)


def test_a_range_older_than_raw_is_answered_from_a_level_that_still_holds_it() -> None:
    assert choose(ask(40 * DAY, until=40 * DAY - HOUR, every=MINUTE), NOW).level.name == "5m"
    assert choose(ask(100 * DAY, until=99 * DAY), NOW).level.name == "1h"


def test_a_finer_interval_than_is_kept_is_answered_more_coarsely_and_says_so() -> None:
    choice = choose(ask(40 * DAY, until=39 * DAY, interval=MINUTE), NOW)
    assert (choice.level.name, choice.width) == ("5m", 5 * MINUTE)
    assert choice.warning is not None
    assert choice.warning[0] == "coarser_than_asked"


def test_raw_samples_that_are_gone_come_from_a_rollup_and_say_so() -> None:
    choice = choose(ask(100 * DAY, until=99 * DAY, interval=timedelta(0)), NOW)
    assert (choice.level.name, choice.width) == ("1h", HOUR)
    assert choice.warning is not None


def test_a_range_outside_all_retention_says_where_the_answer_begins() -> None:
    choice = choose(LevelQuestion(NOW - 3659 * DAY, NOW, None, 800, MINUTE), NOW)
    assert choice.warning is not None
    assert choice.warning[0] == "outside_retention"
    assert "2016-11-25" in choice.warning[1]
    assert choice.start == NOW - LEVELS[-1].keep


def test_a_range_that_ended_before_retention_began_is_empty_and_says_so() -> None:
    choice = choose(LevelQuestion(NOW - 3900 * DAY, NOW - 3800 * DAY, None, 800, MINUTE), NOW)
    assert choice.warning is not None
    assert choice.start == choice.end


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidRangeError):
        choose(LevelQuestion(NOW, NOW, None, 800, MINUTE), NOW)


def test_too_many_points_are_refused_with_their_number() -> None:
    with pytest.raises(TooManyPointsError, match="43200 points"):
        choose(ask(30 * DAY - HOUR + HOUR, interval=MINUTE), NOW)


@pytest.mark.parametrize("text", ["", "5", "m5", "0m", "-5m", "5w", "5 m", "1e3s", "99999999d", "5m;"])
def test_an_interval_that_isnt_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidIntervalError):
        parse_interval(text)


def test_intervals_are_read() -> None:
    read = [parse_interval(text) for text in ("30s", "5m", "1h", "1d", "raw", "auto", None)]
    assert read == [timedelta(seconds=30), 5 * MINUTE, HOUR, DAY, timedelta(0), None, None]


spans = st.timedeltas(min_value=MINUTE, max_value=3600 * DAY)


@given(back=spans, share=st.floats(0.001, 1), max_points=st.integers(10, MAX_POINTS), every=st.integers(1, 3600))
def test_without_an_interval_the_answer_fits_and_its_level_holds_it(
    back: timedelta, share: float, max_points: int, every: int
) -> None:
    question = LevelQuestion(
        NOW - back, NOW - back + max(MINUTE, back * share), None, max_points, timedelta(seconds=every)
    )
    choice = choose(question, NOW)
    points = (choice.end - choice.start) / choice.width
    assert points <= max(max_points, 1)
    assert choice.start >= NOW - choice.level.keep
    if choice.level.bucket:
        assert choice.width % choice.level.bucket == timedelta(0)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**6))
def test_a_bucket_holds_the_time_that_it_is_for(time: datetime, seconds: int) -> None:
    width = timedelta(seconds=seconds)
    assert timedelta(0) <= time - bucket_start(time, width) < width
