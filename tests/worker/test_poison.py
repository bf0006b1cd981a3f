"""A row that another program wrote can't be read or refuses to change: it fails alone, in each task of the worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.query.baselines import update_baselines
from alerts.query.forecasts import update_forecasts
from alerts.replay.late_data import find_late
from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from commands.delivery import settle_due_commands
from core.clock import utc_now
from db.isolation import in_halves
from devices.presence import OfflineThresholds, sweep
from inventory.eol import apply_rules
from rollups.refresh import refresh_range
from tests.alerts.scenarios import MINUTE, simple
from tests.alerts.state.test_evaluate import Evaluator, busy, connection, evaluator
from tests.conftest import MakeDevice
from tests.databases import REAL_SERVER
from tests.devices import Device
from tests.people import Employee, Tenant

__all__ = ["connection", "evaluator"]  # fixtures
FAULTS = "SELECT item, reason FROM agent_isolated_faults WHERE task = $1 ORDER BY item"
ALERTS = "SELECT count(*) FROM agent_alert_history WHERE agent_device_id = $1 AND status = 'active'"


@asynccontextmanager
async def refusing(
    connection: asyncpg.Connection, table: str, column: str, value: Any, on: str = "INSERT OR UPDATE"
) -> AsyncIterator[None]:
    """Let a trigger refuse each change of the rows of a table with a value in a column."""
    await connection.execute(
        f"""
        CREATE OR REPLACE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            IF COALESCE(NEW.{column}, OLD.{column})::text = '{value}' THEN
                RAISE EXCEPTION 'the platform refuses this row';
            END IF;
            RETURN COALESCE(NEW, OLD);
        END $body$;
        CREATE TRIGGER refuse BEFORE {on} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_{table}();
        """
    )
    try:
        yield
    finally:
        await connection.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse_{table}()")


@pytest.fixture
async def pair(make_device: MakeDevice, alice: Tenant, dora: Tenant, evaluator: Evaluator) -> tuple[Device, Device]:
    """Two busy devices of two tenants, each with a rule; the poison is the first one's."""
    devices = await make_device(alice), await make_device(dora)
    for device in devices:
        await evaluator.rule(simple(), device.tenant.business_id, device.agent_id)
        await busy(device, utc_now(), 95, range(1, 30, 5))
    await evaluator.connection.execute("DELETE FROM agent_isolated_faults")
    return devices


async def fired(evaluator: Evaluator, devices: tuple[Device, ...]) -> list[int]:
    """On how many alerts each device has after an evaluation."""
    await evaluate(evaluator.connection, utc_now())
    return [await evaluator.connection.fetchval(ALERTS, device.agent_id) for device in devices]


WINDOWS = [
    ("time_zone", "'Pacific Standard Time'"), ("time_zone", "'Europe'"), ("time_zone", "'../etc/passwd'"),
    ("time_zone", "''"), ("time_zone", "'America/Nowhere'"), ("local_start", "'24:00'"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), WINDOWS)
async def test_a_window_that_cant_be_read_is_out_of_force_and_says_why(
    column: str, value: str, evaluator: Evaluator, pair: tuple[Device, Device], employee: Employee
) -> None:
    poisoned = pair[0].tenant
    window_id: UUID = await evaluator.connection.fetchval(
        "INSERT INTO agent_maintenance_windows (window_name, business_id, weekdays, local_start, duration_minutes,"
        " time_zone, created_by, created_at) VALUES ('nights', $1, ARRAY[1,2,3,4,5,6,7]::smallint[], '00:00', 1440,"
        " 'UTC', $2, now()) RETURNING id", poisoned.business_id, employee.employee_id,
    )  # fmt: skip
    await evaluator.connection.execute(
        f"UPDATE agent_maintenance_windows SET {column} = {value} WHERE id = $1", window_id
    )
    try:
        assert await fired(evaluator, pair) == [1, 1]
        for headers in (employee.headers, poisoned.headers):
            answer = await pair[0].client.get("/api/agents/maintenance-windows", headers=headers)
            assert answer.status_code == 200, answer.text
            (window,) = [one for one in answer.json()["windows"] if one["id"] == str(window_id)]
            assert window["is_running"] is False
            assert "out of force" in window["error_message"]
        assert [row["item"] for row in await evaluator.connection.fetch(FAULTS, "alerts")] == [f"window:{window_id}"]
    finally:
        await evaluator.connection.execute("DELETE FROM agent_maintenance_windows WHERE id = $1", window_id)


async def test_a_window_in_a_far_year_is_listed(
    evaluator: Evaluator, pair: tuple[Device, Device], employee: Employee
) -> None:
    window_id = await evaluator.connection.fetchval(
        "INSERT INTO agent_maintenance_windows (window_name, business_id, starts_at, ends_at, created_by, created_at)"
        " VALUES ('for ever', $1, '0044-03-15 BC', '200000-01-01', $2, now()) RETURNING id",
        pair[0].tenant.business_id, employee.employee_id,
    )  # fmt: skip
    try:
        assert await fired(evaluator, pair) == [0, 1]
        answer = await pair[0].client.get("/api/agents/maintenance-windows", headers=employee.headers)
        assert [one["is_running"] for one in answer.json()["windows"] if one["id"] == str(window_id)] == [True]
    finally:
        await evaluator.connection.execute("DELETE FROM agent_maintenance_windows WHERE id = $1", window_id)


HOURS = [
    {"days": 5, "from": "00:00", "to": "23:59", "time_zone": "UTC"},
    {"days": ["Mon"], "from": "00:00", "to": "23:59", "time_zone": "UTC"},
    {"days": [1], "from": "00:00+01:00", "to": "23:59+01:00", "time_zone": "UTC"},
    {"days": [1], "from": "00:00", "to": "23:59", "time_zone": "Pacific Standard Time"},
    {"days": [1], "from": "25:00", "to": "99:99", "time_zone": "UTC"},
    [], "always", 5, {"from": None}, {"time_zone": 5},
]  # fmt: skip


@pytest.mark.parametrize("hours", HOURS)
async def test_a_rule_whose_hours_cant_be_read_fails_alone(
    hours: Any, evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    rule = await evaluator.rule(simple(), pair[0].tenant.business_id)
    update = "UPDATE agent_alerts SET active_hours = $2 WHERE id = $1"
    await evaluator.connection.execute(update, rule, json.dumps(hours))
    assert await fired(evaluator, pair) == [1, 1]
    assert await evaluator.connection.fetchval("SELECT error_message FROM agent_alerts WHERE id = $1", rule)


METRICS = [
    '{"cpu_percent": "n/a"}', '{"cpu_percent": {"value": 5}}', '{"cpu_percent": 1e400}', '{"cpu_percent": [1]}',
    '{"cpu_percent": true}', "[]", '"text"', "5", '{"cpu_percent": 1e-400}',
]  # fmt: skip


@pytest.mark.parametrize("metrics", METRICS)
async def test_newest_values_of_any_shape_stop_nobody(
    metrics: str, evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    await evaluator.connection.execute(
        "UPDATE agent_devices SET current_metrics = $2::jsonb WHERE id = $1", pair[0].agent_id, metrics
    )
    assert (await fired(evaluator, pair))[1] == 1


async def test_a_forecast_that_cant_be_compared_fails_alone_and_comes_back(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    await evaluator.rule({"metric": "disk_percent", "reaches": 100, "within_days": 14}, None)
    await evaluator.connection.execute(
        "INSERT INTO agent_forecasts VALUES ($1, 'disk_percent', 1e308, -1e-300, 9, now()::date, now())",
        pair[0].agent_id,
    )
    await evaluator.connection.execute(
        "UPDATE agent_forecasts SET newest = -1e308, slope_per_day = 1e-300 WHERE agent_device_id = $1",
        pair[0].agent_id,
    )
    assert await fired(evaluator, pair) == [1, 1]  # the first one's other rule too
    (fault,) = await evaluator.connection.fetch(FAULTS, "alerts")
    assert fault["item"].startswith(f"device:{pair[0].agent_id}:rule:")
    await evaluator.connection.execute("DELETE FROM agent_forecasts WHERE agent_device_id = $1", pair[0].agent_id)
    await evaluate(evaluator.connection, utc_now() + 2 * MINUTE)
    assert await evaluator.connection.fetch(FAULTS, "alerts") == []


@pytest.mark.parametrize("table", ["agent_alert_history", "agent_alert_states", "agent_alert_transitions"])
async def test_a_row_that_refuses_an_alert_stops_nobody_else(
    table: str, evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    async with refusing(evaluator.connection, table, "agent_device_id", pair[0].agent_id):
        assert await fired(evaluator, pair) == [0, 1]
        assert "refuses this row" in (await evaluator.connection.fetch(FAULTS, "alerts"))[0]["reason"]
    assert await fired(evaluator, pair) == [1, 1]


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_a_locked_device_delays_only_its_own_alert(
    evaluator: Evaluator, pair: tuple[Device, Device], database: str
) -> None:
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM agent_devices WHERE id = $1 FOR UPDATE", pair[0].agent_id)
            assert await fired(evaluator, pair) == [0, 1]
    finally:
        await other.close()
    assert await fired(evaluator, pair) == [1, 1]


async def test_a_ticket_that_is_refused_stops_no_other(evaluator: Evaluator, pair: tuple[Device, Device]) -> None:
    tenants = [device.tenant.business_id for device in pair]
    query = "SELECT count(*) FROM service_requests WHERE business_id = $1"
    before = [await evaluator.connection.fetchval(query, tenant) for tenant in tenants]
    async with refusing(evaluator.connection, "service_requests", "business_id", tenants[0]):
        await fired(evaluator, pair)
        await work_tickets(evaluator.connection, utc_now())
    after = [await evaluator.connection.fetchval(query, tenant) for tenant in tenants]
    assert [new - old for old, new in zip(before, after, strict=True)] == [0, 1]


async def test_a_device_that_refuses_its_status_stops_no_sweep(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    patience = OfflineThresholds(timedelta(minutes=5), 2, 3)
    ids = [device.agent_id for device in pair]
    await evaluator.connection.execute(
        "UPDATE agent_devices SET status = 'online', last_heartbeat = now() - interval '2 days',"
        " last_metrics_received = now() - interval '2 days', status_due_at = now() - interval '1 day'"
        " WHERE id = ANY ($1)", ids,
    )  # fmt: skip
    async with refusing(evaluator.connection, "agent_devices", "id", ids[0]):
        await sweep(evaluator.connection, utc_now(), patience)
    query = "SELECT status FROM agent_devices WHERE id = $1"
    assert [await evaluator.connection.fetchval(query, one) for one in ids] == ["online", "offline"]
    await sweep(evaluator.connection, utc_now() + 2 * MINUTE, patience)
    assert await evaluator.connection.fetchval(query, ids[0]) == "offline"


async def test_a_command_that_refuses_to_end_stops_no_other(
    evaluator: Evaluator, pair: tuple[Device, Device], employee: Employee
) -> None:
    for device in pair:
        body = {"command_type": "restart_service", "params": {"service": "x"}, "expires_in_seconds": 60}
        url = f"/api/agents/{device.agent_id}/commands"
        assert (await device.client.post(url, json=body, headers=employee.headers)).status_code == 201
    async with refusing(evaluator.connection, "agent_commands", "agent_device_id", pair[0].agent_id):
        await settle_due_commands(evaluator.connection, utc_now() + timedelta(days=2))
    query = "SELECT status FROM agent_commands WHERE agent_device_id = $1"
    states = [await evaluator.connection.fetchval(query, device.agent_id) for device in pair]
    assert states == ["pending", "expired"]


async def test_an_end_of_life_rule_that_fails_stops_no_other(evaluator: Evaluator, employee: Employee) -> None:
    insert = (
        "INSERT INTO agent_software_eol (software_name, version_prefix, eol_date, created_by, updated_by, created_at,"
        " updated_at) VALUES ($1, '', '2020-01-01', $2, $2, $3, $3) RETURNING id"
    )
    now = utc_now()
    values = [(f"poison {number} {now}", employee.employee_id, now + number * MINUTE) for number in range(2)]
    rules = [await evaluator.connection.fetchval(insert, *row) for row in values]
    query = "SELECT applied_at IS NOT NULL FROM agent_software_eol WHERE id = $1"
    async with refusing(evaluator.connection, "agent_software_eol", "id", rules[0]):
        for _ in range(20):  # rules of other tests may wait too, and a pass takes so many
            await apply_rules(evaluator.connection, now)
            if await evaluator.connection.fetchval(query, rules[1]):
                break
    assert [await evaluator.connection.fetchval(query, rule) for rule in rules] == [False, True]


async def test_forecasts_and_baselines_of_a_device_that_refuses_stop_no_other(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    await evaluator.rule({"metric": "disk_percent", "reaches": 100, "within_days": 14}, None)
    await evaluator.rule({"metric": "cpu_percent", "deviations": 4, "floor": 20}, None)
    values = [(device.agent_id, day, 50.0 + day) for device in pair for day in range(1, 26)]
    await evaluator.connection.executemany(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, disk_percent, cpu_percent)"
        " VALUES ($1, now() - $2::integer * interval '1 day', now(), $3::float8, $3::float8)", values,
    )  # fmt: skip
    await refresh_range(evaluator.connection, utc_now() - timedelta(days=26), utc_now(), utc_now())
    for table, update in (("agent_forecasts", update_forecasts), ("agent_baselines", update_baselines)):
        async with refusing(evaluator.connection, table, "agent_device_id", pair[0].agent_id):
            await update(evaluator.connection, utc_now())
    rows = await evaluator.connection.fetch("SELECT agent_device_id FROM agent_forecasts")
    written = {row["agent_device_id"] for row in rows}
    assert (pair[0].agent_id in written, pair[1].agent_id in written) == (False, True)
    assert await evaluator.connection.fetch(FAULTS, "forecasts")


async def test_late_samples_that_cant_be_looked_at_stop_no_other(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    begin = utc_now() - timedelta(hours=3)
    await evaluator.connection.execute("UPDATE agent_devices SET late_at = NULL")  # of other tests
    for device in pair:
        await busy(device, begin, 95, range(1, 30, 5))
        await busy(device, begin + 30 * MINUTE, 5, range(1, 30, 5))
    await evaluator.connection.execute("UPDATE agent_alerts SET created_at = now() - interval '9 days' WHERE is_active")
    async with refusing(evaluator.connection, "agent_alert_history", "agent_device_id", pair[0].agent_id):
        assert await find_late(evaluator.connection, utc_now()) >= 1
    query = "SELECT count(*) FROM agent_alert_history WHERE agent_device_id = $1 AND resolution_notes LIKE 'Found l%'"
    assert [await evaluator.connection.fetchval(query, device.agent_id) for device in pair] == [0, 1]


@given(st.sets(st.integers(0, 40), max_size=8), st.integers(1, 41))
def test_poisoned_rows_never_change_the_outcome_of_other_rows(poison: set[int], count: int) -> None:
    """The halves of a batch: each thing that isn't poison is done exactly once, each poison is reported."""

    class Connection:
        def __init__(self) -> None:
            self.done: list[int] = []

        def is_closed(self) -> bool:
            return False

        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[None]:
            before = list(self.done)
            try:
                yield
            except BaseException:
                self.done = before
                raise

    connection = Connection()

    async def do(items: Any) -> None:
        for item in items:
            connection.done.append(item)
            if item in poison:
                raise ValueError(item)

    failed = asyncio.run(in_halves(connection, range(count), do))  # type: ignore[arg-type]
    assert sorted(connection.done) == [item for item in range(count) if item not in poison]
    assert sorted(item for item, _ in failed) == sorted(item for item in poison if item < count)
