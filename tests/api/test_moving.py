"""An employee gives a device to another business; nobody else does."""

from uuid import uuid4

import asyncpg

from tests.calls import change, changed, deeds, error_of, events, listed, seen
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant

OPEN_ALERT = """
WITH rule AS (
    INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, is_active, conditions)
    VALUES ('old', 'metric', 'critical', $1, false, '{"metric": "cpu_percent", "operator": ">", "threshold": 90}')
    RETURNING id
)
INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, severity, alert_message, triggered_at)
SELECT id, $2, 'critical', 'of the former owner', now() FROM rule
"""


async def test_a_device_is_given_to_another_business(make_device: MakeDevice, employee: Employee, dora: Tenant) -> None:
    device = await make_device()
    former = device.tenant
    await device.accepted(sample(cpu_percent=99))
    body = {"business_id": str(dora.business_id), "service_location_id": str(dora.location_id)}
    moved = await changed(device, employee, "move", **body)
    assert moved["business"]["id"] == str(dora.business_id)
    assert (await device.client.get(f"/api/agents/{device.agent_id}", headers=former.headers)).status_code == 404
    device.tenant = dora
    assert (await seen(device))["current_metrics"] == {}
    assert [event["event_type"] for event in await events(device)] == ["moved"]
    assert (await device.history(interval="raw"))["metrics"] == []
    assert await deeds(device, employee) == ["device_moved"]


async def test_an_unknown_business_or_a_foreign_site_changes_nothing(
    make_device: MakeDevice, employee: Employee, dora: Tenant
) -> None:
    device = await make_device()
    refused = await change(device, employee, "move", business_id=str(uuid4()))
    assert refused.status_code in (404, 422), error_of(refused)
    body = {"business_id": str(dora.business_id), "service_location_id": str(device.tenant.location_id)}
    assert (await change(device, employee, "move", **body)).status_code >= 400
    assert (await seen(device))["business"]["id"] == str(device.tenant.business_id)


async def test_open_alerts_of_the_former_owner_count_nowhere_for_the_new_one(
    make_device: MakeDevice, employee: Employee, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device()
    await pool.execute(OPEN_ALERT, device.tenant.business_id, device.agent_id)
    await changed(device, employee, "move", business_id=str(dora.business_id))
    for headers in (dora.headers, employee.headers):
        (row,) = await listed(device.client, headers, business_id=str(dora.business_id))
        assert row["open_alerts"] == 0
        summary = (await device.client.get("/api/agents/summary", headers=headers)).json()
        (business,) = [one for one in summary["businesses"] if one["id"] == str(dora.business_id)]
        assert business["open_alerts"] == {"critical": 0, "warning": 0, "info": 0}
