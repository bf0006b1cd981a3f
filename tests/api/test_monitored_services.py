"""Services: how uploads change their state, who sees them, and what employees expect of them."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import LIFETIME, Employee, Tenant

MINUTE = timedelta(minutes=1)


async def saw(device: Device, age: timedelta, status: str, pid: int | None = None, name: str = "nginx") -> None:
    """Upload a sample in which a service has a state."""
    await device.accepted(sample(age, cpu_percent=1, services=[{"name": name, "status": status, "pid": pid}]))


async def services(device: Device, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    url = f"/api/agents/{device.agent_id}/services"
    response = await device.client.get(url, headers=headers or device.tenant.headers)
    assert response.status_code == 200, response.text
    service_list: list[dict[str, Any]] = response.json()["services"]
    return service_list


async def change(device: Device, service_id: str, headers: dict[str, str], **changes: Any) -> httpx.Response:
    url = f"/api/agents/{device.agent_id}/services/{service_id}"
    body = json.dumps(changes).encode()
    return await device.client.patch(url, content=body, headers=headers | {"Content-Type": "application/json"})


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# State


async def test_changes_of_state_are_counted(device: Device) -> None:
    for age, status in ((5, "running"), (4, "running"), (3, "stopped"), (2, "stopped"), (1, "running")):
        await saw(device, age * MINUTE, status)
    (service,) = await services(device)
    assert (service["status"], service["state_changes"], service["restart_count"]) == ("running", 2, 1)


async def test_the_same_state_again_is_no_change(device: Device) -> None:
    for age in (3, 2, 1):
        await saw(device, age * MINUTE, "running", 7)
    (service,) = await services(device)
    assert (service["state_changes"], service["restart_count"], service["pid"]) == (0, 0, 7)
    assert service["last_state_change"] < service["last_checked"]


async def test_an_older_sample_changes_nothing(device: Device) -> None:
    await saw(device, MINUTE, "running")
    before = await services(device)
    await saw(device, 3 * MINUTE, "stopped")
    assert await services(device) == before
    assert before[0]["state_changes"] == 0


async def test_the_newest_state_in_one_upload_counts(device: Device) -> None:
    states = [(2, "stopped"), (1, "running"), (3, "error")]
    await device.accepted(
        *(sample(age * MINUTE, cpu_percent=1, services=[{"name": "a", "status": status}]) for age, status in states)
    )
    (service,) = await services(device)
    assert service["status"] == "running"


# Who sees them


async def test_a_service_shows_all_of_itself_to_its_tenant_and_to_employees(device: Device, employee: Employee) -> None:
    for name in ("sshd", "nginx"):
        await saw(device, MINUTE, "running", 12, name)
    service = await services(device)
    assert [one["name"] for one in service] == ["nginx", "sshd"]
    assert set(service[0]) == {
        "id", "name", "service_display_name", "service_type", "status", "pid", "should_be_running", "auto_restart",
        "last_checked", "last_state_change", "restart_count", "state_changes", "missing_since",
    }  # fmt: skip
    assert (service[0]["should_be_running"], service[0]["auto_restart"], service[0]["pid"]) == (True, False, 12)
    assert await services(device, employee.headers) == service
    page = await device.client.get(f"/api/agents/{device.agent_id}", headers=device.tenant.headers)
    assert page.json()["monitored_services"] == [
        {name: value for name, value in one.items() if not name.startswith("service_")} for one in service
    ]


async def test_a_device_without_services_has_none(device: Device) -> None:
    assert await services(device) == []


async def test_anothers_services_are_not_told_from_those_of_no_device(
    device: Device, client: httpx.AsyncClient, bob: Tenant, charlie: Tenant
) -> None:
    await saw(device, MINUTE, "running")
    unknown = await client.get(f"/api/agents/{uuid4()}/services", headers=bob.headers)
    assert error_of(unknown) == (404, "agent_not_found")
    for who in (bob, charlie):
        response = await client.get(f"/api/agents/{device.agent_id}/services", headers=who.headers)
        assert (response.status_code, response.json()) == (404, unknown.json())
    for headers, code in ((device.headers, "invalid_token"), ({}, "unauthorized")):
        response = await client.get(f"/api/agents/{device.agent_id}/services", headers=headers)
        assert error_of(response) == (401, code)


# Settings


async def test_an_employee_says_what_is_expected_of_a_service(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await saw(device, 2 * MINUTE, "running")
    (before,) = await services(device)
    changes = {"should_be_running": False, "auto_restart": True, "service_display_name": "Web server"}
    response = await change(device, before["id"], employee.headers, **changes)
    assert (response.status_code, response.json()) == (200, before | changes)
    assert await services(device) == [before | changes]
    response = await change(device, before["id"], employee.headers, service_display_name=None)
    assert response.json() == before | changes | {"service_display_name": None}
    await saw(device, MINUTE, "stopped")
    (after,) = await services(device)
    assert (after["status"], after["should_be_running"], after["auto_restart"]) == ("stopped", False, True)
    rows = await pool.fetch(
        "SELECT action, actor_id, details FROM agent_audit WHERE agent_device_id = $1 "
        "AND action = 'service_settings_changed' ORDER BY id",
        device.agent_id,
    )
    assert [row["actor_id"] for row in rows] == [employee.employee_id] * 2
    details = json.loads(rows[0]["details"])
    assert (details["service_name"], details["changed"]) == ("nginx", changes)
    assert details["before"] == {"should_be_running": True, "auto_restart": False, "service_display_name": None}


async def test_a_service_that_isnt_the_devices_is_a_404(make_device: MakeDevice, employee: Employee) -> None:
    device, other = await make_device(), await make_device()
    await saw(other, MINUTE, "running")
    (service,) = await services(other)
    for service_id in (service["id"], str(uuid4())):
        response = await change(device, service_id, employee.headers, auto_restart=True)
        assert error_of(response) == (404, "service_not_found")
    assert await services(other) == [service]


async def test_a_deleted_devices_services_stay_as_they_are(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await saw(device, MINUTE, "running")
    (service,) = await services(device)
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE id = $1", device.agent_id)
    response = await change(device, service["id"], employee.headers, auto_restart=True)
    assert error_of(response) == (404, "service_not_found")


async def test_only_employees_that_the_platform_knows_change_a_service(
    device: Device, tokens: Tokens, bob: Tenant
) -> None:
    await saw(device, MINUTE, "running")
    (service,) = await services(device)
    stranger = str(uuid4())
    token = tokens.issue_person({"sub": stranger, "employee_id": stranger}, utc_now(), LIFETIME)
    for headers, refused in (
        (device.tenant.headers, (403, "employees_only")), (bob.headers, (403, "employees_only")),
        (device.headers, (401, "invalid_token")), ({}, (401, "unauthorized")),
        ({"Authorization": f"Bearer {token}"}, (403, "unknown_employee")),
    ):  # fmt: skip
        assert error_of(await change(device, service["id"], headers, auto_restart=True)) == refused
    assert await services(device) == [service]


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"should_be_running": None}, {"auto_restart": "sometimes"}, {"service_display_name": "x" * 256},
        {"service_display_name": "a\0"}, {"service_display_name": "\ud800"}, {"status": "running"},
    ],
)  # fmt: skip
async def test_settings_that_dont_fit_are_refused(device: Device, employee: Employee, changes: dict[str, Any]) -> None:
    await saw(device, MINUTE, "running")
    (service,) = await services(device)
    response = await change(device, service["id"], employee.headers, **changes)
    assert error_of(response) == (422, "invalid_request")
    assert await services(device) == [service]
