"""A business with a marker in every text that can be stored for it: no other business may see any of them."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from core.clock import utc_now
from tests.callers import CallerFactory
from tests.calls import MINUTE, changed, told
from tests.commands import act, fetched, order, tell
from tests.devices import Device, register_device, sample
from tests.people import Employee, Tenant, make_employee, make_tenant
from tests.software import listed, software

COLUMNS = ("os_version", "os_architecture", "hostname", "cpu_model", "mac_address")
# The ids of all rows that belong to a business, $1.
IDS = """
SELECT id FROM service_locations WHERE business_id = $1 UNION ALL
SELECT id FROM users WHERE business_id = $1 UNION ALL
SELECT id FROM agent_gateways WHERE business_id = $1 UNION ALL
SELECT id FROM agent_gateway_hosts WHERE business_id = $1 UNION ALL
SELECT id FROM agent_alerts WHERE business_id = $1 UNION ALL
SELECT id FROM agent_maintenance_windows WHERE business_id = $1 UNION ALL
SELECT unnest(ARRAY[d.id, c.id, c.batch_id, s.id, i.id, h.id])
FROM agent_devices d
LEFT JOIN agent_commands c ON c.agent_device_id = d.id
LEFT JOIN agent_monitored_services s ON s.agent_device_id = d.id
LEFT JOIN agent_software_inventory i ON i.agent_device_id = d.id
LEFT JOIN agent_alert_history h ON h.agent_device_id = d.id
WHERE d.business_id = $1
"""


@dataclass(frozen=True)
class MarkedBusiness:
    """The business, its device, and the texts that nobody else may see."""

    marker: str
    tenant: Tenant
    device: Device
    ids: dict[str, UUID]
    secrets: frozenset[str]

    def found_in(self, text: str) -> list[str]:
        """Return the texts of the business that another text contains."""
        return [secret for secret in self.secrets if secret in text.lower()]


async def make_marked_business(factory: CallerFactory) -> MarkedBusiness:
    """Make a business with two devices, so that every list has a second page, and a decommissioned one."""
    marker = f"marked-{uuid4().hex}"
    tenant = await make_tenant(factory.pool, factory.tokens, marker)
    devices = [await register_device(factory.client, factory.employee, tenant, marker, 300) for _ in range(3)]
    second = await make_employee(factory.pool, factory.tokens)
    for device in devices:
        await fill(factory.pool, device, marker)
        await use_every_call(device, factory.employee, second, marker)
    await changed(devices[2], factory.employee, "decommission", reason=marker)
    batch = await order_batch(factory, devices[0], marker)
    await add_waiting_host(factory, tenant, marker)
    row_ids = {row[0] for row in await factory.pool.fetch(IDS, tenant.business_id)} - {None}
    query = "SELECT id FROM {} WHERE agent_device_id = $1 LIMIT 1"
    service = await factory.pool.fetchval(query.format("agent_monitored_services"), devices[0].agent_id)
    command = await factory.pool.fetchval(query.format("agent_commands"), devices[0].agent_id)
    ids = {
        "agent_id": devices[0].agent_id, "business_id": tenant.business_id, "service_id": service,
        "service_location_id": tenant.location_id, "command_id": command, "batch_id": batch,
        "rule_id": await factory.pool.fetchval(query.format("agent_alerts"), devices[0].agent_id),
        "history_id": await factory.pool.fetchval(query.format("agent_alert_history"), devices[0].agent_id),
        "token_id": await factory.pool.fetchval(
            "SELECT id FROM agent_registration_tokens WHERE business_id = $1 LIMIT 1", tenant.business_id
        ),
        "gateway_id": await factory.pool.fetchval(
            "SELECT id FROM agent_gateways WHERE business_id = $1", tenant.business_id
        ),
        "host_id": await factory.pool.fetchval(
            "SELECT id FROM agent_gateway_hosts WHERE business_id = $1", tenant.business_id
        ),
        "window_id": await factory.pool.fetchval(query.format("agent_maintenance_windows"), devices[0].agent_id),
    }  # fmt: skip
    described = await factory.client.patch(
        f"/api/agents/alerts/{ids['rule_id']}", json={"description": marker}, headers=factory.employee.headers
    )
    assert described.status_code == 200, described.text
    secrets = {marker, str(tenant.business_id), *map(str, row_ids)}
    return MarkedBusiness(marker, tenant, devices[0], ids, frozenset(secrets))


async def fill(pool: asyncpg.Pool, device: Device, marker: str) -> None:
    """Put the marker into the facts of a device and into alerts."""
    columns = ", ".join(f"{name} = $2" for name in COLUMNS)
    await pool.execute(f"UPDATE agent_devices SET {columns} WHERE id = $1", device.agent_id, marker)
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, agent_device_id, conditions, "
        "notification_recipients) VALUES ($1, $1, 'critical', $2, $3, $4, $5) RETURNING id",
        marker, device.tenant.business_id, device.agent_id,
        json.dumps({"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 10}),
        json.dumps([f"{marker}@example.com"]),
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, alert_message, "
        "status, resolution_notes) VALUES ($1, $2, now(), 'critical', $3, 'active', $3)",
        rule, device.agent_id, marker,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, alert_message, "
        "status) VALUES ($1, $2, now() - interval '1 hour', 'critical', $3, 'resolved')",
        rule, device.agent_id, marker,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_alert_transitions (agent_alert_id, agent_device_id, at, from_state, to_state, reason) "
        "VALUES ($1, $2, now(), 'inactive', 'firing', $3)",
        rule, device.agent_id, marker,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_maintenance_windows (window_name, business_id, agent_device_id, starts_at, ends_at, "
        "created_by, created_at) SELECT $1, $2, $3, now(), now() + interval '1 hour', id, now() FROM employees LIMIT 1",
        marker, device.tenant.business_id, device.agent_id,
    )  # fmt: skip


async def use_every_call(device: Device, employee: Employee, second: Employee, marker: str) -> None:
    """Make every call of a device and its employees, with the marker in every text."""
    await told(device, agent_version=marker)
    service = {"name": marker, "status": "running", "pid": 1}
    disk = {"name": marker, "percent": 50}
    own = {"metric": "custom.marked", "instance": marker, "value": 1, "unit": "birds"}
    parts: dict[str, Any] = {"disks": [disk], "series": [own]}
    await device.accepted(sample(MINUTE, cpu_percent=1, note=marker), sample(services=[service], note=marker, **parts))
    at = utc_now() - timedelta(hours=2)
    for turn in range(3):
        facts = {"vendor": marker, "latest_available_version": marker}
        await listed(
            device, software(marker, marker, **facts), software(marker, f"{turn}", **facts), at=at + turn * MINUTE
        )
    for _ in range(2):
        await send_event(device, marker)
        await run_command(device, employee, second, marker)
    await order(device, employee, marker, params={marker: marker})
    await changed(device, employee, method="PATCH", device_name=marker)
    await act(device, employee, await order(device, employee, marker), "cancel", reason=marker)


async def send_event(device: Device, marker: str) -> None:
    """Send an event."""
    event = {"event_type": marker, "timestamp": utc_now().isoformat(), "data": {marker: marker}}
    url = f"/api/agents/{device.agent_id}/events"
    assert (await device.client.post(url, json=event, headers=device.headers)).status_code == 201


async def run_command(device: Device, employee: Employee, second: Employee, marker: str) -> None:
    """Order, approve, fetch, begin and end a command."""
    command = await order(device, employee, marker, params={"note": marker}, approval_required=True)
    await act(device, second, command, "approve")
    await fetched(device)
    answers: list[httpx.Response] = [
        await tell(device, command, "progress", percent=50, message=marker),
        await tell(device, command, "result", status="failed", stdout=marker, stderr=marker, error_message=marker),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]


async def order_batch(factory: CallerFactory, device: Device, marker: str) -> UUID:
    """Order something as a batch."""
    body: dict[str, Any] = {"command_type": marker, "agent_ids": [str(device.agent_id)], "params": {"note": marker}}
    response = await factory.client.post("/api/agents/commands", json=body, headers=factory.employee.headers)
    return UUID(response.json()["batch_id"])


async def add_waiting_host(factory: CallerFactory, tenant: Tenant, marker: str) -> None:
    """Make a gateway that uploads a host, which waits to be confirmed."""
    body = {"business_id": str(tenant.business_id), "name": marker}
    gateway = (await factory.client.post("/api/agents/gateways", json=body, headers=factory.employee.headers)).json()
    headers = {"Authorization": f"Token {gateway['token']}"}
    line = f"system,host={marker}-gateway load1=1 {int(utc_now().timestamp())}"
    response = await factory.client.post("/api/v2/write?precision=s", content=line.encode(), headers=headers)
    assert response.status_code == 204  # nobody has confirmed it: it is left out without an error
