"""Rates and coverage: from the rows of a chart query to points; no database."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.metrics import BY_NAME
from core.micros import from_time
from rollups.points import Grid, make_points

START = from_time(datetime(2026, 5, 3, tzinfo=UTC))
MINUTE = 60_000_000  # microseconds, as all times here
FIVE = 5 * MINUTE
LATER = START + 24 * 60 * MINUTE
GRID = Grid(START, START + 12 * FIVE, FIVE, MINUTE, LATER)
RX = BY_NAME["network_rx_bytes"]


def row(
    bucket: int, first: float | None, last: float | None, increase: float | None, samples: int = 5
) -> dict[str, Any]:
    """Bucket number `bucket`, whose first sample is at its start and whose last a minute before its end."""
    time = START + bucket * FIVE
    return {
        "bucket": time, "sample_count": samples,
        "network_rx_bytes_first_at": time, "network_rx_bytes_last_at": time + 4 * MINUTE,
        "network_rx_bytes_first": first, "network_rx_bytes_last": last, "network_rx_bytes_increase": increase,
    }  # fmt: skip


def rates(*rows: dict[str, Any]) -> list[float | None]:
    return list(make_points(rows, (RX,), GRID).values["network_rx_bytes"])


def test_a_steady_counter_has_a_steady_rate() -> None:
    assert rates(row(-1, 0, 240, 240), row(0, 300, 540, 240), row(1, 600, 840, 240)) == [1.0, 1.0]


def test_a_reset_between_buckets_counts_from_zero() -> None:
    assert rates(row(-1, 0, 10_000, 10_000), row(0, 60, 300, 240)) == [1.0]


def test_without_a_bucket_before_the_rate_is_counted_within() -> None:
    assert rates(row(0, 1000, 1480, 480)) == [2.0]


def test_after_a_long_silence_growth_isnt_put_into_one_bucket() -> None:
    assert rates(row(-1, 0, 240, 240), row(9, 10**9, 10**9 + 480, 480))[-1] == 2.0


def test_a_bucket_without_values_has_no_rate() -> None:
    assert rates(row(0, 0, 240, 240), row(1, None, None, None), row(2, 600, 840, 240)) == [1.0, None, 1.0]


def test_one_sample_alone_has_no_rate() -> None:
    alone = row(0, 100, 100, 0, samples=1)
    alone["network_rx_bytes_last_at"] = alone["network_rx_bytes_first_at"]
    assert rates(alone) == [None]


@pytest.mark.parametrize(("samples", "share"), [(0, 0.0), (1, 0.2), (5, 1.0), (9, 1.0)])
def test_coverage_is_the_share_of_expected_samples(samples: int, share: float) -> None:
    assert GRID.coverages([START], [samples]) == [share]


def test_the_bucket_that_is_still_filling_expects_only_what_is_due() -> None:
    grid = Grid(START, START + FIVE, FIVE, MINUTE, START + 2 * MINUTE)
    assert grid.coverages([START], [2]) == [1.0]


def test_the_grid_has_every_bucket_and_none_after_now() -> None:
    assert len(list(GRID.buckets())) == 12
    assert list(Grid(START, START - MINUTE, FIVE, MINUTE, LATER).buckets()) == []
