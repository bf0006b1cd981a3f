"""Long windows are read in whole hours with five minutes at their ends: that tells the same as all five minutes."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.query.compiler import metric_statement
from alerts.query.results import ResultsByKey
from alerts.query.runner import run_queries
from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from core.clock import utc_now
from db.hypertables.policies import LEVELS
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.alerts.scenarios import MINUTE
from tests.conftest import MakeDevice

HOUR = timedelta(hours=1)
INSERT = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT $1, t, t, CASE WHEN n % 10 <> 0 THEN (100 * random())::numeric(5, 2) END -- the shortest window has a value
FROM generate_series($2::timestamptz, $3::timestamptz, $4::interval) WITH ORDINALITY s (t, n)
"""
WINDOWS = [timedelta(hours=3), timedelta(hours=6), timedelta(hours=7, minutes=25), timedelta(hours=24)]


def rules_for(reach: Scope) -> list[Rule]:
    """Rules that have always begun, so that each tells its value."""

    def condition(window: timedelta, aggregate: str) -> dict[str, Any]:
        return {
            "metric": "cpu_percent", "operator": ">=", "threshold": 0, "duration_minutes": window / MINUTE,
            "aggregate": aggregate,
        }  # fmt: skip

    return [
        Rule(uuid4(), reach, parse_condition(condition(window, aggregate)), 10 * MINUTE)
        for window in WINDOWS
        for aggregate in ("avg", "min", "max")
    ]


def values(results: ResultsByKey) -> dict[Any, Any]:
    return {key: (result[0].value, result[0].breached) for key, result in results.of.items()}


@given(minutes=st.integers(0, 30 * 60), every=st.sampled_from([1, 5, 20, 90]))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
async def test_hours_and_five_minutes_tell_the_same(
    make_device: MakeDevice, connection: asyncpg.Connection, minutes: int, every: int
) -> None:
    device_id = (await make_device()).agent_id
    now = bucket_start(utc_now(), HOUR) + timedelta(minutes=17)
    await connection.execute(INSERT, device_id, now - 60 * HOUR, now, every * MINUTE)
    await refresh_range(connection, now - 61 * HOUR, now, now)
    at = now - minutes * MINUTE
    rules = rules_for(Scope(device_id=device_id))
    stitched = values(await run_queries(connection, rules, EvaluationRequest([at])))
    plain = values(await run_queries(connection, rules, EvaluationRequest([at], level=LEVELS[1])))
    assert len(stitched) == len(rules)
    assert stitched.keys() == plain.keys()
    for key, (value, breached) in stitched.items():
        assert value == pytest.approx(plain[key][0], abs=1e-9)
        assert breached == plain[key][1]


async def test_a_day_is_read_in_hours(connection: asyncpg.Connection) -> None:
    ask, *_ = await statements_for(connection, rules_for(Scope()), EvaluationRequest([utc_now()], tenant=uuid4()))
    assert ask.statement == metric_statement(LEVELS[1], features_of(ask.group.terms), "one, stitched")
    assert "agent_metrics_1h" in ask.statement.sql


def features_of(terms: Any) -> Any:
    return tuple(sorted({term.feature for term in terms}, key=repr))
