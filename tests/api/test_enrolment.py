"""Enrolment: confirmed by the first heartbeat; a device never heard goes away, and its install command works again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.tokens import token_hash
from core.clock import utc_now
from devices.audit import WORKER
from devices.presence import QUERIES, lapse_enrolments
from tests.calls import answer_of, changed, deeds, error_of, listed, path_of, removed, seen, told, trail
from tests.devices import Device, sample
from tests.people import Employee, Tenant

WITHIN = timedelta(hours=1)
TOKENS, REGISTER = "/api/agents/registration-tokens", "/api/agents/register"


async def lapse(pool: asyncpg.Pool) -> int:
    async with pool.acquire() as connection:
        return await lapse_enrolments(connection, utc_now(), WITHIN)


async def pass_time(pool: asyncpg.Pool, device: Device, minutes: int = 61) -> None:
    await pool.execute(
        "UPDATE agent_devices SET created_at = created_at - $2::interval, updated_at = updated_at - $2 WHERE id = $1",
        device.agent_id, timedelta(minutes=minutes),
    )  # fmt: skip


async def enrol(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **wishes: Any) -> tuple[str, Device]:
    """Return a registration token and the device that was registered with it."""
    body = {"business_id": str(tenant.business_id), "device_name": "new"} | wishes
    token = answer_of(await client.post(TOKENS, json=body, headers=employee.headers))["token"]
    registered = answer_of(await client.post(REGISTER, json={"token": token}))
    return token, Device(client, UUID(registered["agent_id"]), registered["agent_token"], tenant)


async def test_the_first_heartbeat_confirms_and_later_ones_change_nothing(device: Device) -> None:
    assert (await seen(device))["enrolled_at"] is None
    await told(device)
    detail = await seen(device)
    assert detail["enrolled_at"] == detail["last_heartbeat"]
    await told(device)
    assert (await seen(device))["enrolled_at"] == detail["enrolled_at"]


async def test_a_device_never_heard_lapses_and_its_token_works_again(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    token, device = await enrol(client, employee, alice)
    assert error_of(await client.post(REGISTER, json={"token": token})) == (401, "registration_token_invalid")
    await pass_time(pool, device)
    assert await lapse(pool) >= 1
    assert error_of(await client.get(path_of(device), headers=employee.headers)) == (404, "agent_not_found")
    assert str(device.agent_id) not in {agent["id"] for agent in await listed(client, alice.headers, limit=1000)}
    assert (await device.send(sample())).status_code == 401
    last = (await trail(device, employee))[-1]
    assert (last["action"], last["actor_kind"], last["actor_id"]) == ("enrolment_lapsed", "system", None)
    assert last["details"] == {"registration_token_usable": True}
    event = "SELECT count(*) FROM agent_events WHERE agent_device_id = $1 AND event_type = 'enrolment_lapsed'"
    assert await pool.fetchval(event, device.agent_id) == 1
    row = await pool.fetchrow("SELECT agent_token, deleted_at FROM agent_devices WHERE id = $1", device.agent_id)
    assert row is not None
    assert row["agent_token"] is None
    assert utc_now() - row["deleted_at"] < timedelta(minutes=1)
    again = answer_of(await client.post(REGISTER, json={"token": token}))
    assert again["agent_id"] != str(device.agent_id)
    assert await lapse(pool) == 0


async def test_an_expired_token_stays_spent(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    token, device = await enrol(client, employee, alice)
    await pool.execute(
        "UPDATE agent_registration_tokens SET expires_at = now() - interval '1 second' WHERE token_hash = $1",
        token_hash(token),
    )
    await pass_time(pool, device)
    await lapse(pool)
    assert (await trail(device, employee))[-1]["details"] == {"registration_token_usable": False}
    assert error_of(await client.post(REGISTER, json={"token": token})) == (401, "registration_token_invalid")


@pytest.mark.parametrize("shows_itself", ["heartbeat", "metrics", "in time", "deactivated", "revoked"])
async def test_a_device_that_was_heard_or_has_time_left_stays(
    device: Device, employee: Employee, pool: asyncpg.Pool, shows_itself: str
) -> None:
    if shows_itself == "heartbeat":
        await told(device)
    elif shows_itself == "metrics":
        await device.accepted(sample(cpu_percent=1))
    elif shows_itself == "deactivated":
        await changed(device, employee, "deactivate")
    elif shows_itself == "revoked":
        await removed(device, employee, "token")
    await pass_time(pool, device, minutes=59 if shows_itself == "in time" else 6000)
    await lapse(pool)
    assert (await seen(device))["id"] == str(device.agent_id)


async def test_a_device_with_history_that_is_registered_again_stays(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    body = {"business_id": str(device.tenant.business_id), "agent_id": str(device.agent_id)}
    token = answer_of(await device.client.post(TOKENS, json=body, headers=employee.headers))["token"]
    assert (await device.client.post(REGISTER, json={"token": token})).status_code == 200
    await pass_time(pool, device, minutes=6000)
    await lapse(pool)
    assert (await seen(device))["token_state"] == "active"


async def test_a_lapsed_device_that_is_restored_gets_its_time_again(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    _, device = await enrol(client, employee, alice)
    await pass_time(pool, device)
    await lapse(pool)
    changed_device = await changed(device, employee, "restore")
    assert (changed_device["status"], changed_device["token_state"]) == ("offline", "revoked")
    await pass_time(pool, device, minutes=6000)
    await lapse(pool)  # without a token it waits for an employee, not for an agent
    body = {"business_id": str(alice.business_id), "agent_id": str(device.agent_id)}
    token = answer_of(await client.post(TOKENS, json=body, headers=employee.headers))["token"]
    assert (await client.post(REGISTER, json={"token": token})).status_code == 200
    await lapse(pool)
    assert (await seen(device))["token_state"] == "active"
    await pass_time(pool, device)
    await lapse(pool)
    assert (await client.get(path_of(device), headers=employee.headers)).status_code == 404
    assert (await deeds(device, employee)).count("enrolment_lapsed") == 2


async def test_only_unconfirmed_devices_are_read(database: str, alice: Tenant) -> None:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "INSERT INTO agent_devices (business_id, device_name, last_heartbeat, enrolled_at, created_at, updated_at, "
        "agent_token) SELECT $1, 'x', CASE WHEN n % 1000 > 0 THEN now() END, CASE WHEN n % 1000 > 0 THEN now() END, "
        "$2, $2, encode(sha256(n::text::bytea), 'hex') "
        "FROM generate_series(1, 5000) n",
        alice.business_id, utc_now() - 2 * WITHIN,
    )  # fmt: skip
    await connection.execute("ANALYZE agent_devices")
    statement, *values = QUERIES.bind(
        "lapse_enrolments", now=utc_now(), within=WITHIN, limit=1000, **WORKER.parameters(), only=None
    )
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    await transaction.rollback()
    await connection.close()
    assert "agent_devices_unconfirmed" in plan
