"""Which rows share a transaction: live rows together, late rows in runs without gaps; no database."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from db.hypertables.policies import LATE_AFTER
from ingest.pending import Row, Upload
from ingest.samples import Decoded, Sample
from ingest.transaction_groups import MAX_GAP, split_lanes

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MOST = 20
UPLOAD = Upload(uuid4(), "", NOW, Decoded(0, [], [], []))


def row(age: timedelta) -> Row:
    return Row(UPLOAD, Sample(NOW - age), NOW - age, b"")


ages = st.lists(st.integers(-600, 27 * 86_400).map(lambda seconds: timedelta(seconds=seconds)))


@given(ages)
def test_every_row_is_in_one_group_and_no_group_mixes_live_and_late(ages: list[timedelta]) -> None:
    rows = [row(age) for age in ages]
    groups = split_lanes(rows, NOW, MOST)
    assert sorted(map(id, (one for group in groups for one in group))) == sorted(map(id, rows))
    for group in groups:
        assert len({one.collected_at > NOW - LATE_AFTER for one in group}) == 1


@given(ages)
def test_a_late_run_has_no_gap_over_an_hour_and_stays_in_a_day(ages: list[timedelta]) -> None:
    late = [row(age) for age in ages if age >= LATE_AFTER]
    for group in split_lanes(late, NOW, MOST):
        times = [one.collected_at for one in group]
        assert times == sorted(times)
        assert len({time.date() for time in times}) == 1
        assert all(after - before <= MAX_GAP for before, after in pairwise(times))


@given(st.lists(st.integers(0, 90).map(lambda seconds: timedelta(seconds=seconds)), max_size=3 * MOST))
def test_no_group_has_more_rows_than_one_transaction_may_have(ages: list[timedelta]) -> None:
    sizes = [len(group) for group in split_lanes([row(age) for age in ages], NOW, MOST)]
    assert sum(sizes) == len(ages)
    assert all(size == MOST for size in sizes[:-1])
    assert all(0 < size <= MOST for size in sizes)


def test_live_rows_are_one_group_and_come_last() -> None:
    groups = split_lanes([row(timedelta(0)), row(timedelta(days=3)), row(timedelta(minutes=1))], NOW, MOST)
    assert [len(group) for group in groups] == [1, 2]
