"""The scan of the whole fleet before devices are aggregated by themselves: results are the same with and without it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, literal_column

from alerts.query import runner, screening
from alerts.query.compiler import metric_statement
from alerts.query.facts import ResultsByKey
from alerts.query.runner import EvaluationRequest, run_queries, statements_for
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from alerts.state.evaluate import QUERIES as EVALUATION
from core.clock import utc_now
from db.hypertables.policies import LEVELS
from rollups.refresh import refresh_range
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice

HOUR = timedelta(hours=1)
INSERT = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_used_gb)
SELECT $1, $2::timestamptz - (place - 1) * $3::interval, now(), value, 1000 * value
FROM unnest($4::float8[]) WITH ORDINALITY AS t (value, place)
ON CONFLICT DO NOTHING
"""
INSERT_RULE = """
INSERT INTO agent_alerts (id, alert_name, alert_type, severity, agent_device_id, conditions, is_active, created_by)
VALUES ($1, 'screened', 'metric', 'warning', $2, $3, false, NULL)
"""
OPEN = """
INSERT INTO agent_alert_states (agent_alert_id, agent_device_id, state, since, reason, evaluated_at)
SELECT a.id, a.agent_device_id, 'firing', now(), 'breached', now() FROM agent_alerts a WHERE a.id = ANY ($1::uuid[])
"""
EACH: list[dict[str, Any]] = [
    {"operator": operator, "threshold": threshold, "aggregate": aggregate, **share}
    for operator, threshold in ((">", 90), (">=", 50), ("<", 20), ("<=", 10.0))
    for aggregate, share in (
        ("avg", {}), ("min", {}), ("max", {}), ("all", {}), ("last", {}), ("share", {"share_percent": 40}),
    )
]  # fmt: skip
CONDITIONS: list[dict[str, Any]] = [
    *(simple(minutes=minutes, **form) for minutes in (10, 60, 360, 3000) for form in EACH),
    *(simple(minutes=60, **form) | {"metric": "memory_used_gb", "threshold": 50_000} for form in EACH),
    *(
        {"metric": "cpu_percent", "change_by": by, "within_minutes": minutes}
        for by in (40, -40)
        for minutes in (30, 240)
    ),
]
# Sums of these are exact, in whatever order a plan adds them up.
values = st.lists(st.sampled_from([10.0, 10.125, 50.0, 90.0, 90.25, 99.5, None]), min_size=1, max_size=40)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    yield connection
    await connection.close()


@pytest.fixture
def always_screened(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Screen even one device among those of all other tests."""
    monkeypatch.setattr(screening, "FEW", literal_column("1000000000", BigInteger))
    metric_statement.cache_clear()
    yield
    metric_statement.cache_clear()


async def open_rules(connection: asyncpg.Connection, device: UUID) -> list[Rule]:
    """Return a rule for each condition on the device; every third is firing there."""
    rules = [Rule(uuid4(), Scope(device_id=device), parse_condition(each), 5 * MINUTE) for each in CONDITIONS]
    stored = [
        (rule.id, device, msgspec.json.encode(condition).decode())
        for rule, condition in zip(rules, CONDITIONS, strict=True)
    ]
    await connection.executemany(INSERT_RULE, stored[::3])
    await connection.execute(OPEN, [rule.id for rule in rules[::3]])
    return rules


async def evaluated(connection: asyncpg.Connection, rules: Sequence[Rule], at: datetime) -> ResultsByKey:
    """Return the results as a pass reads them."""
    async with connection.transaction():
        await connection.execute(EVALUATION["plan_for_fleets"])
        return await run_queries(connection, rules, EvaluationRequest([at]))


@pytest.mark.usefixtures("always_screened")
@given(fleet=st.lists(values, min_size=2, max_size=2), every=st.sampled_from([1, 5, 30, 90]), late=values,
       minutes=st.integers(-10, 200))  # fmt: skip
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
async def test_the_results_are_those_without_it(
    make_device: MakeDevice, connection: asyncpg.Connection, fleet: list[Any], every: int, late: list[Any], minutes: int
) -> None:
    now = utc_now()
    devices = [(await make_device()).agent_id for _ in fleet]
    for device, samples in zip(devices, fleet, strict=True):
        await connection.execute(INSERT, device, now - 7 * MINUTE, every * MINUTE, samples)
    await refresh_range(connection, now - 60 * HOUR, now, now)
    for device in devices:  # in the midst of what is rolled up already
        await connection.execute(INSERT, device, now - 90.5 * MINUTE, 2 * MINUTE, late)
    rules = [rule for device in devices for rule in await open_rules(connection, device)]
    at = now + timedelta(minutes=minutes)
    screened = await evaluated(connection, rules, at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "sides_of", lambda _: ())
        without = await evaluated(connection, rules, at)
    assert screened.of == without.of
    assert screened.of


@pytest.mark.usefixtures("always_screened")
async def test_only_a_device_that_may_be_beyond_is_aggregated_by_itself(
    make_device: MakeDevice, connection: asyncpg.Connection
) -> None:
    now = utc_now()
    rules = []
    for value in (20.0, 95.0, 30.0):
        device = (await make_device()).agent_id
        await connection.execute(INSERT, device, now, 5 * MINUTE, [value] * 12)
        rules.append(
            Rule(uuid4(), Scope(device_id=device), parse_condition(simple(aggregate="avg", minutes=60)), MINUTE)
        )
    (ask,) = await statements_for(connection, rules, EvaluationRequest([now]))
    assert ask.level is LEVELS[0]
    sql, *arguments = ask.statement.bind(**ask.values)
    plan = msgspec.json.decode(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments))
    assert rows_of(plan[0]["Plan"])["CTE pairs"] == 3
    assert rows_of(plan[0]["Plan"])["CTE sought"] == 1


def rows_of(node: dict[str, Any]) -> dict[str, float]:
    """Return the rows of the parts of a plan that have a name."""
    rows_by_plan = {node["Subplan Name"]: node["Actual Rows"]} if "Subplan Name" in node else {}
    for inner in node.get("Plans", ()):
        rows_by_plan |= rows_of(inner)
    return rows_by_plan
