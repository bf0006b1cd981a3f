"""A live evaluation aggregates each device by itself, a backtest all instants at once: both give the same results."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.query.runner import run_queries
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from core.clock import utc_now
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice
from tests.devices import Device

INSERT = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT $1, $2::timestamptz + place * interval '5 minutes', now(), value
FROM unnest($3::float8[]) WITH ORDINALITY AS t (value, place)
"""
AGGREGATES: list[dict[str, Any]] = [{"aggregate": name} for name in ("all", "last", "avg", "min", "max")]
CONDITIONS = [
    *(simple(minutes=minutes, **form) for minutes in (5, 30) for form in AGGREGATES),
    simple(minutes=60, aggregate="share", share_percent=50),
    {"metric": "cpu_percent", "change_by": 30, "within_minutes": 60},
    {"metric": "cpu_percent", "change_by": -30, "within_minutes": 20},
    {"metric": "memory_percent", "operator": ">", "threshold": 1, "duration_minutes": 10},
]
series = st.lists(st.sampled_from([10.0, 50.0, 90.0, 95.0, None]), max_size=14)


async def two_devices(make_device: MakeDevice, connection: asyncpg.Connection, values: Sequence[Any]) -> list[Device]:
    """Return a device with these samples, the newest one now, and one that has sent nothing."""
    devices = [await make_device(), await make_device()]
    begin = utc_now() - (len(values) + 1) * 5 * MINUTE
    await connection.execute(INSERT, devices[0].agent_id, begin, values)
    return devices


@given(values=series, later=st.integers(0, 90))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
async def test_one_instant_and_many_give_the_same(
    make_device: MakeDevice, connection: asyncpg.Connection, values: Sequence[Any], later: int
) -> None:
    devices = await two_devices(make_device, connection, values)
    at = utc_now() + (later - 30) * MINUTE
    rules = [
        Rule(uuid4(), Scope(device_id=device.agent_id), parse_condition(condition), 10 * MINUTE)
        for device in devices
        for condition in CONDITIONS
    ]
    alone = await run_queries(connection, rules, EvaluationRequest([at], everything=True))
    beside = await run_queries(connection, rules, EvaluationRequest([at, at + timedelta(minutes=1)], everything=True))
    assert alone.of
    assert alone.of == {key: terms for key, terms in beside.of.items() if key[2] == at}
