"""Limits by caller on a running application: the noisy wait, their neighbours don't, whatever the address."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.services import make_limits
from auth.tokens import Tokens
from core.clock import utc_now
from core.errors import RateLimitedError
from core.settings import Settings
from tests.calls import beat, path_of
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import LIFETIME, Employee, Tenant, make_tenant, make_user
from tests.serving import started

MANY = 1_000_000


@asynccontextmanager
async def limited(
    settings: Settings, agent: int = MANY, person: int = MANY, business: int = MANY
) -> AsyncIterator[httpx.AsyncClient]:
    """Calls into an application with these limits; all come from one address."""
    changes = {
        "agent_calls_per_minute": agent, "person_calls_per_minute": person, "business_calls_per_minute": business,
    }  # fmt: skip
    async with started(settings, **changes) as (client, _):
        yield client


def assert_limited(response: httpx.Response, whose: str) -> int:
    """Check a refusal in all its parts, and return how many seconds to wait."""
    error = response.json()["error"]
    wait = int(response.headers["Retry-After"])
    assert (response.status_code, error["code"]) == (429, "rate_limited")
    assert error["details"] == {"limit": whose, "retry_after_seconds": wait}
    assert 1 <= wait <= 60
    return wait


async def upload(device: Device) -> httpx.Response:
    return await device.send(sample(timedelta(seconds=5), cpu_percent=1))


async def poll(device: Device) -> httpx.Response:
    return await device.client.get(path_of(device, "commands"), headers=device.headers)


each_call = pytest.mark.parametrize("call", [upload, beat, poll], ids=["upload", "heartbeat", "poll"])


@each_call
async def test_a_noisy_agent_waits_and_its_neighbour_at_the_same_address_doesnt(
    settings: Settings, make_device: MakeDevice, call: Callable[[Device], Any]
) -> None:
    noisy, neighbour = await make_device(), await make_device()
    async with limited(settings, agent=5) as client:
        noisy.client = neighbour.client = client
        statuses = [(await call(noisy)).status_code for _ in range(5)]
        assert statuses == [200] * 5
        assert assert_limited(await call(noisy), "agent") <= 12
        assert (await call(neighbour)).status_code == 200


async def test_calls_of_an_agent_on_all_routes_share_one_limit(settings: Settings, device: Device) -> None:
    async with limited(settings, agent=3) as client:
        device.client = client
        for call in (upload, beat, poll):
            assert (await call(device)).status_code == 200
        for call in (upload, beat, poll):
            assert_limited(await call(device), "agent")


async def test_a_caller_that_waits_for_retry_after_is_served(settings: Settings, device: Device) -> None:
    async with limited(settings, agent=60) as client:
        device.client = client
        while (answer := await beat(device)).status_code == 200:  # a slow machine earns calls meanwhile
            pass
        wait = assert_limited(answer, "agent")
        await asyncio.sleep(wait)
        assert (await beat(device)).status_code == 200


async def test_a_refused_upload_stores_nothing_and_can_be_sent_again(
    settings: Settings, device: Device, pool: asyncpg.Pool
) -> None:
    count = "SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1"
    late = sample(timedelta(minutes=7), cpu_percent=1)
    async with limited(settings, agent=60) as client:
        limited_device = replace(device, client=client)
        while (await beat(limited_device)).status_code == 200:
            pass
        assert_limited(await limited_device.send(late), "agent")
    assert await pool.fetchval(count, device.agent_id) == 0
    assert (await device.accepted(late))["accepted"] == 1


async def test_a_noisy_business_doesnt_slow_another(
    settings: Settings, make_device: MakeDevice, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    loud, calm = await make_tenant(pool, tokens, "Loud"), await make_tenant(pool, tokens, "Calm")
    devices, other = [await make_device(loud) for _ in range(3)], await make_device(calm)
    async with limited(settings, business=6) as client:
        for device in (*devices, other):
            device.client = client
            assert (await upload(device)).status_code == 200  # the first call tells whose an agent is
        statuses = [(await upload(devices[number % 3])).status_code for number in range(9)]
        assert statuses == [200] * 6 + [429] * 3
        assert_limited(await upload(devices[0]), "business")
        assert_limited(await client.get("/api/agents", headers=loud.headers), "business")
        assert (await upload(other)).status_code == 200
        assert (await client.get("/api/agents", headers=calm.headers)).status_code == 200


async def test_a_person_waits_and_a_colleague_of_the_same_business_doesnt(
    settings: Settings, pool: asyncpg.Pool, alice: Tenant, tokens: Tokens, employee: Employee
) -> None:
    claims = {"sub": str(await make_user(pool, alice.business_id)), "business_id": str(alice.business_id)}
    colleague = {"Authorization": f"Bearer {tokens.issue_person(claims, utc_now(), LIFETIME)}"}
    async with limited(settings, person=4) as client:
        for _ in range(4):
            assert (await client.get("/api/agents", headers=alice.headers)).status_code == 200
        assert_limited(await client.get("/api/agents", headers=alice.headers), "person")
        assert_limited(await client.get(f"/api/agents/{uuid4()}", headers=alice.headers), "person")
        for headers in (colleague, employee.headers):
            assert (await client.get("/api/agents", headers=headers)).status_code == 200


async def test_a_new_token_of_the_same_person_is_the_same_person(
    settings: Settings, pool: asyncpg.Pool, alice: Tenant, tokens: Tokens
) -> None:
    claims = {"sub": str(await make_user(pool, alice.business_id)), "business_id": str(alice.business_id)}
    async with limited(settings, person=3) as client:
        for number in range(4):
            token = tokens.issue_person(claims | {"jti": str(number)}, utc_now(), LIFETIME)
            response = await client.get("/api/agents", headers={"Authorization": f"Bearer {token}"})
        assert_limited(response, "person")


async def test_a_forged_token_costs_nobody_a_call(settings: Settings, device: Device) -> None:
    async with limited(settings, agent=2) as client:
        device.client = client
        forged = replace(device, token=device.token[:-6] + "AAAAAA")
        for _ in range(20):
            assert (await upload(forged)).status_code == 401
        assert (await upload(device)).status_code == 200


async def test_an_agent_that_calls_for_another_costs_that_one_nothing(
    settings: Settings, make_device: MakeDevice
) -> None:
    victim, liar = await make_device(), await make_device()
    async with limited(settings, agent=2) as client:
        victim.client = client
        false = Device(client, UUID(str(victim.agent_id)), liar.token, victim.tenant)
        codes = [(await upload(false)).status_code for _ in range(10)]
        assert codes == [403] * 2 + [429] * 8  # its own calls are counted
        assert (await upload(victim)).status_code == 200


async def send_nothing(device: Device) -> httpx.Response:
    """Send an upload that is refused before its token is looked up."""
    return await device.client.post(path_of(device, "metrics"), content=b"", headers=device.headers)


@pytest.mark.parametrize("call", [upload, poll, send_nothing], ids=["upload", "poll", "faulty"])
async def test_calls_by_a_replaced_token_cost_the_device_nothing(
    settings: Settings, device: Device, employee: Employee, call: Callable[[Device], Any]
) -> None:
    async with limited(settings, agent=4) as client:
        device.client = client
        old = replace(device)
        assert (await upload(old)).status_code == 200
        wanted = {"business_id": str(device.tenant.business_id), "agent_id": str(device.agent_id)}
        made = await client.post("/api/agents/registration-tokens", json=wanted, headers=employee.headers)
        registered = await client.post("/api/agents/register", json={"token": made.json()["token"]})
        device.token = registered.json()["agent_token"]
        assert (await upload(device)).status_code == 200
        codes = [(await call(old)).status_code for _ in range(12)]
        assert set(codes[:2]) <= {400, 401}
        assert codes[-4:] == [429] * 4
        assert [(await upload(device)).status_code for _ in range(2)] == [200] * 2


async def test_a_new_token_gives_a_device_no_calls_beside_its_limit(settings: Settings, device: Device) -> None:
    async with limited(settings, agent=6) as client:
        device.client = client
        for _ in range(2):
            rotated = await client.post(path_of(device, "token/rotate"), headers=device.headers)
            device.token = rotated.json()["agent_token"]
        answers = await asyncio.gather(*(upload(device) for _ in range(6)))
        assert 200 in [answer.status_code for answer in answers]
        assert [(await upload(device)).status_code for _ in range(3)] == [429] * 3


def test_the_processes_of_a_server_share_a_businesss_calls_and_each_allows_a_caller_the_whole(
    settings: Settings,
) -> None:
    """One agent keeps one connection, and so one process; a business has many connections."""
    limits = make_limits(settings.model_copy(update={
        "workers": 4, "agent_calls_per_minute": 5, "business_calls_per_minute": 10, "person_calls_per_minute": 5,
    }))  # fmt: skip
    business = uuid4()
    for _ in range(3):
        limits.take_person(str(uuid4()), business)
    with pytest.raises(RateLimitedError):
        limits.take_person(str(uuid4()), business)
    agent = uuid4()
    for _ in range(5):
        limits.take_agent(agent)
    with pytest.raises(RateLimitedError):
        limits.take_agent(agent)
