"""How a device joins: one-use tokens made by employees, and spent by agents."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens, token_hash
from core.clock import utc_now
from core.settings import Settings
from tests.people import LIFETIME, Employee, Tenant, make_tenant

TOKENS = "/api/agents/registration-tokens"
REGISTER = "/api/agents/register"


def wanted(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    return {"business_id": str(tenant.business_id), "device_name": "front-desk-1"} | changes


async def new_token(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **changes: Any) -> str:
    response = await client.post(TOKENS, json=wanted(tenant, **changes), headers=employee.headers)
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


def refused(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_an_employee_gets_a_token_and_how_to_spend_it(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, settings: Settings
) -> None:
    created = (await client.post(TOKENS, json=wanted(alice, expires_in_hours=2), headers=employee.headers)).json()
    left = datetime.fromisoformat(created["expires_at"]) - utc_now()
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)
    for command in (created["install_command_linux"], created["install_command_windows"]):
        assert command.endswith(f" agent --server {settings.public_url} --token {created['token']}")


async def test_a_token_lives_for_a_day_unless_told_otherwise(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant
) -> None:
    created = (await client.post(TOKENS, json=wanted(alice), headers=employee.headers)).json()
    left = datetime.fromisoformat(created["expires_at"]) - utc_now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_a_customer_makes_no_tokens_not_even_for_himself(client: httpx.AsyncClient, alice: Tenant) -> None:
    assert refused(await client.post(TOKENS, json=wanted(alice), headers=alice.headers)) == (
        403,
        "employees_only",
    )


async def test_without_a_token_nobody_makes_one(client: httpx.AsyncClient, alice: Tenant) -> None:
    response = await client.post(TOKENS, json=wanted(alice))
    assert refused(response) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_is_for_a_business_and_a_site_that_exist_together(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant
) -> None:
    async def ask(**changes: Any) -> tuple[int, str]:
        return refused(await client.post(TOKENS, json=wanted(alice, **changes), headers=employee.headers))

    assert await ask(business_id=str(uuid4())) == (404, "unknown_business")
    assert await ask(service_location_id=str(bob.location_id)) == (404, "unknown_service_location")
    assert await ask(service_location_id=str(uuid4())) == (404, "unknown_service_location")


async def test_an_employee_who_is_gone_is_refused(client: httpx.AsyncClient, tokens: Tokens, alice: Tenant) -> None:
    token = tokens.issue_person({"sub": "gone", "employee_id": str(uuid4())}, utc_now(), LIFETIME)
    response = await client.post(TOKENS, json=wanted(alice), headers={"Authorization": f"Bearer {token}"})
    assert refused(response) == (403, "unknown_employee")


@pytest.mark.parametrize(
    "changes",
    [
        {"device_name": ""}, {"device_name": "x" * 256}, {"device_name": "a\0"}, {"device_name": None},
        {"business_id": "alice"}, {"expires_in_hours": 0}, {"expires_in_hours": -1}, {"expires_in_hours": 8761},
        {"metrics_interval_seconds": 0}, {"metrics_interval_seconds": 86_401}, {"service_location_id": "HQ"},
    ],
)  # fmt: skip
async def test_a_wish_that_doesnt_fit_is_refused(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, changes: dict[str, Any]
) -> None:
    response = await client.post(TOKENS, json=wanted(alice, **changes), headers=employee.headers)
    assert refused(response) == (422, "invalid_request")
    assert response.json()["error"]["details"][0]["path"] == f"body.{next(iter(changes))}"


async def test_a_device_registers_with_what_it_says_of_itself(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    site = str(alice.location_id)
    token = await new_token(client, employee, alice, service_location_id=site, metrics_interval_seconds=60)
    facts: dict[str, Any] = {
        "hostname": "front.example", "os_type": "windows", "os_version": "11", "os_architecture": "x86_64",
        "mac_address": "00:11:22:33:44:55", "cpu_model": "Ryzen", "total_memory_gb": 15.5, "total_disk_gb": 512.0,
        "agent_version": "1.2.3", "device_type": "desktop",
    }  # fmt: skip
    registered = (await client.post(REGISTER, json={"token": token, "ip_address": "2001:db8::1", **facts})).json()
    assert (registered["business_id"], registered["service_location_id"]) == (str(alice.business_id), site)
    assert registered["config"] == {
        "heartbeat_interval_seconds": 300, "metrics_interval_seconds": 60, "websocket_url": "ws://127.0.0.1:3002/ws",
    }  # fmt: skip
    query = "SELECT *, host(ip_address) AS ip FROM agent_devices WHERE id = $1"
    row = await pool.fetchrow(query, UUID(registered["agent_id"]))
    assert row is not None
    assert {name: row[name] for name in facts} == facts
    assert (row["ip"], row["device_name"], row["created_by"]) == ("2001:db8::1", "front-desk-1", employee.employee_id)


async def test_the_agents_token_works_at_once(client: httpx.AsyncClient, employee: Employee, alice: Tenant) -> None:
    token = await new_token(client, employee, alice)
    registered = (await client.post(REGISTER, json={"token": token})).json()
    body = {"metrics": [{"collected_at": utc_now().isoformat(), "cpu_percent": 1}]}
    headers = {"Authorization": f"Bearer {registered['agent_token']}"}
    response = await client.post(f"/api/agents/{registered['agent_id']}/metrics", json=body, headers=headers)
    assert response.json()["accepted"] == 1


async def test_facts_inside_system_info_count_the_same_and_win(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    token = await new_token(client, employee, alice)
    inside = {"hostname": "inside", "ip_address": "10.0.0.7", "total_memory_gb": 4}
    body = {"token": token, "hostname": "beside", "os_type": "linux", "system_info": inside}
    registered = (await client.post(REGISTER, json=body)).json()
    query = "SELECT hostname, os_type, host(ip_address), total_memory_gb FROM agent_devices WHERE id = $1"
    row = await pool.fetchrow(query, UUID(registered["agent_id"]))
    assert tuple(row or ()) == ("inside", "linux", "10.0.0.7", 4.0)


async def test_a_text_with_odd_characters_never_costs_the_registration(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    odd = {"cpu_model": "Xeon\0\0", "hostname": "pc\n\u202e1", "os_version": "x" * 300, "mac_address": "0" * 65}
    response = await client.post(REGISTER, json={"token": await new_token(client, employee, alice), **odd})
    assert response.status_code == 200, response.text
    query = "SELECT cpu_model, hostname, os_version, mac_address FROM agent_devices WHERE id = $1"
    row = await pool.fetchrow(query, UUID(response.json()["agent_id"]))
    assert tuple(row or ()) == ("Xeon", "pc 1", "x" * 255, "0" * 64)


@pytest.mark.parametrize(
    "fault",
    [
        {"ip_address": "10.0.0.256"}, {"ip_address": "10.0.0.0/8"}, {"os_type": "beos"}, {"device_type": "toaster"},
        {"total_memory_gb": -1}, {"hostname": 7}, {"system_info": {"ip_address": "somewhere"}},
    ],
)  # fmt: skip
async def test_facts_that_dont_fit_are_refused_and_leave_the_token_unspent(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, fault: dict[str, Any]
) -> None:
    token = await new_token(client, employee, alice)
    assert refused(await client.post(REGISTER, json={"token": token, **fault})) == (422, "invalid_request")
    assert (await client.post(REGISTER, json={"token": token})).status_code == 200


async def test_a_token_works_once(client: httpx.AsyncClient, employee: Employee, alice: Tenant) -> None:
    token = await new_token(client, employee, alice)
    assert (await client.post(REGISTER, json={"token": token})).status_code == 200
    response = await client.post(REGISTER, json={"token": token})
    assert refused(response) == (401, "registration_token_invalid")


async def test_an_expired_token_and_an_unknown_one_are_refused_alike(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    token = await new_token(client, employee, alice)
    await pool.execute(
        "UPDATE agent_registration_tokens SET expires_at = now() - INTERVAL '1 second' WHERE token_hash = $1",
        token_hash(token),
    )
    expired = await client.post(REGISTER, json={"token": token})
    unknown = await client.post(REGISTER, json={"token": "AGT-AAAA-AAAA-AAAA"})
    assert (expired.status_code, expired.json()) == (401, unknown.json())
    assert refused(unknown) == (401, "registration_token_invalid")


async def test_exactly_one_of_racing_registrations_wins(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    tenant = await make_tenant(pool, tokens, "Race")
    token = await new_token(client, employee, tenant)
    answers = await asyncio.gather(*(client.post(REGISTER, json={"token": token}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    query = "SELECT count(*) FROM agent_devices WHERE business_id = $1"
    assert await pool.fetchval(query, tenant.business_id) == 1


async def test_neither_tokens_text_is_in_any_table(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    token = await new_token(client, employee, alice)
    registered = (await client.post(REGISTER, json={"token": token})).json()
    agent_token, signature = registered["agent_token"], registered["agent_token"].rpartition(".")[2]
    query = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    tables = await pool.fetch(query)
    rows = [text for (table,) in tables for (text,) in await pool.fetch(f"SELECT t::text FROM {table} t")]
    assert any(registered["agent_id"] in row for row in rows)
    assert any(token_hash(token) in row for row in rows)
    assert not any(secret in row for row in rows for secret in (token, agent_token, signature))
