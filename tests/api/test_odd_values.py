"""Odd values in the fields and parameters that people send: an answer below 500, and no fault in a later pass."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.callers import CallerFactory, Target
from tests.people import Employee, make_employee
from tests.routes import ALERTS, WINDOWS, Document, calls_of, parameters_of, request_of

# JSON as it is sent; some of it no encoder writes.
NUMBERS = ["NaN", "1e999", "-1", "0", "1e-320", "9" * 400, "9223372036854775808", "1.5", "true"]
TEXTS = [
    '""', '"a\\u0000b"', '"\\ud800"', '"\\u202eevil"', '"%_%_%_%_%_%_%*?*?*["', '"Pacific Standard Time"',
    '"../../etc/passwd"', '"\\r\\nBcc: x@example.com"', '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59-14:00"', '"-0044-03-15T00:00:00Z"', '"25:61"', '"infinity"', json.dumps("x" * 10_240),
]  # fmt: skip
SHAPES = ["null", "[]", "{}", "[[[[[]]]]]", json.dumps([1] * 2000)]
ODD_JSON = NUMBERS + TEXTS + SHAPES
ODD_QUERY = [
    "", "-1", "1e999", "NaN", "9223372036854775808", "\0", "%", "x" * 5000, "Pacific Standard Time", "../x",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "-0044-03-15", "0s", "-5m", "1e9d", "9" * 20 + "m",
    "eyJhIjoxfQ==", "WyJhIl0=", "WzEsMl0=", "null", "1,2,,3",
]  # fmt: skip
HERE = "\u2603 here"

CPU = {"metric": "cpu_percent", "operator": ">", "threshold": 99, "duration_minutes": 10}
CONDITIONS: list[dict[str, Any]] = [
    CPU, {"any": [CPU, CPU]}, {"service": "x", "duration_minutes": 5}, {"no_data_minutes": 20},
    {"metric": "disk_percent", "reaches": 95, "within_days": 14},
    {"metric": "cpu_percent", "deviations": 4, "floor": 20, "duration_minutes": 15},
    {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10},
]  # fmt: skip
HOURS = {"days": [1, 7], "from": "22:00", "to": "06:00", "time_zone": "Europe/Berlin"}
RULES: list[dict[str, Any]] = [
    {"alert_name": "odd", "severity": "info", "business_id": "business_id", "conditions": condition,
     "active_hours": HOURS, "keep_firing_minutes": 5, "notification_enabled": True,
     "notification_channels": ["webhook"], "notification_recipients": ["https://hook.example/x"]}
    for condition in CONDITIONS
]  # fmt: skip
WEEKLY: dict[str, Any] = {
    "window_name": "odd", "business_id": "business_id", "weekdays": [7], "local_start": "02:30",
    "duration_minutes": 60, "time_zone": "Europe/Berlin",
}  # fmt: skip
ONCE: dict[str, Any] = {
    "window_name": "odd", "business_id": "business_id", "starts_at": "2026-03-29T02:30:00+01:00",
    "ends_at": "2026-03-29T04:30:00+02:00",
}  # fmt: skip
READS = [
    "GET /api/agents", "GET /api/agents/{agent_id}/metrics/history", "GET /api/agents/metrics/top",
    "GET /api/agents/metrics/export", "GET /api/agents/{agent_id}/annotations", f"GET {WINDOWS}", f"GET {ALERTS}",
    f"GET {ALERTS}/history", f"GET {ALERTS}/open", "GET /api/agents/{agent_id}/events", "GET /api/admin/audit",
    "GET /api/agents/{agent_id}/inventory/software", "GET /api/agents/commands", "GET /api/agents/gateways",
]  # fmt: skip
WRITES = [
    "POST /api/agents/{agent_id}/commands", "POST /api/views", "POST /api/agents/gateways",
    "PATCH /api/agents/{agent_id}", "POST /api/agents/registration-tokens",
    "PUT /api/businesses/{business_id}/time-zone",
]  # fmt: skip


def bodies(value: Any, odd: str) -> Iterator[bytes]:
    """Yield `value` as JSON with each of its parts in turn replaced by `odd`."""
    for body in replaced(value):
        yield json.dumps(body, ensure_ascii=False).replace(json.dumps(HERE, ensure_ascii=False), odd).encode()


def replaced(value: Any) -> Iterator[Any]:
    """Yield `value` with a mark in place of each of its parts."""
    yield HERE
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: variant} for variant in replaced(inner))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ([*value[:number], variant, *value[number + 1 :]] for variant in replaced(inner))


@pytest.fixture
async def technician(factory: CallerFactory, pool: asyncpg.Pool) -> AsyncIterator[Employee]:
    """An employee whose rules and windows are taken out of force afterwards."""
    employee = await make_employee(factory.pool, factory.tokens)
    yield employee
    forget = "UPDATE agent_alerts SET is_active = false, soft_delete = true WHERE created_by = $1"
    await pool.execute(forget, employee.employee_id)
    await pool.execute("DELETE FROM agent_maintenance_windows WHERE created_by = $1", employee.employee_id)


@pytest.fixture
async def target(factory: CallerFactory) -> Target:
    return await factory.target()


async def faults_of(
    client: httpx.AsyncClient, technician: Employee, method: str, url: str, body: Any
) -> list[tuple[bytes, str]]:
    """Return the bodies whose answer is 500 or more, with the answers."""
    headers = {**technician.headers, "Content-Type": "application/json"}
    faults = []
    for odd in ODD_JSON:
        for content in bodies(body, odd):
            answer = await client.request(method, url, headers=headers, content=content)
            if answer.status_code >= 500:
                faults.append((content[:300], answer.text[:300]))
    return faults


@pytest.mark.parametrize("number", range(len(RULES) + 2))
async def test_odd_rules_and_windows_are_no_fault_and_leave_none_to_later_passes(
    number: int, client: httpx.AsyncClient, technician: Employee, target: Target, pool: asyncpg.Pool
) -> None:
    business_id = target.device.tenant.business_id
    body = {**[*RULES, WEEKLY, ONCE][number], "business_id": str(business_id)}
    url = ALERTS if "conditions" in body else WINDOWS
    assert (await client.post(url, json=body, headers=technician.headers)).status_code == 201
    assert await faults_of(client, technician, "POST", url, body) == []

    everybodys = "UPDATE agent_alerts SET is_active = false WHERE created_by = $1 AND business_id IS NULL"
    await pool.execute(everybodys, technician.employee_id)  # they would fire on other tests' devices
    async with pool.acquire() as connection:
        await evaluate(connection, utc_now())
    broken = "SELECT conditions, error_message FROM agent_alerts WHERE created_by = $1 AND error_message IS NOT NULL"
    assert await pool.fetch(broken, technician.employee_id) == []
    answer = await client.get(WINDOWS, params={"business_id": str(business_id)}, headers=technician.headers)
    assert [one["error_message"] for one in answer.json()["windows"] if one["error_message"]] == []


@pytest.mark.parametrize("key", WRITES)
async def test_odd_bodies_are_no_fault(
    document: Document, client: httpx.AsyncClient, technician: Employee, target: Target, key: str
) -> None:
    request = request_of(document, key, target.ids(at_the_agent=False))
    assert await faults_of(client, technician, request["method"], request["url"], request["json"]) == []


@pytest.mark.parametrize("key", READS)
async def test_odd_parameters_and_cursors_are_no_fault(
    document: Document, client: httpx.AsyncClient, technician: Employee, target: Target, key: str
) -> None:
    request = request_of(document, key, target.ids(at_the_agent=False))
    faults = []
    for name in parameters_of(calls_of(document)[key], "query"):
        for odd in ODD_QUERY:
            query = {**request["params"], name: odd}
            answer = await client.get(request["url"], params=query, headers=technician.headers)
            if answer.status_code >= 500:
                faults.append((name, odd[:50], answer.text[:300]))
    assert faults == []
