"""A registration token for a device that is there: it gets a new token and keeps its id, name and history."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.calls import MINUTE, answer_of, changed, course, deeds, error_of, events, removed, seen, told
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

TOKENS, REGISTER = "/api/agents/registration-tokens", "/api/agents/register"


async def ask(device: Device, employee: Employee, **changes: Any) -> httpx.Response:
    body = {"business_id": str(device.tenant.business_id), "agent_id": str(device.agent_id)} | changes
    return await device.client.post(TOKENS, json=body, headers=employee.headers)


async def token_for(device: Device, employee: Employee) -> str:
    return str(answer_of(await ask(device, employee))["token"])


async def register(device: Device, token: str, **facts: Any) -> httpx.Response:
    return await device.client.post(REGISTER, json={"token": token, **facts})


async def test_a_device_keeps_its_id_name_and_history(make_device: MakeDevice, employee: Employee) -> None:
    device = await make_device(interval=60)
    await told(device, agent_version="1.0")
    await device.accepted(sample(MINUTE, cpu_percent=7))
    before, old = await seen(device), device.token
    registered = answer_of(
        await register(device, await token_for(device, employee), hostname="new-disk", os_version="12")
    )
    assert registered["agent_id"] == str(device.agent_id)
    assert (registered["business_id"], registered["config"]["metrics_interval_seconds"]) == (
        before["business"]["id"],
        60,
    )
    detail = await seen(device)
    assert (detail["status"], detail["hostname"], detail["os_version"]) == ("offline", "new-disk", "12")
    kept = ("device_name", "os_type", "agent_version", "created_at", "enrolled_at", "current_metrics", "business")
    assert {name: detail[name] for name in kept} == {name: before[name] for name in kept}
    assert (await device.send(sample())).status_code == 401
    device.token = registered["agent_token"]
    assert device.token != old
    await told(device)
    await device.accepted(sample(cpu_percent=8))
    assert len((await device.history(metric="cpu_percent", interval="raw"))["metrics"]) == 2
    assert await course(device) == [("offline", "online"), ("online", "offline"), ("offline", "online")]
    assert "registered_again" in [event["event_type"] for event in await events(device)]
    assert await deeds(device, employee) == ["registration_token_created", "device_registered_again"]


@pytest.mark.parametrize("end", ["revoked", "deactivated", "decommissioned", "decommissioned and restored"])
async def test_registering_again_brings_back_a_device_whose_service_had_ended(
    device: Device, employee: Employee, end: str
) -> None:
    if end == "revoked":
        await removed(device, employee, "token")
    elif end == "deactivated":
        await changed(device, employee, "deactivate")
    else:
        await changed(device, employee, "decommission", reason="stolen")
        if "restored" in end:
            await changed(device, employee, "restore")
    device.token = answer_of(await register(device, await token_for(device, employee)))["agent_token"]
    await told(device)
    detail = await seen(device)
    assert (detail["status"], detail["is_active"], detail["token_state"]) == ("online", True, "active")
    assert (detail["decommissioned_at"], detail["decommission_reason"]) == (None, None)


async def test_registering_again_clears_the_suspicion_of_a_clone(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        "UPDATE agent_devices SET clone_suspected_at = now(), boot_returns = 5, boot_at = now(), boot_before = now() "
        "WHERE id = $1",
        device.agent_id,
    )
    await register(device, await token_for(device, employee))
    row = await pool.fetchrow(
        "SELECT clone_suspected_at, boot_returns, boot_at, boot_before FROM agent_devices WHERE id = $1",
        device.agent_id,
    )
    assert tuple(row or ()) == (None, 0, None, None)


async def test_exactly_one_of_racing_registrations_has_the_valid_token(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    token = await token_for(device, employee)
    answers = await asyncio.gather(*(register(device, token) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    device.token = won["agent_token"]
    await told(device)
    query = "SELECT count(*) FROM agent_devices WHERE business_id = $1 AND id = $2"
    assert await pool.fetchval(query, device.tenant.business_id, device.agent_id) == 1


async def test_a_token_is_for_a_device_of_its_business(
    device: Device, employee: Employee, bob: Tenant, make_device: MakeDevice
) -> None:
    of_bob = await make_device(bob)
    not_found = (404, "agent_not_found")
    assert error_of(await ask(device, employee, agent_id=str(of_bob.agent_id))) == not_found
    assert error_of(await ask(device, employee, agent_id=str(uuid4()))) == not_found
    assert error_of(await ask(device, employee, business_id=str(uuid4()))) == not_found
    await removed(device, employee)
    assert error_of(await ask(device, employee)) == not_found


async def test_a_device_that_was_deleted_meanwhile_is_not_registered(device: Device, employee: Employee) -> None:
    token = await token_for(device, employee)
    await removed(device, employee)
    assert error_of(await register(device, token)) == (401, "registration_token_invalid")
    await changed(device, employee, "restore")
    assert (await register(device, token)).status_code == 200


async def test_a_new_device_still_needs_a_name(device: Device, employee: Employee) -> None:
    response = await ask(device, employee, agent_id=None)
    assert error_of(response) == (422, "invalid_request")
    assert response.json()["error"]["details"][0]["path"] == "body.device_name"


async def test_a_customer_makes_no_token_for_his_device(device: Device) -> None:
    body = {"business_id": str(device.tenant.business_id), "agent_id": str(device.agent_id)}
    response = await device.client.post(TOKENS, json=body, headers=device.tenant.headers)
    assert error_of(response) == (403, "employees_only")


@pytest.mark.parametrize("end", ["deactivate", "decommission"])
async def test_a_token_from_before_its_end_brings_no_device_back(
    device: Device, employee: Employee, make_device: MakeDevice, end: str
) -> None:
    other = await make_device()
    before, of_another = await token_for(device, employee), await token_for(other, employee)
    reason = {"reason": "stolen"} if end == "decommission" else {}
    await changed(device, employee, end, **reason)
    assert error_of(await register(device, before)) == (401, "registration_token_invalid")
    assert not (await seen(device))["is_active"]
    after = await token_for(device, employee)
    await changed(device, employee, end, **reason)  # a second call changes nothing
    assert (await register(device, after)).status_code == 200
    assert (await register(other, of_another)).status_code == 200
