"""Calls that many tests make: heartbeat, list, detail, events, trail, and an employee's changes."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from core.clock import utc_now
from tests.devices import Device
from tests.people import Employee

MINUTE = timedelta(minutes=1)


def path_of(device: Device, *parts: str) -> str:
    return "/".join((f"/api/agents/{device.agent_id}", *parts))


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def beat(device: Device, **facts: Any) -> httpx.Response:
    body = {"timestamp": utc_now().isoformat(), **facts}
    return await device.client.post(path_of(device, "heartbeat"), json=body, headers=device.headers)


async def told(device: Device, **facts: Any) -> dict[str, Any]:
    """Send a heartbeat, which must be a 200, and return the answer."""
    return answer_of(await beat(device, **facts))


async def listed(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/api/agents", params=query, headers=headers)
    agents: list[dict[str, Any]] = answer_of(response)["agents"]
    return agents


async def seen(device: Device, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return answer_of(await device.client.get(path_of(device), headers=headers or device.tenant.headers))


async def change(device: Device, employee: Employee, *parts: str, method: str = "POST", **body: Any) -> httpx.Response:
    """Call an employee's endpoint of a device."""
    return await device.client.request(method, path_of(device, *parts), json=body or None, headers=employee.headers)


async def changed(device: Device, employee: Employee, *parts: str, **body: Any) -> dict[str, Any]:
    """Call an employee's endpoint, which must be a 200, and return the device as it is now."""
    return answer_of(await change(device, employee, *parts, **body))


async def removed(device: Device, employee: Employee, *parts: str) -> None:
    """Call DELETE as an employee, which must be a 204."""
    response = await change(device, employee, *parts, method="DELETE")
    assert response.status_code == 204, response.text


async def events(device: Device, **query: Any) -> list[dict[str, Any]]:
    """Read a device's events as its tenant, newest first."""
    response = await device.client.get(path_of(device, "events"), params=query, headers=device.tenant.headers)
    event_list: list[dict[str, Any]] = answer_of(response)["events"]
    return event_list


async def course(device: Device) -> list[tuple[str, str]]:
    """Return the changes of a device's status as (from, to), oldest first."""
    changes = await events(device, event_type="status_changed", limit=1000)
    return [(event["data"]["from"], event["data"]["to"]) for event in reversed(changes)]


async def trail(device: Device, employee: Employee) -> list[dict[str, Any]]:
    """Read a device's audit trail, oldest first."""
    response = await device.client.get(path_of(device, "audit"), params={"limit": 1000}, headers=employee.headers)
    entries: list[dict[str, Any]] = answer_of(response)["entries"]
    return entries[::-1]


async def deeds(device: Device, employee: Employee) -> list[str]:
    """Return what was done to a device, oldest first, without its registration."""
    return [entry["action"] for entry in await trail(device, employee) if entry["action"] != "device_registered"]


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """Return the body of an answer, which must be a 200."""
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def time_of(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)
