"""Backtests by the API and the command line: counts, devices, thresholds, tenants, limits."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from alerts.replay.backtest import BacktestSpec, BacktestTooLargeError, backtest
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Scope
from core.clock import utc_now
from rollups.choose import bucket_start
from rollups.refresh import refresh_level
from tests.alerts.replay.test_past import measure
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant

DAY = timedelta(days=1)
PATH = "/api/agents/alerts/backtest"
INSERT_RULE = """
INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active, active_hours)
VALUES ('Stored', 'metric', 'warning', $1, $2, false, $3) RETURNING id
"""
BUSY, CALM = [95.0] * 4, [50.0] * 4


@pytest.fixture(autouse=True)
async def no_windows(connection: asyncpg.Connection) -> None:
    """Weekly windows of other tests mute by the clock."""
    await connection.execute("DELETE FROM agent_maintenance_windows")


async def days_of(connection: asyncpg.Connection, device: Device, *days: Sequence[float | None]) -> None:
    """Store what a device measured in the last days, the last of them yesterday."""
    first = bucket_start(utc_now(), DAY) - len(days) * DAY
    for number, samples in enumerate(days):
        await measure(connection, device.agent_id, first + number * DAY, samples)
    await refresh_level(connection, "agent_metrics_5m", first, first + len(days) * DAY)


async def ask(client: httpx.AsyncClient, employee: Employee, **order: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"days": 5} | order, headers=employee.headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_thresholds_have_counts_of_alerts_tickets_and_devices(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, make_device: MakeDevice, dora: Tenant
) -> None:
    busy, calm = await make_device(dora, "busy"), await make_device(dora, "calm")
    await days_of(connection, busy, CALM + BUSY + CALM + BUSY + CALM, [], CALM + BUSY + CALM)
    await days_of(connection, calm, [], CALM + [85.0] * 4 + CALM)
    whose = {"business_id": str(dora.business_id)}
    answer = await ask(client, employee, **whose, conditions=simple(), thresholds=[80, 90, 99])
    counts = [(one["threshold"], one["alerts"], one["tickets"], one["devices"]) for one in answer["outcomes"]]
    assert counts == [(80, 4, 3, 2), (90, 3, 2, 1), (99, 0, 0, 0)]
    at_90 = answer["outcomes"][1]
    (worst,) = at_90["worst"]
    assert (worst["agent_id"], worst["device_name"], worst["is_flapping"]) == (str(busy.agent_id), "busy", False)
    assert worst["first"] < worst["last"]
    assert worst["firing_minutes"] == 3 * 20  # from its second busy sample to five calm minutes
    course = [one["to_state"] for one in at_90["transitions"]]
    assert course == ["pending", "firing", "recovering", "inactive"] * 3
    assert (answer["devices"], answer["step_minutes"], answer["level"]) == (2, 5, "5m")


async def test_five_alerts_a_day_are_flapping(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    await days_of(connection, device, (BUSY + CALM) * 5)
    answer = await ask(client, employee, agent_device_id=str(device.agent_id), conditions=simple())
    (outcome,) = answer["outcomes"]
    assert (outcome["threshold"], outcome["alerts"], outcome["tickets"], outcome["flapping"]) == (90, 5, 1, 1)


async def test_an_open_alert_counts_until_now(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    await days_of(connection, device, BUSY)
    answer = await ask(client, employee, agent_device_id=str(device.agent_id), conditions=simple())
    (outcome,) = answer["outcomes"]
    assert outcome["alerts"] == 1
    assert outcome["firing_minutes"] >= 24 * 60 - 30  # silent since: not resolved


async def test_a_stored_rule_is_tested_in_force_or_not_and_within_its_hours(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    await days_of(connection, device, BUSY + CALM)  # from midnight on
    text = msgspec.json.encode(simple()).decode()
    for begin, alerts in (("00:00", 1), ("08:00", 0)):
        hours = {"days": [1, 2, 3, 4, 5, 6, 7], "from": begin, "to": "20:00", "time_zone": "UTC"}
        rule = await connection.fetchval(INSERT_RULE, device.agent_id, text, msgspec.json.encode(hours).decode())
        answer = await ask(client, employee, rule_id=str(rule))
        assert answer["outcomes"][0]["alerts"] == alerts


async def test_in_a_maintenance_window_of_the_past_nothing_would_have_fired(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    await days_of(connection, device, BUSY + CALM)
    await connection.execute(
        "INSERT INTO agent_maintenance_windows (window_name, agent_device_id, starts_at, ends_at, created_by, "
        "created_at) VALUES ('patching', $1, $2, $3, $4, $2)",
        device.agent_id, bucket_start(utc_now(), DAY) - DAY, utc_now(), employee.employee_id,
    )  # fmt: skip
    answer = await ask(client, employee, agent_device_id=str(device.agent_id), conditions=simple())
    assert answer["outcomes"][0]["alerts"] == 0


async def test_silence_is_judged_by_samples(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    await days_of(connection, device, [*CALM, *[None] * 12, *CALM, *[None] * 3, *CALM * 60])
    answer = await ask(
        client, employee, agent_device_id=str(device.agent_id), conditions={"offline_minutes": 30}, thresholds=[10, 30]
    )
    ten, thirty = answer["outcomes"]
    assert (ten["alerts"], thirty["alerts"]) == (3, 2)  # the last one goes on: the samples end yesterday
    assert any("offline for 30 min: judged by samples" in note for note in answer["notes"])


async def test_long_windows_are_tested_in_long_steps(
    client: httpx.AsyncClient, employee: Employee, device: Device
) -> None:
    for minutes, step, level in ((120, 5, "5m"), (600, 15, "5m"), (3000, 60, "1h")):
        condition = simple(minutes=minutes)
        answer = await ask(client, employee, agent_device_id=str(device.agent_id), conditions=condition)
        assert (answer["step_minutes"], answer["level"]) == (step, level)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"conditions": {"service": "nginx"}}, "cant_be_backtested"),
        ({"conditions": {"any": [simple(), {"within_days": 7}]}}, "cant_be_backtested"),
        ({"conditions": {"all": [simple(), simple()]}, "thresholds": [80]}, "thresholds_dont_fit"),
        ({"conditions": simple(), "thresholds": [120]}, "thresholds_dont_fit"),
        ({"conditions": {"metric": "nonsense"}}, "invalid_request"),
        ({"conditions": simple(), "days": 31}, "invalid_request"), ({}, "invalid_request"),
    ],
)  # fmt: skip
async def test_conditions_that_cannot_be_tested_are_refused(
    client: httpx.AsyncClient, employee: Employee, device: Device, order: dict[str, Any], code: str
) -> None:
    body = order | {"agent_device_id": str(device.agent_id)}
    response = await client.post(PATH, json=body, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, code)


async def test_an_unknown_rule_isnt_found(client: httpx.AsyncClient, employee: Employee) -> None:
    response = await client.post(PATH, json={"rule_id": str(uuid4())}, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "alert_rule_not_found")


async def test_customers_dont_test_rules(client: httpx.AsyncClient, alice: Tenant) -> None:
    response = await client.post(PATH, json={"conditions": simple()}, headers=alice.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "employees_only")


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({"business_id": None}, "unknown_business"),
        ({"service_location_id": None}, "unknown_service_location"),
        ({"agent_device_id": None}, "agent_not_found"),
        ({"business_id": "charlie's"}, "agent_not_found"),
    ],
)
async def test_a_reach_that_doesnt_belong_together_is_not_found(
    client: httpx.AsyncClient, employee: Employee, device: Device, charlie: Tenant, place: dict[str, Any], code: str
) -> None:
    whose = {"agent_device_id": str(device.agent_id)}
    named = {name: str(charlie.business_id if value else uuid4()) for name, value in place.items()}
    order = {"conditions": simple()} | whose | named
    response = await client.post(PATH, json=order, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, code)


async def test_a_rule_of_one_business_sees_no_device_of_another(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device, charlie: Tenant
) -> None:
    await days_of(connection, device, BUSY)
    answer = await ask(client, employee, conditions=simple(), business_id=str(charlie.business_id))
    assert (answer["devices"], answer["outcomes"][0]["alerts"]) == (0, 0)


async def test_a_stored_rule_that_cant_be_understood_isnt_tested(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, device: Device
) -> None:
    rule = await connection.fetchval(INSERT_RULE, device.agent_id, '{"metric": "nonsense"}', None)
    response = await client.post(PATH, json={"rule_id": str(rule)}, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "alert_rule_faulty")


async def test_too_much_is_refused_with_what_to_narrow(connection: asyncpg.Connection, device: Device) -> None:
    spec = BacktestSpec(parse_condition(simple()), Scope(device_id=device.agent_id), days=7, most_readings=1000)
    with pytest.raises(BacktestTooLargeError, match="fewer days") as refused:
        await backtest(connection, spec, utc_now())
    assert refused.value.details == {"devices": 1, "instants": 2016, "readings": 2016, "most": 1000}


async def test_a_recovery_threshold_keeps_its_distance(connection: asyncpg.Connection, device: Device) -> None:
    spec = BacktestSpec(
        parse_condition(simple(recovery_threshold=80)), Scope(device_id=device.agent_id), [70, 95], days=1
    )
    answer = await backtest(connection, spec, utc_now())
    recoveries = [one.condition.model_dump()["recovery_threshold"] for one in answer.outcomes]
    assert recoveries == [60, 85]


async def test_the_command_line_tells_the_same(
    connection: asyncpg.Connection, device: Device, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await days_of(connection, device, CALM + BUSY + CALM)
    arguments = ["alerts", "backtest", "--device", str(device.agent_id), "--above", "80,99", "--minutes", "10"]
    output = await run_command(database, *arguments, "--days", "2")
    assert "80" in output
    assert "server-1" in output
    assert f"{MINUTE * 5 // MINUTE} min" in output


async def test_a_rule_is_listed_and_explained(connection: asyncpg.Connection, device: Device, database: str) -> None:
    conditions = {"all": [simple(), {"no_data_minutes": 600}, simple(minutes=600)]}
    rule = await connection.fetchval(INSERT_RULE, device.agent_id, msgspec.json.encode(conditions).decode(), None)
    await connection.execute("UPDATE agent_alerts SET is_active = true WHERE id = $1", rule)
    assert "Stored" in await run_command(database, "alerts", "list")
    output = await run_command(database, "alerts", "explain", str(rule))
    assert "1 of 1 devices may be beyond a limit" in output  # it has never sent a sample: its newest value is unknown
    for part in ("newest cpu_percent", "≥ 90", "time since the last sample", "> 10 h"):
        assert part in output, part
    for part in ("Read from agent_metrics", "Read from agent_metrics_5m", "alert_pairs", "lookback", "cost"):
        assert part in output, part


async def run_command(database: str, *arguments: str) -> str:
    """Run the command line in a process of its own, as people do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *arguments, stdout=-1, stderr=-2,
        env=os.environ | {"DATABASE_URL": database, "COLUMNS": "200"},
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_a_sample_of_the_reach_is_tested_the_same_each_time(
    client: httpx.AsyncClient, employee: Employee, connection: asyncpg.Connection, make_device: MakeDevice, dora: Tenant
) -> None:
    for number in range(4):
        await days_of(connection, await make_device(dora, f"busy-{number}"), BUSY)
    order = {"business_id": str(dora.business_id), "conditions": simple(90)}
    whole = await ask(client, employee, **order, sample_devices=4)
    assert (whole["devices"], whole["reach_devices"], whole["sampled"]) == (4, 4, False)
    assert whole["outcomes"][0]["alerts"] == 4
    part, again = [await ask(client, employee, **order, sample_devices=2) for _ in range(2)]
    assert (part["devices"], part["reach_devices"], part["sampled"]) == (2, 4, True)
    assert part["outcomes"][0]["alerts"] == 2
    assert part["outcomes"][0]["worst"] == again["outcomes"][0]["worst"]
