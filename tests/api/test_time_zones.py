"""The time zone of a business and its sites: set by employees with the right, read by who may see the business."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.people import Employee, Tenant


async def put(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **body: Any) -> httpx.Response:
    return await client.put(f"/api/businesses/{tenant.business_id}/time-zone", json=body, headers=employee.headers)


async def test_a_zone_is_set_changed_and_taken_away(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant, pool: asyncpg.Pool
) -> None:
    site = str(dora.location_id)
    await put(client, employee, dora, time_zone="Europe/Paris")
    await put(client, employee, dora, time_zone="Europe/Berlin")
    answer = await put(client, employee, dora, time_zone="Asia/Kathmandu", service_location_id=site)
    both = [{"time_zone": "Europe/Berlin", "service_location_id": None},
            {"time_zone": "Asia/Kathmandu", "service_location_id": site}]  # fmt: skip
    assert answer.json() == {"time_zones": both}
    read = await client.get(f"/api/businesses/{dora.business_id}/time-zone", headers=dora.headers)
    assert read.json() == {"time_zones": both}
    assert (await put(client, employee, dora, time_zone=None)).json() == {"time_zones": both[1:]}
    query = "SELECT count(*) FROM agent_audit WHERE action = 'time_zone_set' AND details ->> 'business_id' = $1"
    assert await pool.fetchval(query, str(dora.business_id)) == 4


@pytest.mark.parametrize("zone", ["Pacific Standard Time", "Mars/Olympus", "../etc/passwd", "", "x" * 65, 5])
async def test_invalid_time_zones_are_refused(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant, zone: object
) -> None:
    assert (await put(client, employee, dora, time_zone=zone)).status_code == 422


async def test_other_tenants_see_and_set_nothing(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant
) -> None:
    url = f"/api/businesses/{alice.business_id}/time-zone"
    assert (await client.get(url, headers=bob.headers)).status_code == 404
    assert (await client.put(url, json={"time_zone": "UTC"}, headers=alice.headers)).status_code == 403
    theirs = await put(client, employee, alice, time_zone="UTC", service_location_id=str(bob.location_id))
    assert theirs.status_code == 404
    answer = await client.put(
        f"/api/businesses/{uuid4()}/time-zone", json={"time_zone": "UTC"}, headers=employee.headers
    )
    assert answer.status_code == 404
