"""Where in the fleet a software is: found by name and version, by pages, by index, and by whom."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from inventory.software import QUERIES
from tests.calls import error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant
from tests.software import DAY, MAY, listed, path, software


async def find(who: Tenant | Employee, client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/api/agents/inventory/software", params=query, headers=who.headers)
    assert response.status_code == 200, response.text
    software: list[dict[str, Any]] = response.json()["software"]
    return software


async def test_software_is_found_on_the_devices_of_the_fleet(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    name = f"Tool_{uuid4().hex}"
    of_alice, of_bob = await make_device(alice, name="hers"), await make_device(bob, name="his")
    await listed(of_alice, software(f"{name} Pro", "3.7.9"), software(name, "3.70"), software(f"Not {name}"))
    await listed(of_bob, software(name.upper(), "3.7"), software(name, "2"), at=MAY)
    await listed(of_bob, software(name.upper(), "3.7"), at=MAY + DAY)

    async def where(who: Tenant | Employee, **query: Any) -> list[tuple[str, str]]:
        entries = await find(who, client, **{"search": name.lower()} | query)
        return [(one["device_name"], one["software_version"]) for one in entries]

    assert sorted(await where(employee)) == [("hers", "3.7.9"), ("hers", "3.70"), ("his", "3.7")]
    assert sorted(await where(employee, version="3.7")) == [("hers", "3.7.9"), ("his", "3.7")]
    assert sorted(await where(employee, version="3.7.*")) == [("hers", "3.7.9"), ("his", "3.7")]
    assert await where(employee, version="3.70") == [("hers", "3.70")]
    assert await where(alice) == [("hers", "3.70"), ("hers", "3.7.9")]
    assert await where(bob) == [("his", "3.7")]
    assert await where(charlie) == []
    assert await where(employee, search=name.replace("_", "%")) == []
    (entry,) = await find(bob, client, search=name)
    assert (entry["agent_id"], entry["software_name"], entry["is_eol"]) == (str(of_bob.agent_id), name.upper(), False)
    assert entry["business"] == {"id": str(bob.business_id), "business_name": "Bob"}


async def test_the_fleet_by_pages(make_device: MakeDevice, client: httpx.AsyncClient, alice: Tenant) -> None:
    name = uuid4().hex
    for _ in range(3):
        await listed(await make_device(), software(name), software(f"{name} 2"))
    everything = await find(alice, client, search=name)
    assert [one["software_name"] for one in everything] == [name] * 3 + [f"{name} 2"] * 3
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"search": name, "limit": 2}
    while True:
        page = (await client.get("/api/agents/inventory/software", params=query, headers=alice.headers)).json()
        rows += page["software"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert rows == everything


async def test_software_of_a_deleted_device_isnt_found(
    device: Device, client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool
) -> None:
    name = uuid4().hex
    await listed(device, software(name))
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE id = $1", device.agent_id)
    assert await find(employee, client, search=name) == []
    assert error_of(await client.get(path(device), headers=employee.headers)) == (404, "agent_not_found")


@pytest.mark.parametrize("query", [{}, {"search": "a"}, {"search": " a "}, {"search": "ab\0"}, {"search": "x" * 513}])
async def test_a_search_too_short_or_odd_is_refused(
    client: httpx.AsyncClient, alice: Tenant, query: dict[str, str]
) -> None:
    response = await client.get("/api/agents/inventory/software", params=query, headers=alice.headers)
    assert error_of(response) == (422, "invalid_request")


async def test_each_page_of_the_fleet_is_searched_by_index(database: str, alice: Tenant) -> None:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    device = await connection.fetchval(
        "INSERT INTO agent_devices (business_id, device_name) VALUES ($1, 'large') RETURNING id", alice.business_id
    )
    await connection.execute(
        "INSERT INTO agent_software_inventory (agent_device_id, software_name) "
        "SELECT $1, 'Package ' || n FROM generate_series(1, 20000) n",
        device,
    )
    await connection.execute("ANALYZE agent_software_inventory")
    for after in ((None, None), ("package 7", uuid4())):  # the first page and a later one
        statement, *values = QUERIES.bind(
            "find_software", tenant=None, pattern="Package 77%", version="", today=utc_now().date(),
            after_key=after[0], after_id=after[1], limit=51,
        )  # fmt: skip
        lines = await connection.fetch(f"EXPLAIN {statement}", *values)
        plan = "\n".join(line[0] for line in lines)
        assert "agent_software_inventory_by_name" in plan, plan
        assert "~>=~" in plan or ">= 'package 77'" in plan, plan
    await transaction.rollback()
    await connection.close()
