"""Quotas of devices and businesses: who brings too much in a day waits alone, with one stable answer."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from api.quotas import DayAmounts, QuotaExceededError, Quotas
from core.clock import utc_now
from core.quota_settings import QuotaSettings
from core.settings import Settings
from tests.api.test_foreign_uploads import remote_write
from tests.calls import beat, path_of
from tests.commands import act, order
from tests.devices import Device, register_device, sample
from tests.people import Employee, Tenant
from tests.serving import started

MINUTE = timedelta(minutes=1)


async def send(client: httpx.AsyncClient, device: Device, *ages: int, **extra: Any) -> httpx.Response:
    body = {"metrics": [sample(age * MINUTE, cpu_percent=5, **extra) for age in ages]}
    return await client.post(path_of(device, "metrics"), json=body, headers=device.headers)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and quota of an answer; it says when to come back."""
    error = answer.json()["error"]
    assert 1 <= int(answer.headers["retry-after"]) == error["details"]["retry_after_seconds"] <= 3600
    return answer.status_code, error["code"], error["details"]["quota"]


async def test_a_device_beyond_its_samples_waits_and_others_do_not(
    settings: Settings, employee: Employee, alice: Tenant, pool: asyncpg.Pool
) -> None:
    async with started(settings, device_samples_per_day=5) as (client, application):
        greedy, other = [await register_device(client, employee, alice, name, 300) for name in ("greedy", "other")]
        assert (await send(client, greedy, *range(8))).status_code == 200
        expected = 429, "quota_exceeded", "device_samples_per_day"
        assert refusal(await send(client, greedy, 9)) == expected
        assert refusal(await send(client, greedy, 9)) == expected
        foreign = await client.post("/write", content=b"cpu usage_idle=5", headers=greedy.headers)
        assert foreign.status_code == 503  # by which senders of that protocol keep what they have
        assert (await send(client, other, *range(4))).status_code == 200
        assert (
            await pool.fetchval("SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1", greedy.agent_id) == 8
        )
        assert application.process.counts.web.quota_refusals == {"device_samples_per_day": 3}
        assert application.process.counts.uploads.refused["quota_exceeded"] == 3


async def test_duplicate_and_refused_samples_cost_no_quota(
    settings: Settings, employee: Employee, alice: Tenant
) -> None:
    async with started(settings, device_samples_per_day=4) as (client, _):
        device = await register_device(client, employee, alice, "again", 300)
        body = {"metrics": [sample(3 * MINUTE, cpu_percent=5), sample(timedelta(days=90), cpu_percent=5)]}
        for _ in range(6):
            answer = await client.post(path_of(device, "metrics"), json=body, headers=device.headers)
            assert answer.status_code == 200, answer.text


async def test_packed_bytes_count_as_they_are_unpacked(settings: Settings, employee: Employee, alice: Tenant) -> None:
    at = int(utc_now().timestamp() * 1000)
    body, media_type = remote_write(1, [({"__name__": "node_load1", "note": "x" * 20_000}, [(1.0, at)])])
    assert len(body) < 3000
    headers = {"Content-Type": media_type, "Content-Encoding": "snappy"}
    async with started(settings, device_bytes_per_day=15_000) as (client, _):
        device = await register_device(client, employee, alice, "packed", 300)
        first = await client.post("/api/v1/write", content=body, headers=headers | device.headers)
        assert first.status_code == 204, first.text
        assert refusal(await send(client, device, 1)) == (429, "quota_exceeded", "device_bytes_per_day")


async def test_bytes_of_all_calls_count_together(settings: Settings, employee: Employee, alice: Tenant) -> None:
    async with started(settings, device_bytes_per_day=3000) as (client, _):
        device = await register_device(client, employee, alice, "bytes", 300)
        assert (await send(client, device, 1, note="x" * 2000)).status_code == 200
        event = {"event_type": "told", "timestamp": "2026-05-03T14:05:00Z", "data": {"text": "x" * 2000}}
        assert (await client.post(path_of(device, "events"), json=event, headers=device.headers)).status_code == 201
        expected = 429, "quota_exceeded", "device_bytes_per_day"
        assert refusal(await send(client, device, 2)) == expected
        assert refusal(await client.post(path_of(device, "events"), json=event, headers=device.headers)) == expected
        listed = {"software": [{"software_name": "Editor"}]}
        url = path_of(device, "inventory/software")
        assert refusal(await client.post(url, json=listed, headers=device.headers)) == expected
        assert (await beat(device)).status_code == 200


async def test_events_and_software_have_quotas_of_their_own(
    settings: Settings, employee: Employee, alice: Tenant
) -> None:
    async with started(settings, device_events_per_day=2, device_software_per_day=3) as (client, _):
        device = await register_device(client, employee, alice, "events", 300)
        event = {"event_type": "told", "timestamp": "2026-05-03T14:05:00Z"}
        answers = [await client.post(path_of(device, "events"), json=event, headers=device.headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert refusal(answers[2])[2] == "device_events_per_day"
        url = path_of(device, "inventory/software")
        for names, status in ((["a", "b"], 200), (["a", "b"], 200), (["c", "d"], 200), (["c", "d"], 429)):
            listed = {"software": [{"software_name": name} for name in names]}
            answer = await client.post(url, json=listed, headers=device.headers)
            assert answer.status_code == status, answer.text
        assert refusal(answer)[2] == "device_software_per_day"
        assert (await send(client, device, 1)).status_code == 200


async def test_a_business_beyond_its_quota_holds_up_no_other(
    settings: Settings, employee: Employee, alice: Tenant, bob: Tenant
) -> None:
    async with started(settings, business_samples_per_day=6) as (client, _):
        first, second = [await register_device(client, employee, alice, name, 300) for name in ("one", "two")]
        theirs = await register_device(client, employee, bob, "theirs", 300)
        for device in (first, second, theirs):
            assert (await send(client, device, *range(3))).status_code == 200
        assert refusal(await send(client, first, 5)) == (429, "quota_exceeded", "business_samples_per_day")
        assert refusal(await send(client, second, 5)) == (429, "quota_exceeded", "business_samples_per_day")
        assert (await send(client, theirs, 5)).status_code == 200


async def test_an_outage_of_ours_costs_nobody_a_quota(
    settings: Settings, employee: Employee, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(settings, device_bytes_per_day=3000) as (client, application):
        device = await register_device(client, employee, alice, "outage", 300)
        commits = application.web.state.services.commits
        with monkeypatch.context() as full:
            full.setattr(commits, "max_samples", 0)
            for _ in range(4):
                assert (await send(client, device, 1, note="x" * 2000)).status_code == 503
        assert (await send(client, device, 1, note="x" * 2000)).status_code == 200


async def test_commands_that_wait_for_one_device_are_bounded(
    settings: Settings, employee: Employee, alice: Tenant
) -> None:
    async with started(settings, device_pending_commands=2) as (client, _):
        full, free = [await register_device(client, employee, alice, name, 300) for name in ("full", "free")]
        commands = [await order(full, employee) for _ in range(2)]
        answer = await client.post(
            path_of(full, "commands"), json={"command_type": "collect_now"}, headers=employee.headers
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many_commands")
        many = {
            "command_type": "collect_now",
            "agent_ids": [str(one) for one in (full.agent_id, free.agent_id, uuid4())],
        }
        batch = (await client.post("/api/agents/commands", json=many, headers=employee.headers)).json()
        assert [command["agent_id"] for command in batch["commands"]] == [str(free.agent_id)]
        assert [one["code"] for one in batch["not_created"]] == ["too_many_commands", "agent_not_found"]
        await act(full, employee, commands[0], "cancel")
        await order(full, employee)


async def test_hosts_of_a_gateway_have_quotas_of_their_own_and_their_business_has_one_for_all(
    settings: Settings, employee: Employee, alice: Tenant, dora: Tenant, pool: asyncpg.Pool
) -> None:
    async with started(settings, device_samples_per_day=3, business_samples_per_day=12) as (client, _):
        gateways = [await make_gateway(client, employee, tenant) for tenant in (alice, dora)]
        greedy, modest = (f"host-{uuid4().hex[:12]}" for _ in range(2))
        assert await write(client, gateways[0], greedy, range(2, 6)) == 204
        for host, stored in ((greedy, 4), (modest, 2)):  # one host's quota costs only its own samples
            status = await write(client, gateways[0], host, range(6, 8))
            assert (status == 204) is (host == modest)
            assert await count_samples(pool, host) == stored
        assert await write(client, gateways[0], f"host-{uuid4().hex[:12]}", range(2, 12)) == 204
        assert await write(client, gateways[0], modest, range(20, 22)) == 503  # the business has used its own up
        assert await write(client, gateways[1], f"host-{uuid4().hex[:12]}", range(2, 4)) == 204


async def make_gateway(client: httpx.AsyncClient, employee: Employee, tenant: Tenant) -> str:
    """Make a gateway and return its token."""
    body = {"business_id": str(tenant.business_id), "name": "telegraf-1", "enrolment": "automatic"}
    answer = await client.post("/api/agents/gateways", json=body, headers=employee.headers)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


async def write(client: httpx.AsyncClient, token: str, host: str, ages: range) -> int:
    """Upload a line of a host for each age in minutes, and return the status."""
    now = utc_now().replace(microsecond=0)
    lines = [f"system,host={host} load1=1 {int((now - age * MINUTE).timestamp())}" for age in ages]
    headers = {"Authorization": f"Token {token}"}
    answer = await client.post("/api/v2/write?precision=s", content="\n".join(lines), headers=headers)
    return answer.status_code


async def count_samples(pool: asyncpg.Pool, host: str) -> int:
    count: int = await pool.fetchval(
        "SELECT count(*) FROM agent_metrics m JOIN agent_devices d ON d.id = m.agent_device_id"
        " WHERE d.device_name = $1",
        host,
    )
    return count


async def test_a_services_setting_bounds_what_is_kept(settings: Settings, employee: Employee, alice: Tenant) -> None:
    async with started(settings, device_services=2) as (client, _):
        device = await register_device(client, employee, alice, "services", 300)
        listed = [{"name": name, "status": "running"} for name in ("a", "b", "c")]
        answer = await send(client, device, 1, services=listed)
        assert [note["code"] for note in answer.json()["notes"]] == ["too_many_services"]


class Seconds:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_debt_delays_the_next_call_and_savings_end_at_one_day() -> None:
    clock, key = Seconds(), uuid4()
    amounts = DayAmounts(100, clock)
    assert amounts.wait(key) == 0
    amounts.spend(key, 150)
    assert amounts.wait(key) == pytest.approx(51 / 100 * 86_400)
    clock.now += 51 / 100 * 86_400
    assert amounts.wait(key) == 0
    clock.now += 10 * 86_400
    amounts.spend(key, 99)
    assert amounts.wait(key) == 0
    amounts.spend(key, 1)
    assert amounts.wait(key) > 0


def test_zero_sets_no_limit_and_workers_share_a_business() -> None:
    device, business = uuid4(), uuid4()
    free = Quotas(QuotaSettings(device_samples_per_day=0), 1, lambda _: None)
    free.spend(device, samples=10**12)
    free.check(device, "samples")
    shared = Quotas(QuotaSettings(device_samples_per_day=0, business_samples_per_day=8), 4, lambda _: business)
    shared.spend(device, samples=2)
    with pytest.raises(QuotaExceededError):
        shared.check(device, "samples")
