"""Devices as agents and people see them: heartbeat, list, detail; and that no tenant sees another's."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from agents.devices import QUERIES
from agents.tokens import Tokens
from db.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant, make_tenant

MINUTE = timedelta(minutes=1)
MARKER = "bobs-canary-5f1c9"


async def beat(device: Device, **facts: Any) -> httpx.Response:
    body = {"timestamp": utc_now().isoformat(), **facts}
    return await device.client.post(f"/api/agents/{device.agent_id}/heartbeat", json=body, headers=device.headers)


async def told(device: Device, **facts: Any) -> dict[str, Any]:
    response = await beat(device, **facts)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def listed(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/api/agents", params=query, headers=headers)
    assert response.status_code == 200, response.text
    agents: list[dict[str, Any]] = response.json()["agents"]
    return agents


async def seen(device: Device, headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = await device.client.get(f"/api/agents/{device.agent_id}", headers=headers or device.tenant.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture
async def dora(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    """A tenant for one test."""
    return await make_tenant(pool, tokens, "Dora")


# Heartbeat


async def test_a_heartbeat_shows_the_device_alive(device: Device) -> None:
    assert (await seen(device))["status"] == "offline"
    answer = await told(device, agent_version="1.2.3")
    assert (answer["config_updated"], answer["pending_commands"]) == (False, 0)
    found = await seen(device)
    assert (found["status"], found["agent_version"]) == ("online", "1.2.3")
    assert utc_now() - datetime.fromisoformat(found["last_heartbeat"]) < MINUTE
    assert found["agent_last_updated"] == found["last_heartbeat"]


async def test_a_heartbeat_without_a_new_version_is_no_update(device: Device) -> None:
    await told(device, agent_version="1.2.3")
    updated = (await seen(device))["agent_last_updated"]
    await told(device, agent_version="1.2.3")
    await told(device)
    found = await seen(device)
    assert (found["agent_version"], found["agent_last_updated"]) == ("1.2.3", updated)


@pytest.mark.parametrize("status", ["online", "warning", "error"])
async def test_a_device_says_how_it_is(device: Device, status: str) -> None:
    await told(device, status=status)
    assert (await seen(device))["status"] == status


async def test_a_disabled_device_stays_so(device: Device, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE agent_devices SET status = 'disabled' WHERE id = $1", device.agent_id)
    await told(device)
    assert (await seen(device))["status"] == "disabled"


async def test_another_devices_heartbeat_is_refused(make_device: MakeDevice) -> None:
    first, second = await make_device(), await make_device()
    first.token = second.token
    assert error_of(await beat(first)) == (403, "wrong_agent")
    assert (await seen(first))["last_heartbeat"] is None


async def test_a_person_sends_no_heartbeats(device: Device, employee: Employee) -> None:
    for token in (device.tenant.user_token, employee.token):
        device.token = token
        assert error_of(await beat(device)) == (401, "invalid_token")


async def test_a_revoked_device_is_told_to_register_again(device: Device, employee: Employee) -> None:
    revoked = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    response = await beat(device)
    assert error_of(response) == (401, "token_revoked")
    assert "register the device again" in response.json()["error"]["message"]


@pytest.mark.parametrize("column", ["soft_delete = true", "is_active = false"])
async def test_a_device_that_is_gone_is_refused(device: Device, pool: asyncpg.Pool, column: str) -> None:
    await pool.execute(f"UPDATE agent_devices SET {column} WHERE id = $1", device.agent_id)
    assert (await beat(device)).status_code == 401


async def test_only_an_employee_revokes(device: Device) -> None:
    for headers, code in ((device.tenant.headers, 403), ({}, 401)):
        response = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=headers)
        assert response.status_code == code
    await told(device)


async def test_commands_that_wait_are_counted_but_not_those_awaiting_approval(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    commands = [
        ("pending", False, None), ("pending", False, None), ("pending", True, None), ("pending", True, utc_now()),
        ("sent", False, None), ("completed", False, None),
    ]  # fmt: skip
    for status, approval_required, approved_at in commands:
        await pool.execute(
            "INSERT INTO agent_commands (agent_device_id, command_type, status, approval_required, approved_at, "
            "requested_by) VALUES ($1, 'restart', $2, $3, $4, $5)",
            device.agent_id, status, approval_required, approved_at, employee.employee_id,
        )  # fmt: skip
    assert (await told(device))["pending_commands"] == 3


async def test_a_changed_interval_is_told_once(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    await pool.execute(
        "UPDATE agent_devices SET metrics_interval_seconds = 60, config_changed_at = $2 WHERE id = $1",
        device.agent_id, utc_now(),
    )  # fmt: skip
    answer = await told(device)
    assert (answer["config_updated"], answer["config"]["metrics_interval_seconds"]) == (True, 60)
    assert not (await told(device))["config_updated"]


@pytest.mark.parametrize(
    "facts",
    [{"timestamp": "2026-01-01T00:00:00"}, {"status": "disabled"}, {"agent_version": "x" * 65}, {"timestamp": None}],
)
async def test_a_heartbeat_that_doesnt_fit_is_refused(device: Device, facts: dict[str, Any]) -> None:
    assert error_of(await beat(device, **facts)) == (422, "invalid_request")


async def test_a_wrong_clock_is_told(device: Device) -> None:
    ahead = (utc_now() + timedelta(hours=1)).isoformat()
    assert 3590 < (await told(device, timestamp=ahead))["clock_offset_seconds"] < 3610


# List


async def test_each_sees_his_own_devices_and_an_employee_all(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    of_alice, of_bob = await make_device(alice), await make_device(bob)

    async def ids(headers: dict[str, str]) -> set[str]:
        return {found["id"] for found in await listed(client, headers, limit=1000)}

    assert str(of_alice.agent_id) in await ids(alice.headers)
    assert str(of_bob.agent_id) in await ids(bob.headers)
    assert not await ids(alice.headers) & await ids(bob.headers)
    assert await ids(charlie.headers) == set()
    assert {str(of_alice.agent_id), str(of_bob.agent_id)} <= await ids(employee.headers)
    assert (await client.get("/api/agents")).status_code == 401


async def test_a_device_sees_no_list(device: Device) -> None:
    response = await device.client.get("/api/agents", headers=device.headers)
    assert error_of(response) == (401, "invalid_token")


async def test_a_listed_device_shows_its_newest_percentages(make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, name="printer")
    await device.accepted(sample(MINUTE, cpu_percent=99, memory_percent=9), sample(cpu_percent=12.5, disk_percent=0))
    await told(device)
    (found,) = await listed(device.client, dora.headers)
    assert datetime.fromisoformat(found.pop("last_heartbeat"))
    assert datetime.fromisoformat(found.pop("last_metrics_received"))
    assert found == {
        "id": str(device.agent_id), "device_name": "printer", "status": "online", "os_type": "linux",
        "device_type": None, "cpu_percent": 12.5, "memory_percent": None, "disk_percent": 0.0,
        "business": {"id": str(dora.business_id), "business_name": "Dora"},
        "service_location": {"id": str(dora.location_id), "location_name": "Dora's site"},
    }  # fmt: skip


async def test_filters_narrow_the_list(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, dora: Tenant, bob: Tenant
) -> None:
    await make_device(bob)
    for name in ("off", "on"):
        device = await make_device(dora, name=name)
    await told(device)

    async def names(**query: Any) -> list[str]:
        found = await listed(client, employee.headers, **{"business_id": str(dora.business_id)} | query)
        return [agent["device_name"] for agent in found]

    assert await names() == ["off", "on"]
    assert await names(status="online") == ["on"]
    assert await names(status="online,offline") == ["off", "on"]
    assert await names(status="error, disabled") == []
    assert await names(service_location_id=str(dora.location_id)) == ["off", "on"]
    assert await names(service_location_id=str(bob.location_id)) == []


async def test_filtering_by_another_business_shows_nothing(
    make_device: MakeDevice, client: httpx.AsyncClient, alice: Tenant, bob: Tenant
) -> None:
    await make_device(alice)
    await make_device(bob)
    assert await listed(client, alice.headers, business_id=str(bob.business_id)) == []
    assert await listed(client, alice.headers, service_location_id=str(bob.location_id)) == []
    assert await listed(client, alice.headers, business_id=str(alice.business_id)) != []


async def test_the_path_with_a_slash_is_the_same(client: httpx.AsyncClient, alice: Tenant) -> None:
    both = [await client.get(f"/api/agents{slash}", headers=alice.headers) for slash in ("", "/")]
    assert [response.status_code for response in both] == [200, 200]
    assert both[0].json() == both[1].json()


async def test_paging_gives_every_device_once_in_order(
    make_device: MakeDevice, client: httpx.AsyncClient, dora: Tenant
) -> None:
    for name in ("same", "same", "same", "É", "a b/c?&=+", "zoë", "same", "10", "9"):
        await make_device(dora, name=name)
    everything = await listed(client, dora.headers)
    assert len(everything) == 9
    same = [found["id"] for found in everything if found["device_name"] == "same"]
    assert same == sorted(same)
    for limit in (1, 2, 3, 8, 9, 10):
        pages: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": limit}
        while query:
            page = (await client.get("/api/agents", params=query, headers=dora.headers)).json()
            assert 0 < len(page["agents"]) <= limit
            pages += page["agents"]
            query = {"limit": limit, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        assert pages == everything


async def test_a_cursor_of_anothers_page_shows_only_ones_own(
    make_device: MakeDevice, client: httpx.AsyncClient, alice: Tenant, dora: Tenant
) -> None:
    for name in ("a", "b"):
        await make_device(dora, name=name)
    await make_device(alice, name="z")
    cursor = (await client.get("/api/agents", params={"limit": 1}, headers=dora.headers)).json()["next_cursor"]
    found = await listed(client, alice.headers, cursor=cursor, limit=1000)
    assert {agent["business"]["id"] for agent in found} == {str(alice.business_id)}


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"}, {"cursor": "é"}, {"cursor": cursor(["a"])}, {"cursor": cursor(["a", "b"])},
        {"cursor": cursor([1, str(uuid4())])}, {"cursor": cursor(["a\0", str(uuid4())])}, {"cursor": "x" * 2001},
        {"status": ""}, {"status": "online,"}, {"status": "ONLINE"}, {"status": "online;offline"},
        {"business_id": "alice"}, {"service_location_id": "1"}, {"limit": 0}, {"limit": 1001}, {"limit": "all"},
    ],
)  # fmt: skip
async def test_a_question_that_doesnt_fit_is_refused(
    client: httpx.AsyncClient, alice: Tenant, query: dict[str, str]
) -> None:
    response = await client.get("/api/agents", params=query, headers=alice.headers)
    assert response.status_code == 422
    assert response.json()["error"]["code"] in ("invalid_request", "invalid_cursor", "invalid_filter")


@pytest.mark.parametrize("page", ["first", "later"])
async def test_a_page_of_one_business_among_many_reads_by_index(
    database: str, pool: asyncpg.Pool, tokens: Tokens, page: str
) -> None:
    small, large = await make_tenant(pool, tokens, "Small"), await make_tenant(pool, tokens, "Large")
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    insert = (
        "INSERT INTO agent_devices (business_id, device_name) "
        "SELECT $1, 'device-' || n FROM generate_series(1, $2::int) n"
    )
    await connection.execute(insert, large.business_id, 20_000)
    await connection.execute(insert, small.business_id, 100)
    await connection.execute("ANALYZE agent_devices")
    after = ("device-50", uuid4()) if page == "later" else (None, None)
    for tenant, wanted in ((small.business_id, None), (None, small.business_id), (None, None)):
        lines = await connection.fetch(f"EXPLAIN {QUERIES['list_devices']}", tenant, wanted, None, None, *after, 51)
        plan = "\n".join(line[0] for line in lines)
        assert "Seq Scan on agent_devices" not in plan, plan
        assert "on agent_devices" in plan
    await transaction.rollback()
    await connection.close()


# Detail


async def test_a_device_shows_itself_to_its_tenant_and_to_employees(device: Device, employee: Employee) -> None:
    found = await seen(device)
    assert (found["id"], found["device_name"], found["os_type"]) == (str(device.agent_id), "server-1", "linux")
    assert found["business"] == {"id": str(device.tenant.business_id), "business_name": "Alice"}
    assert (found["current_metrics"], found["active_alerts"], found["monitored_services"]) == ({}, 0, [])
    assert await seen(device, employee.headers) == found


async def test_a_device_shows_its_newest_sample_and_services(device: Device) -> None:
    newest = sample(cpu_percent=7, load_average=[1, 2, 3], services=[{"name": "nginx", "status": "running", "pid": 7}])
    await device.accepted(sample(MINUTE, cpu_percent=99), newest)
    found = await seen(device)
    assert found["current_metrics"]["cpu_percent"] == 7
    assert datetime.fromisoformat(found["current_metrics"]["collected_at"]).isoformat() == newest["collected_at"]
    assert [(service["name"], service["status"]) for service in found["monitored_services"]] == [("nginx", "running")]


async def test_open_alerts_are_counted(device: Device, pool: asyncpg.Pool) -> None:
    for status in ("active", "acknowledged", "resolved", "auto_resolved"):
        rule = await pool.fetchval(
            "INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions) "
            "VALUES ('CPU', 'cpu_high', 'warning', $1, '{}') RETURNING id",
            device.tenant.business_id,
        )
        await pool.execute(
            "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, status) "
            "VALUES ($1, $2, now(), 'warning', $3)",
            rule, device.agent_id, status,
        )  # fmt: skip
    assert (await seen(device))["active_alerts"] == 2


async def test_anothers_device_is_not_told_from_one_that_isnt_there(
    device: Device, client: httpx.AsyncClient, bob: Tenant, charlie: Tenant
) -> None:
    unknown = await client.get(f"/api/agents/{uuid4()}", headers=bob.headers)
    assert error_of(unknown) == (404, "agent_not_found")
    for headers in (bob.headers, charlie.headers):
        response = await client.get(f"/api/agents/{device.agent_id}", headers=headers)
        assert (response.status_code, response.json()) == (404, unknown.json())


async def test_a_deleted_device_is_gone_for_all(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE id = $1", device.agent_id)
    for headers in (device.tenant.headers, employee.headers):
        response = await device.client.get(f"/api/agents/{device.agent_id}", headers=headers)
        assert error_of(response) == (404, "agent_not_found")
        assert str(device.agent_id) not in {found["id"] for found in await listed(device.client, headers, limit=1000)}


# Tenants


async def test_bobs_secret_is_in_no_answer_to_alice_or_charlie(
    make_device: MakeDevice, pool: asyncpg.Pool, tokens: Tokens, alice: Tenant, charlie: Tenant
) -> None:
    bob = await make_tenant(pool, tokens, MARKER)
    device, own = await make_device(bob, name=MARKER), await make_device(alice)
    service = {"name": MARKER, "status": "running", "pid": 1}
    await device.accepted(sample(cpu_percent=1, services=[service], note=MARKER))
    paths = [
        "/api/agents?limit=1000", f"/api/agents?business_id={bob.business_id}", f"/api/agents/{device.agent_id}",
        f"/api/agents?service_location_id={bob.location_id}", f"/api/agents/{device.agent_id}/metrics/history",
        f"/api/agents/{own.agent_id}", f"/api/agents?cursor={cursor(['', str(device.agent_id)])}",
    ]  # fmt: skip
    for who in (alice, charlie):
        answers = [await own.client.get(path, headers=who.headers) for path in paths]
        assert not any(MARKER in answer.text or str(bob.business_id) in answer.text for answer in answers)
    answers = [await own.client.get(path, headers=bob.headers) for path in paths]
    assert sum(MARKER in answer.text for answer in answers) >= 4
