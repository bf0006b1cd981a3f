"""The past as a backtest sees it equals what live evaluation did, and rollups tell the same as raw samples."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.replay.backtest import CLOCK_STEP
from alerts.replay.replayer import Replay, replay
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from alerts.state.evaluate import evaluate
from alerts.state.machine import Transition
from core.clock import utc_now
from db.hypertables.policies import LEVELS, RAW
from rollups.choose import bucket_start
from rollups.refresh import refresh_level
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice

FIVE = 5 * MINUTE
CONDITIONS: list[dict[str, Any]] = [
    simple(), simple(minutes=20, recovery_threshold=70), simple(minutes=30, aggregate="avg"),
    simple(minutes=30, aggregate="max"), simple(minutes=15, aggregate="last"),
    simple(minutes=30, aggregate="share", share_percent=50),
    {"metric": "cpu_percent", "operator": "<=", "threshold": 50, "duration_minutes": 10},
    {"metric": "cpu_percent", "change_by": 30, "within_minutes": 60}, {"no_data_minutes": 15},
    {"any": [simple(), {"no_data_minutes": 20}]}, {"all": [simple(50), {"no_data_minutes": 10}]},
    {"all": [simple(), {"any": [simple(minutes=30, aggregate="avg"), simple(minutes=20)]}]},
]  # fmt: skip
LONG = simple(minutes=180, aggregate="share", share_percent=30)  # live evaluation reads it from rollups
# Few values around the thresholds, long enough alike that something fires, some missing.
runs = st.tuples(st.sampled_from([10.0, 50.0, 75.0, 90.0, 95.0, None]), st.integers(1, 5))
series = st.lists(runs, min_size=4, max_size=14).map(
    lambda pairs: [value for value, times in pairs for _ in range(times)]
)
INSERT = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT $1, t.at, t.at, t.value FROM unnest($2::timestamptz[], $3::float8[]) AS t (at, value)
"""
INSERT_RULE = """
INSERT INTO agent_alerts (id, alert_name, alert_type, severity, agent_device_id, conditions, keep_firing_minutes)
VALUES ($1, 'Past', 'metric', 'warning', $2, $3, 10)
"""


async def measure(
    connection: asyncpg.Connection, device_id: UUID, first: datetime, samples: Sequence[float | None]
) -> None:
    measured = [(first + number * FIVE, value) for number, value in enumerate(samples) if value is not None]
    await connection.execute(INSERT, device_id, [at for at, _ in measured], [value for _, value in measured])


def rules_for(device_id: UUID, *more: dict[str, Any]) -> list[Rule]:
    reach = Scope(device_id=device_id)
    return [Rule(uuid4(), reach, parse_condition(condition), 10 * MINUTE) for condition in (*CONDITIONS, *more)]


def told(transitions: Sequence[Transition], rules: Sequence[Rule]) -> list[list[tuple[Any, ...]]]:
    """What happened, rule by rule."""
    return [
        [(one.at, one.before.state, one.after.state, one.why) for one in transitions if one.rule_id == rule.id]
        for rule in rules
    ]


@given(samples=series, offset=st.integers(0, 60))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
async def test_rollups_and_raw_samples_tell_the_same(
    make_device: MakeDevice, connection: asyncpg.Connection, samples: list[float | None], offset: int
) -> None:
    device_id = (await make_device()).agent_id
    begin = bucket_start(utc_now(), timedelta(days=1)) - timedelta(days=2)
    end = begin + len(samples) * FIVE + 60 * MINUTE
    await measure(connection, device_id, begin + timedelta(seconds=offset), samples)
    await refresh_level(connection, LEVELS[1].relation, begin, end)
    instants = [begin + number * FIVE - CLOCK_STEP for number in range(1, (end - begin) // FIVE)]
    rules = rules_for(device_id, LONG)
    raw = await replay(connection, rules, instants, level=RAW)
    assert told(await replay(connection, rules, instants, level=LEVELS[1]), rules) == told(raw, rules)


@given(samples=series, every=st.sampled_from([3, 5, 7]))
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
async def test_a_replay_equals_live_evaluation(
    make_device: MakeDevice, connection: asyncpg.Connection, samples: list[float | None], every: int
) -> None:
    device_id = (await make_device()).agent_id
    begin = utc_now().replace(microsecond=0) - timedelta(hours=8)
    await measure(connection, device_id, begin, samples)
    instants = [begin + minute * MINUTE for minute in range(0, len(samples) * 5 + 40, every)]
    rules = rules_for(device_id)
    await live(connection, device_id, rules, instants, begin)
    query = (
        "SELECT agent_alert_id, at, from_state, to_state, reason FROM agent_alert_transitions "
        "WHERE agent_device_id = $1 ORDER BY at, id"
    )
    rows = await connection.fetch(query, device_id)
    lived = [[tuple(row)[1:] for row in rows if row["agent_alert_id"] == rule.id] for rule in rules]
    assert told(await replay(connection, rules, instants, level=RAW), rules) == lived


async def live(
    connection: asyncpg.Connection, device_id: UUID, rules: list[Rule], instants: list[datetime], begin: datetime
) -> None:
    """Evaluate at each instant, as the worker would have done it then."""
    await connection.execute("UPDATE agent_alerts SET is_active = false")
    await connection.execute("DELETE FROM agent_maintenance_windows")  # weekly ones of other tests mute by the clock
    await connection.execute("UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL")
    await connection.execute("UPDATE agent_presence SET deaf_until = NULL")
    for rule, condition in zip(rules, CONDITIONS, strict=True):
        await connection.execute(INSERT_RULE, rule.id, device_id, msgspec.json.encode(condition).decode())
    contacts = (
        "UPDATE agent_devices SET last_metrics_received = (SELECT max(collected_at) FROM agent_metrics "
        "WHERE agent_device_id = $1 AND collected_at <= $2 AND collected_at >= $3) WHERE id = $1"
    )
    for at in instants:
        await connection.execute(contacts, device_id, at, begin)
        assert await evaluate(connection, at) is not None


async def test_in_pieces_or_at_once_is_the_same(make_device: MakeDevice, connection: asyncpg.Connection) -> None:
    device_id = (await make_device()).agent_id
    begin = bucket_start(utc_now(), timedelta(hours=1)) - timedelta(hours=10)
    samples: list[float | None] = [50, *[95] * 6, *[None] * 5, *[95] * 3, *[50] * 9, *[95] * 4, *[50] * 4]
    await measure(connection, device_id, begin, samples)
    rules = rules_for(device_id)
    instants = [begin + number * FIVE for number in range(40)]
    whole = await replay(connection, rules, instants, level=RAW)
    pieces = Replay(rules, level=RAW)
    parts = [one for start in range(0, 40, 7) for one in await pieces.go_on(connection, instants[start : start + 7])]
    assert told(parts, rules) == told(whole, rules)
    assert any(told(whole, rules))


async def test_a_bucket_that_was_still_filling_isnt_read(
    make_device: MakeDevice, connection: asyncpg.Connection
) -> None:
    device_id = (await make_device()).agent_id
    begin = bucket_start(utc_now(), timedelta(days=1)) - timedelta(days=2)
    await measure(connection, device_id, begin + 4 * MINUTE, [95])
    await refresh_level(connection, LEVELS[1].relation, begin, begin + timedelta(hours=1))
    rules = [Rule(uuid4(), Scope(device_id=device_id), parse_condition(simple(aggregate="last")))]
    before = [begin + minute * MINUTE for minute in range(5)]
    assert await replay(connection, rules, before, level=LEVELS[1]) == []
    (fired,) = await replay(connection, rules, [*before, begin + FIVE], level=LEVELS[1])
    assert fired.at == begin + FIVE
