"""The list of devices: everyone's own, filters, search, paging."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.calls import MINUTE, error_of, listed, told
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant


async def test_a_tenant_sees_its_own_devices_and_an_employee_all(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    name = f"only-here-{uuid4()}"  # the run has more devices than a page
    of_alice, of_bob = [str((await make_device(tenant, name)).agent_id) for tenant in (alice, bob)]

    async def ids(headers: dict[str, str]) -> set[str]:
        return {agent["id"] for agent in await listed(client, headers, search=name)}

    assert [await ids(tenant.headers) for tenant in (alice, bob, charlie)] == [{of_alice}, {of_bob}, set()]
    assert await ids(employee.headers) == {of_alice, of_bob}
    assert {one["business"]["id"] for one in await listed(client, charlie.headers)} <= {str(charlie.business_id)}
    assert (await client.get("/api/agents")).status_code == 401


async def test_a_device_sees_no_list(device: Device) -> None:
    response = await device.client.get("/api/agents", headers=device.headers)
    assert error_of(response) == (401, "invalid_token")


async def test_a_listed_device_shows_its_newest_percentages(make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, name="printer")
    await device.accepted(sample(MINUTE, cpu_percent=99, memory_percent=9), sample(cpu_percent=12.5, disk_percent=0))
    await told(device)
    (agent,) = await listed(device.client, dora.headers)
    for name in ("last_heartbeat", "last_metrics_received", "created_at", "status_changed_at"):
        assert datetime.fromisoformat(agent.pop(name))
    assert agent == {
        "id": str(device.agent_id), "device_name": "printer", "status": "online", "os_type": "linux",
        "device_type": None, "cpu_percent": 12.5, "memory_percent": None, "disk_percent": 0.0,
        "business": {"id": str(dora.business_id), "business_name": "Dora"},
        "service_location": {"id": str(dora.location_id), "location_name": "Dora's site"},
        "os_version": None, "hostname": "printer", "ip_address": None, "agent_version": None, "open_alerts": 0,
        "worst_severity": None, "is_active": True, "clone_suspected": False, "decommissioned_at": None,
        "metrics_interval_seconds": 300,
    }  # fmt: skip


async def test_filters_narrow_the_list(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, dora: Tenant, bob: Tenant
) -> None:
    await make_device(bob)
    for name in ("off", "on"):
        device = await make_device(dora, name=name)
    await told(device)

    async def names(**query: Any) -> list[str]:
        agents = await listed(client, employee.headers, **{"business_id": str(dora.business_id)} | query)
        return [agent["device_name"] for agent in agents]

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
    first, second = (response.json() | {"as_of": None} for response in both)
    assert first == second


async def test_paging_gives_every_device_once_in_order(
    make_device: MakeDevice, client: httpx.AsyncClient, dora: Tenant
) -> None:
    for name in ("same", "same", "same", "É", "a b/c?&=+", "zoë", "same", "10", "9"):
        await make_device(dora, name=name)
    everything = await listed(client, dora.headers)
    assert len(everything) == 9
    same = [agent["id"] for agent in everything if agent["device_name"] == "same"]
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
    agents = await listed(client, alice.headers, cursor=cursor, limit=1000)
    assert {agent["business"]["id"] for agent in agents} == {str(alice.business_id)}


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"}, {"cursor": "é"}, {"cursor": packed(["a"])}, {"cursor": packed(["a", "b"])},
        {"cursor": packed([1, str(uuid4())])}, {"cursor": packed(["a\0", str(uuid4())])}, {"cursor": "x" * 2001},
        {"status": ""}, {"status": "online,"}, {"status": "ONLINE"}, {"status": "online;offline"},
        {"business_id": "alice"}, {"service_location_id": "1"}, {"limit": 0}, {"limit": 1001}, {"limit": "all"},
        {"search": ""}, {"search": "x" * 101}, {"search": "a\0"}, {"clone_suspected": "perhaps"},
    ],
)  # fmt: skip
async def test_a_question_that_doesnt_fit_is_refused(
    client: httpx.AsyncClient, alice: Tenant, query: dict[str, str]
) -> None:
    response = await client.get("/api/agents", params=query, headers=alice.headers)
    assert response.status_code == 422
    assert response.json()["error"]["code"] in ("invalid_request", "invalid_cursor", "invalid_filter")


# Search


async def test_a_search_finds_text_in_name_or_hostname_in_any_case(
    make_device: MakeDevice, client: httpx.AsyncClient, dora: Tenant, pool: asyncpg.Pool
) -> None:
    for name, hostname in (
        ("Front-ServiceDesk", "pc-17"), ("back office", "ServiceDesk.example"), ("100% CPU", "a_b"), ("100 x", "axb"),
        ("back\\slash", None), ("Ünal", None),
    ):  # fmt: skip
        device = await make_device(dora, name=name)
        await pool.execute("UPDATE agent_devices SET hostname = $2 WHERE id = $1", device.agent_id, hostname)

    async def found(search: str) -> list[str]:
        return sorted(agent["device_name"] for agent in await listed(client, dora.headers, search=search))

    assert await found("desk") == ["Front-ServiceDesk", "back office"]
    assert await found("PC-17") == ["Front-ServiceDesk"]
    assert await found("17") == ["Front-ServiceDesk"]
    assert await found("0%") == ["100% CPU"]
    assert await found("a_b") == ["100% CPU"]
    assert await found("k\\s") == ["back\\slash"]
    assert await found("ünal") == ["Ünal"]
    assert await found("desk pc") == []
    assert await found("k_office") == []
    assert len(await found("a")) == 5


async def test_a_search_finds_only_ones_own(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, alice: Tenant, dora: Tenant
) -> None:
    for tenant in (alice, dora):
        await make_device(tenant, name="needle-4711")
    for headers, count in ((alice.headers, 1), (dora.headers, 1), (employee.headers, 2)):
        assert len(await listed(client, headers, search="needle-4711")) == count


async def test_filters_work_together_page_by_page(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, dora: Tenant, pool: asyncpg.Pool
) -> None:
    statuses = ("online", "offline", "warning")
    for number in range(12):
        device = await make_device(dora, name=f"node-{number % 6}")
        await pool.execute(
            "UPDATE agent_devices SET status = $2, clone_suspected_at = $3 WHERE id = $1",
            device.agent_id, statuses[number % 3], datetime.now(UTC) if number % 2 else None,
        )  # fmt: skip
    everything = await listed(client, dora.headers)
    for status in (None, "online", "warning,online", "online,online"):
        for clone in (None, True, False):
            query = {"status": status, "clone_suspected": clone, "search": "NODE", "business_id": dora.business_id}
            parameters = {name: str(value).lower() for name, value in query.items() if value is not None}
            pages, more = [], {"limit": "2"} | parameters
            while more:
                page = (await client.get("/api/agents", params=more, headers=employee.headers)).json()
                pages += page["agents"]
                more = {**parameters, "limit": "2", "cursor": page["next_cursor"]} if page["next_cursor"] else {}
            expected = [
                agent
                for agent in everything
                if (status is None or agent["status"] in status.split(","))
                and (clone is None or (int(agent["device_name"][-1]) % 2 == 1) == clone)
            ]
            assert pages == expected
