"""How a counter grows is one rule: in the aggregate of rollups, the database's functions and the rates of points."""

from itertools import pairwise

import asyncpg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollups.points import counter_growth

LARGEST = 2**48  # sums below 2^53 are exact
values = st.none() | st.integers(-LARGEST, LARGEST).map(float) | st.sampled_from([0.0, -1.0, 1.0])
ADDED_UP = """
    WITH sample AS (
        SELECT value, at, (SELECT counter_value(b.value)
                           FROM unnest($1::float8[]) WITH ORDINALITY AS b (value, at)
                           WHERE b.at < s.at AND b.value IS NOT NULL ORDER BY b.at DESC LIMIT 1) AS before
        FROM unnest($1::float8[]) WITH ORDINALITY AS s (value, at)
    )
    SELECT counter_increase(value, value, 0 ORDER BY at) AS by_aggregate,
           sum(counter_growth(before, value)) AS by_function,
           counter_increase_of_samples($1::float8[]) AS of_samples
    FROM sample
"""


def stood(value: float) -> float:
    return -value - 1 if value < 0 else value


@given(counter=st.lists(values, min_size=1, max_size=12))
@example(counter=[None])
@example(counter=[5.0, -4.0, 4.0, None, 1.0])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
async def test_four_computations_of_counter_growth_agree(pool: asyncpg.Pool, counter: list[float | None]) -> None:
    row = await pool.fetchrow(ADDED_UP, counter)
    assert row
    known = [value for value in counter if value is not None]
    assert row["by_function"] == row["by_aggregate"] == row["of_samples"]
    assert row["by_aggregate"] == (sum(counter_growth(stood(a), b) for a, b in pairwise(known)) if known else None)
