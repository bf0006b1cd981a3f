"""Who has left is out: inactive, deleted and moved people, tokens that live too long or are for something else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from api.live.clients import UNAUTHORIZED, LiveClient
from api.live.departures import close_departed
from api.live.hub import Hub
from auth.people import People
from auth.tokens import Person, Tokens
from core.access import DEFAULT_COMMANDS
from core.clock import utc_now
from core.settings import Settings
from tests.calls import error_of
from tests.commands import act, order
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import LIFETIME, Employee, Tenant, make_employee, make_tenant
from tests.serving import started

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
async def platform_columns(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """The columns that the platform's own tables have; gone afterwards, as other tests compare the schema."""
    for table in ("employees", "users"):
        await pool.execute(f"ALTER TABLE {table} ADD COLUMN is_active boolean DEFAULT true, "
                           "ADD COLUMN soft_delete boolean DEFAULT false")  # fmt: skip
    yield
    for table in ("employees", "users"):
        await pool.execute(f"ALTER TABLE {table} DROP COLUMN is_active, DROP COLUMN soft_delete")


@asynccontextmanager
async def asking(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Calls to an application that keeps no answer about people."""
    async with started(settings, **{"people_cache_seconds": 0.0} | changes) as (client, _):
        yield client


@pytest.mark.parametrize("change", ["is_active = false", "soft_delete = true"])
async def test_an_employee_who_is_switched_off_can_do_nothing_more(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, device: Device, employee: Employee, change: str
) -> None:
    leaver = await make_employee(pool, tokens)
    waiting = await order(device, employee, "run_script")
    async with asking(settings) as client:
        device.client = client
        assert (await client.get("/api/agents", headers=leaver.headers)).status_code == 200
        await pool.execute(f"UPDATE employees SET {change} WHERE id = $1", leaver.employee_id)
        assert error_of(await client.get("/api/agents", headers=leaver.headers)) == (401, "access_ended")
        assert error_of(await act(device, leaver, waiting, "approve")) == (401, "access_ended")


@pytest.mark.parametrize("way", ["header", "body"])
async def test_an_employee_who_is_switched_off_opens_no_session(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, way: str
) -> None:
    leaver = await make_employee(pool, tokens)
    given: dict[str, Any] = {"headers": leaver.headers} if way == "header" else {"json": {"token": leaver.token}}
    async with asking(settings) as client:
        assert (await client.post("/api/session", **given)).status_code == 200
        await pool.execute("UPDATE employees SET is_active = false WHERE id = $1", leaver.employee_id)
        refused = await client.post("/api/session", **given)
        assert error_of(refused) == (401, "access_ended")
        assert "set-cookie" not in refused.headers


async def test_an_employee_who_is_deleted_can_do_nothing_more(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, device: Device
) -> None:
    leaver = await make_employee(pool, tokens)
    await pool.execute("DELETE FROM employees WHERE id = $1", leaver.employee_id)
    async with asking(settings) as client:
        for method, path in (("GET", "/api/agents"), ("POST", f"/api/agents/{device.agent_id}/deactivate")):
            answer = await client.request(method, path, headers=leaver.headers)
            assert error_of(answer) == (403, "unknown_employee")


async def user_of(pool: asyncpg.Pool, tenant: Tenant) -> UUID:
    user_id: UUID = await pool.fetchval("SELECT id FROM users WHERE business_id = $1", tenant.business_id)
    return user_id


@pytest.mark.parametrize("what", ["inactive", "deleted", "marked", "moved"])
async def test_a_user_who_has_left_reads_nothing_more(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, what: str
) -> None:
    tenant, other = await make_tenant(pool, tokens, "Leaving"), await make_tenant(pool, tokens, "Other")
    user = await user_of(pool, tenant)
    statements = {
        "inactive": "UPDATE users SET is_active = false WHERE id = $1",
        "deleted": "DELETE FROM users WHERE id = $1", "marked": "UPDATE users SET soft_delete = true WHERE id = $1",
        "moved": f"UPDATE users SET business_id = '{other.business_id}' WHERE id = $1",
    }  # fmt: skip
    async with asking(settings) as client:
        assert (await client.get("/api/agents", headers=tenant.headers)).status_code == 200
        await pool.execute(statements[what], user)
        assert error_of(await client.get("/api/agents", headers=tenant.headers)) == (401, "access_ended")


async def test_an_answer_is_kept_for_its_time(pool: asyncpg.Pool, tokens: Tokens) -> None:
    now, employee = 0.0, await make_employee(pool, tokens)
    people, person = People(pool, 5, lambda: now), Person("x", utc_now() + HOUR, employee.employee_id)
    await people.check(person)
    await pool.execute("DELETE FROM employees WHERE id = $1", employee.employee_id)
    await people.check(person)
    now = 5.0
    with pytest.raises(Exception, match="employee"):
        await people.check(person)


class Recorded:
    """A transport that remembers how it was closed."""

    closed: int | None = None

    async def send(self, name: str, data: Any) -> None:
        """Take anything."""

    async def close(self, code: int, reason: str) -> None:
        """Remember the code."""
        self.closed = code


async def test_an_open_socket_of_somebody_who_leaves_is_closed(pool: asyncpg.Pool, tokens: Tokens) -> None:
    hub, people = Hub(), People(pool, 0)
    stays, leaves = await make_employee(pool, tokens), await make_employee(pool, tokens)
    transports = [Recorded(), Recorded()]
    for one, transport in zip((stays, leaves), transports, strict=True):
        hub.join(LiveClient(Person(str(one.employee_id), utc_now() + HOUR, one.employee_id), transport), None)
    await pool.execute("UPDATE employees SET is_active = false WHERE id = $1", leaves.employee_id)
    await close_departed(hub, people)
    for client in list(hub._clients):
        await client.closed(5)
    assert [transport.closed for transport in transports] == [None, UNAUTHORIZED]
    await hub.close()


# Tokens


async def test_a_token_that_lives_too_long_is_refused(
    client: httpx.AsyncClient, tokens: Tokens, employee: Employee
) -> None:
    claims = {"sub": "e", "employee_id": str(employee.employee_id)}
    for lifetime, status in ((timedelta(days=3650), 401), (timedelta(days=8), 401), (HOUR, 200)):
        headers = {"Authorization": f"Bearer {tokens.issue_person(claims, utc_now(), lifetime)}"}
        assert (await client.get("/api/agents", headers=headers)).status_code == status


@pytest.mark.parametrize(
    "claims",
    [{"type": "refresh"}, {"aud": "password-reset"}, {"purpose": "mfa_pending"}, {"token_use": "email_verification"},
     {"aud": ["portal", "password-reset"]}, {"tokenType": "refresh"}, {"use": "mfa"}, {"Token-Use": "reset"},
     {"kind": {"of": "invitation"}}],
)  # fmt: skip
async def test_a_token_for_something_else_is_no_session(
    client: httpx.AsyncClient, tokens: Tokens, employee: Employee, claims: dict[str, Any]
) -> None:
    token = tokens.issue_person({"sub": "e", "employee_id": str(employee.employee_id), **claims}, utc_now(), LIFETIME)
    answer = await client.get("/api/agents", headers={"Authorization": f"Bearer {token}"})
    assert error_of(answer) == (401, "invalid_token")


async def test_required_claims_are_required(settings: Settings, tokens: Tokens, employee: Employee) -> None:
    good = {"aud": "portal", "iss": "https://id.example", "type": "access"}
    async with asking(settings, required_claims="aud=portal,api; iss=https://id.example; type=access") as client:
        for changed, status in (
            ({}, 200), ({"aud": ["x", "api"]}, 200), ({"aud": "mail"}, 401), ({"iss": "https://evil.example"}, 401),
            ({"type": "refresh"}, 401), ({"type": None}, 401),
        ):  # fmt: skip
            claims = {"sub": "e", "employee_id": str(employee.employee_id)} | good | changed
            token = tokens.issue_person({k: v for k, v in claims.items() if v is not None}, utc_now(), LIFETIME)
            answer = await client.get("/api/agents", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, changed


# Roles


def with_role(tokens: Tokens, employee: Employee, role: str | None) -> Employee:
    claims = {"sub": str(employee.employee_id), "employee_id": str(employee.employee_id)}
    return Employee(
        employee.employee_id, tokens.issue_person(claims | ({"role": role} if role else {}), utc_now(), HOUR)
    )


@pytest.mark.parametrize("role", ["billing", "sales", "Read-Only", ""])
async def test_a_role_without_rights_only_reads(
    client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, device: Device, employee: Employee, role: str
) -> None:
    clerk = with_role(tokens, await make_employee(pool, tokens), role or "nothing")
    waiting = await order(device, employee, "run_script", params={"script": "secret"})
    url = f"/api/agents/{device.agent_id}"
    assert (await client.get("/api/agents", headers=clerk.headers)).status_code == 200
    assert error_of(await act(device, clerk, waiting, "approve")) == (403, "right_missing")
    for method, path in (
        ("POST", f"{url}/deactivate"), ("DELETE", f"{url}/token"), ("DELETE", url), ("GET", f"{url}/audit"),
        ("POST", f"{url}/token/rotation"),
    ):  # fmt: skip
        assert error_of(await client.request(method, path, headers=clerk.headers)) == (403, "right_missing")
    read = await client.get(f"{url}/commands/{waiting['command_id']}", headers=clerk.headers)
    assert (read.status_code, read.json()["params"], read.json()["stdout"]) == (200, None, None)


async def test_the_table_of_rights_is_the_operators(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, device: Device, employee: Employee
) -> None:
    async with asking(settings, role_rights="manager=approve; technician=order; other=") as client:
        device.client = client
        waiting = await order(device, employee, "run_script")
        second = await make_employee(pool, tokens)
        assert error_of(await act(device, second, waiting, "approve")) == (403, "right_missing")
        boss = with_role(tokens, second, "Manager")
        assert (await act(device, boss, waiting, "approve")).status_code == 200


@pytest.mark.parametrize("text", ["manager=fly", "manager", "=order"])
def test_a_table_of_rights_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"right|name=value"):
        Settings(role_rights=text)


# Approval over time, and what each command needs


async def test_commands_to_many_devices_one_after_the_other_need_approval(
    settings: Settings, pool: asyncpg.Pool, tokens: Tokens, make_device: MakeDevice
) -> None:
    hasty = await make_employee(pool, tokens)
    async with asking(settings, approval_window_minutes=60.0, approval_above_devices=3) as client:
        devices = [await make_device() for _ in range(5)]
        for device in devices:
            device.client = client
        needs = [(await order(device, hasty))["approval_required"] for device in devices]
        assert needs == [False, False, False, True, True]
        assert (await order(devices[0], hasty))["approval_required"] is False  # one of the three again
        batch = {"agent_ids": [str(device.agent_id) for device in devices[2:4]], "command_type": "restart_service"}
        response = await client.post("/api/agents/commands", json=batch, headers=hasty.headers)
        assert {command["approval_required"] for command in response.json()["commands"]} == {True}


@pytest.mark.parametrize("command_type", ["exec", "shell", "run-script", "run.script", "whatever_next"])
async def test_a_type_that_nobody_listed_needs_approval(
    settings: Settings, device: Device, employee: Employee, command_type: str
) -> None:
    async with asking(settings, command_types=DEFAULT_COMMANDS) as client:
        device.client = client
        assert (await order(device, employee, command_type))["awaits_approval"]


async def test_a_type_that_is_refused_is_refused(settings: Settings, device: Device, employee: Employee) -> None:
    async with asking(settings, command_types="collect_now=free; *=refused") as client:
        body = {"command_type": "run_script"}
        url = f"/api/agents/{device.agent_id}/commands"
        answer = await client.post(url, json=body, headers=employee.headers)
        assert error_of(answer) == (422, "command_type_refused")


@pytest.mark.parametrize(
    "change",
    ["approved_at = now()", "approval_required = false", "requested_by = gen_random_uuid()",
     "approved_by = requested_by", "status = 'sent'"],
)  # fmt: skip
async def test_the_database_itself_keeps_the_approval(
    pool: asyncpg.Pool, device: Device, employee: Employee, change: str
) -> None:
    waiting = await order(device, employee, "run_script")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pool.execute(f"UPDATE agent_commands SET {change} WHERE id = $1::text::uuid", waiting["command_id"])


async def test_an_approved_command_is_not_rewritten(
    pool: asyncpg.Pool, tokens: Tokens, device: Device, employee: Employee
) -> None:
    waiting = await order(device, employee, "run_script")
    await act(device, await make_employee(pool, tokens), waiting, "approve")
    statement = """UPDATE agent_commands SET command_params = '{"script": "other"}' WHERE id = $1::text::uuid"""
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(statement, waiting["command_id"])


async def test_the_platform_may_delete_an_employee_who_approved(
    pool: asyncpg.Pool, tokens: Tokens, device: Device, employee: Employee
) -> None:
    waiting, second = await order(device, employee, "run_script"), await make_employee(pool, tokens)
    await act(device, second, waiting, "approve")
    await pool.execute("DELETE FROM employees WHERE id = $1", second.employee_id)
    query = "SELECT approved_at IS NOT NULL FROM agent_commands WHERE id = $1::text::uuid"
    assert await pool.fetchval(query, waiting["command_id"])
