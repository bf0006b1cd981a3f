"""Ages, growth and look-backs: for any ages, a refresh looks back no further than its source is kept."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.hypertables.policies import DAY, SLACK
from db.hypertables.values import DEFAULTS, longest_windows
from retention.ages import InvalidAgeError, days_by_level, parse_age
from retention.growth import DATABASE, Growth
from retention.plans import changed, hash_document

days = st.integers(1, 4000)


@given(raw=days, five=days, hour=days, day=days)
def test_a_look_back_stays_within_what_its_source_keeps(raw: int, five: int, hour: int, day: int) -> None:
    keep = {"raw": raw * DAY, "5m": five * DAY, "1h": hour * DAY, "1d": day * DAY}
    values = changed(DEFAULTS, keep)
    assert days_by_level(values) == {name: age / DAY for name, age in keep.items()}
    for below, level in values.steps:
        assert level.refresh_from
        assert level.refresh_to
        assert level.bucket
        least = level.refresh_to + 2 * level.bucket
        assert level.refresh_from <= max(below.keep - below.chunk - SLACK, least)
    assert values.max_sample_age <= DEFAULTS.max_sample_age


def test_the_ages_of_an_installation_have_its_look_backs() -> None:
    windows = longest_windows({level.name: level.keep for level in DEFAULTS.metrics})
    assert windows == {level.name: level.refresh_from for level in DEFAULTS.metrics[1:]}


@pytest.mark.parametrize(("text", "age"), [("14d", 14 * DAY), ("2w", 14 * DAY), ("1y", 365 * DAY), (" 3D ", 3 * DAY)])
def test_an_age_is_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "0d", "3h", "-1d", "1.5d", "d", "101y", "9999999d", "\u0661\u0664d"])
def test_invalid_ages_are_refused(text: str) -> None:
    with pytest.raises(InvalidAgeError):
        parse_age(text)


def test_a_disk_is_full_when_growth_goes_on() -> None:
    growing = Growth(600, {DATABASE: 100.0})
    assert growing.full_in(1000) == 4 * DAY
    assert growing.full_in(500) == 0 * DAY
    assert growing.full_in(0) is None
    assert Growth(600, {DATABASE: -5.0}).full_in(1000) is None
    assert Growth(600, {}).full_in(1000) is None


def test_a_plan_that_another_program_wrote_again_has_the_same_hash() -> None:
    assert hash_document({"after": {"raw": 14.0}, "share": [1.0, 0.5]}) == hash_document(
        {"share": [1, 0.5], "after": {"raw": 14}}
    )
