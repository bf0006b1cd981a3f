"""A device that stays: deactivated and activated, and what employees change of it."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.calls import beat, change, changed, course, deeds, error_of, path_of, seen, told, trail
from tests.devices import Device, sample
from tests.people import Employee, Tenant

# Deactivated and activated


async def test_a_deactivated_device_is_refused_until_it_is_activated(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    changed_device = await changed(device, employee, "deactivate")
    assert (changed_device["is_active"], changed_device["status"], changed_device["token_state"]) == (
        False,
        "disabled",
        "active",
    )
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    changed_device = await changed(device, employee, "activate")
    assert (changed_device["is_active"], changed_device["status"]) == (True, "offline")
    await told(device)
    await device.accepted(sample(cpu_percent=1))
    assert await course(device) == [
        ("offline", "online"), ("online", "disabled"), ("disabled", "offline"), ("offline", "online"),
    ]  # fmt: skip
    assert await deeds(device, employee) == ["device_deactivated", "device_activated"]


async def test_activating_what_is_active_changes_nothing(device: Device, employee: Employee) -> None:
    await told(device)
    before = await seen(device)
    assert await changed(device, employee, "activate") == before
    assert await deeds(device, employee) == []


# Changed


async def test_an_employee_changes_what_may_be_changed(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    site = await pool.fetchval(
        "INSERT INTO service_locations (business_id, location_name) VALUES ($1, 'Annex') RETURNING id",
        device.tenant.business_id,
    )
    wishes: dict[str, Any] = {
        "device_name": "renamed", "device_type": "server", "metrics_interval_seconds": 60,
        "monitoring_enabled": False, "alerts_enabled": False, "auto_remediation_enabled": True,
    }  # fmt: skip
    response = await change(device, employee, method="PATCH", service_location_id=str(site), **wishes)
    assert response.status_code == 200, response.text
    detail = await seen(device)
    assert {name: detail[name] for name in wishes} == wishes
    assert detail["service_location"] == {"id": str(site), "location_name": "Annex"}
    assert response.json() == detail
    (entry,) = [entry for entry in await trail(device, employee) if entry["action"] == "device_changed"]
    assert entry["details"]["device_name"] == {"from": "server-1", "to": "renamed"}
    assert set(entry["details"]) == {*wishes, "service_location_id"}


async def test_omitted_fields_stay(device: Device, employee: Employee) -> None:
    before = await seen(device)
    response = await change(device, employee, method="PATCH", alerts_enabled=False)
    assert response.json() == before | {"alerts_enabled": False}


async def test_a_device_may_stand_at_no_site(device: Device, employee: Employee) -> None:
    response = await change(device, employee, method="PATCH", service_location_id=None)
    assert response.json()["service_location"] is None


async def test_a_changed_interval_is_told_by_the_next_heartbeat_and_nothing_else_is(
    device: Device, employee: Employee
) -> None:
    await told(device)
    await change(device, employee, method="PATCH", device_name="renamed")
    assert not (await told(device))["config_updated"]
    await change(device, employee, method="PATCH", metrics_interval_seconds=60)
    answer = await told(device)
    assert (answer["config_updated"], answer["config"]["metrics_interval_seconds"]) == (True, 60)
    await change(device, employee, method="PATCH", metrics_interval_seconds=60)
    assert not (await told(device))["config_updated"]


async def test_another_businesss_site_is_refused_and_nothing_is_changed(
    device: Device, employee: Employee, bob: Tenant
) -> None:
    before = await seen(device)
    for site in (bob.location_id, uuid4()):
        response = await change(device, employee, method="PATCH", device_name="x", service_location_id=str(site))
        assert error_of(response) == (404, "unknown_service_location")
    assert await seen(device) == before
    assert await deeds(device, employee) == []


@pytest.mark.parametrize(
    "body",
    [
        {"device_name": ""}, {"device_name": None}, {"device_name": "x" * 256}, {"device_type": "toaster"},
        {"device_type": None}, {"metrics_interval_seconds": 0}, {"metrics_interval_seconds": 86_401},
        {"metrics_interval_seconds": None}, {"alerts_enabled": None}, {"service_location_id": "HQ"},
        {"status": "online"}, {"business_id": str(uuid4())}, {"agent_token": "x"},
    ],
)  # fmt: skip
async def test_a_change_that_doesnt_fit_is_refused(device: Device, employee: Employee, body: dict[str, Any]) -> None:
    response = await device.client.patch(path_of(device), json=body, headers=employee.headers)
    assert error_of(response) == (422, "invalid_request")


async def test_updated_at_follows_changes_only(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    async def updated() -> datetime:
        at: datetime = await pool.fetchval("SELECT updated_at FROM agent_devices WHERE id = $1", device.agent_id)
        return at

    before = await updated()
    await change(device, employee, method="PATCH", device_name="server-1")
    await device.client.patch(path_of(device), json={}, headers=employee.headers)
    assert await updated() == before
    await change(device, employee, method="PATCH", device_name="renamed")
    assert await updated() > before
