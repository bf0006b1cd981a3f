"""One device in full."""

from datetime import datetime
from uuid import uuid4

import asyncpg
import httpx

from tests.calls import MINUTE, error_of, listed, seen
from tests.devices import Device, sample
from tests.people import Employee, Tenant


async def test_a_device_shows_itself_to_its_tenant_and_to_employees(device: Device, employee: Employee) -> None:
    detail = await seen(device)
    assert (detail["id"], detail["device_name"], detail["os_type"]) == (str(device.agent_id), "server-1", "linux")
    assert detail["business"] == {"id": str(device.tenant.business_id), "business_name": "Alice"}
    assert (detail["current_metrics"], detail["active_alerts"], detail["monitored_services"]) == ({}, 0, [])
    assert await seen(device, employee.headers) == detail


async def test_a_device_shows_its_newest_sample_and_services(device: Device) -> None:
    newest = sample(cpu_percent=7, load_average=[1, 2, 3], services=[{"name": "nginx", "status": "running", "pid": 7}])
    await device.accepted(sample(MINUTE, cpu_percent=99), newest)
    detail = await seen(device)
    assert detail["current_metrics"]["cpu_percent"] == 7
    assert datetime.fromisoformat(detail["current_metrics"]["collected_at"]).isoformat() == newest["collected_at"]
    assert [(service["name"], service["status"]) for service in detail["monitored_services"]] == [("nginx", "running")]


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
        assert str(device.agent_id) not in {agent["id"] for agent in await listed(device.client, headers, limit=1000)}
