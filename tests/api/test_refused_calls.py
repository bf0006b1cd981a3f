"""Refused calls and reads of secrets in the audit trail: who, what, how often, and never more rows than are allowed."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.refusals import write_once
from api.services import Services
from core.clock import utc_now
from devices.audit import Actor
from devices.refused_calls import MAX_WAITING, Refusal, RefusedCalls
from devices.sensitive_reads import SensitiveReads
from tests.calls import path_of
from tests.commands import order
from tests.devices import Device
from tests.people import Employee, Tenant


@pytest.fixture(autouse=True)
def refusals_of_this_test(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from zero: other tests' refused calls may have used up the rows of this hour."""
    monkeypatch.setattr(services.refusals, "calls", RefusedCalls(100, services.clock))


async def noted(services: Services, actor: UUID | None, code: str) -> list[dict[str, Any]]:
    """Write what was collected, and return the details of an actor's refused calls with a code."""
    await services.refusals.calls.write(services.pool)
    rows = await services.pool.fetch(
        "SELECT actor_kind, details FROM agent_audit "
        "WHERE action = 'call_refused' AND actor_id IS NOT DISTINCT FROM $1 AND details ->> 'code' = $2 ORDER BY id",
        actor, code,
    )  # fmt: skip
    return [json.loads(row["details"]) | {"kind": row["actor_kind"]} for row in rows]


async def test_a_refused_user_is_named_with_the_business(
    client: httpx.AsyncClient, services: Services, dora: Tenant
) -> None:
    for _ in range(3):
        assert (await client.get("/api/admin/audit", headers=dora.headers)).status_code == 403
    await services.refusals.calls.write(services.pool)
    rows = await services.pool.fetch(
        "SELECT actor_kind, details FROM agent_audit WHERE details ->> 'business_id' = $1", str(dora.business_id)
    )
    (row,) = rows
    assert row["actor_kind"] == "user"
    assert json.loads(row["details"]) == {
        "call": "GET /api/admin/audit", "code": "employees_only", "count": 3, "business_id": str(dora.business_id),
    }  # fmt: skip


async def test_an_agent_at_another_agents_path_is_named(device: Device, services: Services) -> None:
    other = uuid4()
    for path in (f"/api/agents/{other}/metrics", f"/api/agents/{other}/heartbeat"):
        assert (await device.client.post(path, json={}, headers=device.headers)).status_code == 403
    calls = {row["call"]: row["kind"] for row in await noted(services, device.agent_id, "wrong_agent")}
    assert calls == {"POST /api/agents/{id}/metrics": "agent", "POST /api/agents/{id}/heartbeat": "agent"}


async def test_a_revoked_device_is_named(device: Device, services: Services, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", device.agent_id)
    answer = await device.client.post(path_of(device, "metrics"), json={"metrics": []}, headers=device.headers)
    assert answer.status_code == 401
    (row,) = await noted(services, device.agent_id, "token_revoked")
    assert row["kind"] == "agent"


async def test_a_token_that_is_none_names_nobody_and_is_not_kept(
    client: httpx.AsyncClient, services: Services, pool: asyncpg.Pool
) -> None:
    secret = f"eyJ{uuid4().hex}"
    answer = await client.get(f"/api/agents?token={secret}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    assert await noted(services, None, "invalid_token")
    assert not await pool.fetchval("SELECT count(*) FROM agent_audit WHERE details::text LIKE $1", f"%{secret}%")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


async def rows_of(pool: asyncpg.Pool, mark: str) -> list[dict[str, Any]]:
    rows = await pool.fetch("SELECT details FROM agent_audit WHERE details::text LIKE $1 ORDER BY id", f"%{mark}%")
    return [json.loads(row["details"]) for row in rows]


def flood(calls: RefusedCalls, mark: str, count: int, source: str) -> None:
    for number in range(count):
        calls.note(Refusal(Actor("unknown", None, source), f"GET /{mark}/{number}", f"{mark}_code"))


async def test_one_address_cannot_fill_the_trail_nor_hide_another(pool: asyncpg.Pool) -> None:
    clock, mark = Clock(), uuid4().hex
    calls = RefusedCalls(100, clock)
    flood(calls, mark, 5000, "192.0.2.1")
    flood(calls, mark, 3, "192.0.2.2")
    clock.now += timedelta(minutes=2)
    assert await calls.write(pool) == 14
    rows = await rows_of(pool, mark)
    assert [row["call"] for row in rows[10:13]] == [f"GET /{mark}/{number}" for number in range(3)]
    assert rows[13] == {"codes": {f"{mark}_code": 4990}, "count": 4990}


async def test_an_hour_has_a_limited_number_of_rows(pool: asyncpg.Pool) -> None:
    clock, mark = Clock(), uuid4().hex
    calls = RefusedCalls(20, clock)
    written = 0
    for second in range(59 * 60 // 5):
        clock.now += timedelta(seconds=5)
        flood(calls, mark, 50, f"2001:db8::{second:x}")
        written += await calls.write(pool)
    assert written <= 20 + 60
    clock.now += timedelta(hours=1)
    flood(calls, mark, 1, "192.0.2.3")
    assert await calls.write(pool) == 1


def test_memory_is_bounded_between_two_writes() -> None:
    calls = RefusedCalls(10**9, utc_now)
    flood(calls, "m", 3 * MAX_WAITING, "192.0.2.1")
    assert len(calls._waiting) == MAX_WAITING


async def test_refused_calls_are_not_written_with_the_limit_0(pool: asyncpg.Pool) -> None:
    clock = Clock()
    calls = RefusedCalls(0, clock)
    flood(calls, "off", 5, "192.0.2.1")
    clock.now += timedelta(hours=2)
    assert await calls.write(pool) == 0


async def test_a_database_that_refuses_costs_only_the_rows(
    pool: asyncpg.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    calls = RefusedCalls(100, utc_now)
    calls.note(Refusal(Actor("unknown", None, "no address"), "GET /", "x"))
    await write_once(calls, pool)
    assert "refused calls were not written" in caplog.text


async def read_rows(pool: asyncpg.Pool, actor: UUID, action: str) -> list[asyncpg.Record]:
    return await pool.fetch(
        "SELECT agent_device_id, details FROM agent_audit WHERE actor_id = $1 AND action = $2 ORDER BY id",
        actor, action,
    )  # fmt: skip


async def test_reading_outputs_and_software_leaves_one_row_an_hour(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    command = await order(device, employee, params={"script": "echo secret"})
    url = path_of(device, f"commands/{command['command_id']}")
    for _ in range(3):
        assert (await device.client.get(url, headers=employee.headers)).status_code == 200
        assert (
            await device.client.get(path_of(device, "inventory/software"), headers=employee.headers)
        ).status_code == 200
    (outputs,) = [row for row in await read_rows(pool, employee.employee_id, "outputs_read")
                  if row["agent_device_id"] == device.agent_id]  # fmt: skip
    assert json.loads(outputs["details"]) == {"command_id": command["command_id"]}
    assert [row for row in await read_rows(pool, employee.employee_id, "inventory_read")
            if row["agent_device_id"] == device.agent_id]  # fmt: skip


async def test_a_customer_who_sees_no_outputs_leaves_no_row(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    command = await order(device, employee, params={"script": "echo secret"})
    url = path_of(device, f"commands/{command['command_id']}")
    assert (await device.client.get(url, headers=device.tenant.headers)).json()["params"] is None
    query = "SELECT count(*) FROM agent_audit WHERE details ->> 'command_id' = $1"
    assert await pool.fetchval(query, command["command_id"]) == 0


async def test_reading_and_exporting_the_trail_is_in_it(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool
) -> None:
    actor = str(uuid4())
    assert (
        await client.get("/api/admin/audit", params={"actor_id": actor}, headers=employee.headers)
    ).status_code == 200
    exported = {"actor_id": actor, "format": "csv"}
    assert (await client.get("/api/admin/audit/export", params=exported, headers=employee.headers)).status_code == 200
    read = [json.loads(row["details"]) for row in await read_rows(pool, employee.employee_id, "audit_read")]
    assert {"filter": {"actor_id": actor}} in read
    written = [json.loads(row["details"]) for row in await read_rows(pool, employee.employee_id, "audit_exported")]
    assert {"format": "csv", "filter": {"actor_id": actor}} in written


async def test_a_read_is_written_again_after_an_hour(pool: asyncpg.Pool) -> None:
    clock, actor = Clock(), Actor("employee", uuid4())
    reads = SensitiveReads(pool, clock)
    for minutes in (0, 30, 59, 61, 90):
        clock.now = utc_now() + timedelta(minutes=minutes)
        await reads.note(actor, "audit_read")
    assert actor.id is not None
    assert len(await read_rows(pool, actor.id, "audit_read")) == 2
