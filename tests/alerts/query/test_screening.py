"""The scan of the fleet before rules are evaluated on single devices: results are the same with and without it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, literal_column

from alerts.query import screening, statements
from alerts.query.results import ResultsByKey
from alerts.query.runner import run_queries, run_screen
from alerts.query.screening import screening_statement
from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest
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
SILENCE: list[dict[str, Any]] = [
    {f"{kind}_minutes": minutes} for kind in ("no_data", "offline") for minutes in (30, 90)
]
INSERT_DEVICE = """
INSERT INTO agent_devices (business_id, device_name, device_type, status, last_heartbeat, last_metrics_received,
                           created_at, clock_shift, metrics_interval_seconds, current_metrics)
SELECT $1, 'screened', $2, 'online', $3, $4, $3::timestamptz - interval '60 days', $5, $6,
       jsonb_strip_nulls(jsonb_build_object('cpu_percent', $7::float8, 'memory_used_gb', 1000 * $7::float8))
RETURNING id
"""
RETIRE = "UPDATE agent_devices SET is_active = false, clock_shift = '0' WHERE device_name = 'screened'"
# Sums of these are exact, in whatever order a plan adds them up.
values = st.lists(st.sampled_from([10.0, 10.125, 50.0, 90.0, 90.25, 99.5, None]), min_size=1, max_size=40)


@pytest.fixture
def always_screened(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Screen even one device among those of all other tests."""
    monkeypatch.setattr(screening, "INDEX_RATIO", literal_column("1000000000", BigInteger))
    screening_statement.cache_clear()
    yield
    screening_statement.cache_clear()


@pytest.fixture
def all_bounded(always_screened: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound the windows of all devices, as where most of a fleet has rules on windows."""
    monkeypatch.setattr(screening, "BOUND_ALL_RATIO", literal_column("1000000000", BigInteger))
    screening_statement.cache_clear()


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


async def unscreened(connection: asyncpg.Connection, rules: Sequence[Rule], at: datetime) -> ResultsByKey:
    """Return the results without screening."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "may_be_screened", lambda _: False)
        return await evaluated(connection, rules, at)


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
        patch.setattr(statements, "may_be_screened", lambda _: False)
        without = await evaluated(connection, rules, at)
    assert screened.of == without.of
    assert screened.of


@dataclass(frozen=True)
class ScreenedDevice:
    """A device as a test makes it: its samples, the newest first, and when it was heard."""

    samples: Sequence[float | None]
    newest: float | None
    minutes_silent: int
    shift: timedelta
    interval: int
    type: str

    async def create(self, connection: asyncpg.Connection, business: UUID, now: datetime) -> UUID:
        heard = now - self.minutes_silent * MINUTE
        device: UUID = await connection.fetchval(
            INSERT_DEVICE, business, self.type, now, heard, self.shift, self.interval, self.newest
        )
        await connection.execute(INSERT, device, now + self.shift - MINUTE, 5 * MINUTE, self.samples)
        return device


fleets = st.lists(
    st.builds(
        ScreenedDevice, samples=values, newest=st.sampled_from([10.0, 50.0, 90.0, 99.5, None]),
        minutes_silent=st.sampled_from([0, 40, 120]), shift=st.sampled_from([timedelta(0)] * 3 + [-10 * MINUTE]),
        interval=st.sampled_from([60, 300, 3600]), type=st.sampled_from(["server", "laptop"]),
    ),
    min_size=2, max_size=3,
)  # fmt: skip
chosen = st.lists(
    st.tuples(st.sampled_from(CONDITIONS + SILENCE), st.sampled_from([None, "server"])), min_size=1, max_size=30
)


@pytest.mark.usefixtures("always_screened")
@given(fleet=st.tuples(fleets, fleets), rules_each=st.tuples(chosen, chosen), one_in=st.integers(2, 5))
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
async def test_rules_of_businesses_have_the_results_they_have_without_it(
    connection: asyncpg.Connection, fleet: Any, rules_each: Any, one_in: int
) -> None:
    await connection.execute(RETIRE)  # those of the example before: clocks that are wrong are read by other statements
    now, rules, firing = utc_now(), list[Rule](), list[tuple[UUID, UUID]]()
    for devices, conditions in zip(fleet, rules_each, strict=True):
        business = await connection.fetchval("INSERT INTO businesses (business_name) VALUES ('screened') RETURNING id")
        ids = [await device.create(connection, business, now) for device in devices]
        own = [
            Rule(uuid4(), Scope(business, None, None, kind), parse_condition(each), MINUTE) for each, kind in conditions
        ]
        firing += [(rule.id, ids[0]) for rule in own[::one_in]]
        rules += own
    await connection.executemany(INSERT_RULE, [(rule_id, device, "{}") for rule_id, device in firing])
    await connection.execute(OPEN, [rule_id for rule_id, _ in firing])
    await refresh_range(connection, now - 4 * HOUR, now, now)
    screened = await evaluated(connection, rules, now)
    without = await unscreened(connection, rules, now)
    await connection.execute(RETIRE)
    assert screened.of == without.of


WELL = ScreenedDevice([10.0] * 12, 10.0, 0, timedelta(0), 300, "server")
AVERAGE: dict[str, Any] = {"aggregate": "avg", "minutes": 30}
HIGHEST: dict[str, Any] = {"aggregate": "max", "minutes": 30}
# Each device is found for one reason only, and has results that an evaluation without it would lack.
REASONS: dict[str, tuple[ScreenedDevice, list[dict[str, Any]]]] = {
    "beyond the looser of two thresholds above": (
        replace(WELL, samples=[60.0] * 12), [simple(**AVERAGE), simple(50, **AVERAGE)],
    ),
    "beyond the looser of two thresholds below": (
        WELL, [simple(5, operator="<", **AVERAGE), simple(20, operator="<", **AVERAGE)],
    ),
    "silent for the shorter of two spans": (
        replace(WELL, minutes_silent=40), [{"no_data_minutes": 30}, {"no_data_minutes": 90}],
    ),
    "without a newest value": (replace(WELL, samples=[95.0] * 12, newest=None), [simple()]),
    "with a wrong clock": (
        replace(WELL, samples=[10.0] * 4 + [95.0] * 4, shift=-10 * MINUTE), [simple(**HIGHEST)],
    ),
    "with an interval that makes the window longer": (
        replace(WELL, samples=[10.0] * 10 + [95.0] * 4, interval=3600), [simple(**HIGHEST)],
    ),
}  # fmt: skip


@pytest.mark.usefixtures("all_bounded")
@pytest.mark.parametrize("reason", REASONS)
async def test_a_device_on_which_a_rule_may_hold_is_found(connection: asyncpg.Connection, reason: str) -> None:
    await connection.execute(RETIRE)
    device, conditions = REASONS[reason]
    now = utc_now()
    business = await connection.fetchval("INSERT INTO businesses (business_name) VALUES ('screened') RETURNING id")
    await WELL.create(connection, business, now)
    device_id = await device.create(connection, business, now)
    rules = [Rule(uuid4(), Scope(business), parse_condition(each), MINUTE) for each in conditions]
    screened = await evaluated(connection, rules, now)
    await connection.execute(RETIRE)
    begun = {key[1] for key, results in screened.of.items() if results[0].begun}
    assert device_id in begun


@pytest.mark.usefixtures("all_bounded")
@pytest.mark.parametrize(("windows", "of_others"), [((30, 180), (60, 360)), ((60, 360), (30, 180))])
async def test_a_sample_anywhere_in_a_window_is_found(
    connection: asyncpg.Connection, windows: tuple[int, int], of_others: tuple[int, int]
) -> None:
    await connection.execute(RETIRE)
    now, rules = utc_now(), list[Rule]()
    for minutes, places in ((windows, range(0, 72, 3)), (of_others, [79])):
        business = await connection.fetchval("INSERT INTO businesses (business_name) VALUES ('screened') RETURNING id")
        for place in places:  # a device for each: of its samples of 6 hours only this one is beyond
            samples = [95.0 if number == place else 10.0 for number in range(80)]
            await replace(WELL, samples=samples).create(connection, business, now)
        conditions = [parse_condition(simple(aggregate="max", minutes=window)) for window in minutes]
        rules += [Rule(uuid4(), Scope(business), condition, MINUTE) for condition in conditions]
    await refresh_range(connection, now - 60 * HOUR, now, now)
    screened = await evaluated(connection, rules, now)
    without = await unscreened(connection, rules, now)
    await connection.execute(RETIRE)
    assert screened.of == without.of
    assert sum(key[0] == rules[0].id for key in screened.of) == windows[0] // 15


@pytest.mark.usefixtures("always_screened")
async def test_an_open_rule_is_evaluated_on_a_device_that_is_well(connection: asyncpg.Connection) -> None:
    now = utc_now()
    business = await connection.fetchval("INSERT INTO businesses (business_name) VALUES ('screened') RETURNING id")
    devices = [await WELL.create(connection, business, now) for _ in range(2)]
    rule = Rule(uuid4(), Scope(business), parse_condition(simple(**AVERAGE)), MINUTE)
    await connection.execute(INSERT_RULE, rule.id, devices[0], "{}")
    await connection.execute(OPEN, [rule.id])
    screened = await evaluated(connection, [rule], now)
    await connection.execute(RETIRE)
    assert {(key[1], results[0].breached) for key, results in screened.of.items()} == {(devices[0], False)}


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
    ask, *_ = await statements_for(connection, rules, EvaluationRequest([now]))  # another for clocks that are wrong
    assert ask.group.level is LEVELS[0]
    assert ask.screen
    found = await run_screen(connection, ask.screen)
    assert {row["device_id"] for row in found} == {rules[1].reach.device_id}
    assert [ask.screen.terms.terms[ask.place][row["scope"]] for row in found] == [rules[1].terms]
