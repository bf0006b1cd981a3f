"""Software inventory in tests: sent by devices, read by people."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.devices import Device

DAY = timedelta(days=1)
MAY = datetime(2026, 5, 1, 8, tzinfo=UTC)


def software(name: str, version: str | None = "1.0", **more: Any) -> dict[str, Any]:
    """One entry of a list."""
    return {"software_name": name, "software_version": version, **more}


def path(device: Device, more: str = "") -> str:
    """Where a device's inventory is."""
    return f"/api/agents/{device.agent_id}/inventory/software{more}"


async def post(device: Device, *entries: dict[str, Any], at: datetime | None = None, **more: Any) -> httpx.Response:
    """Send a list as the device."""
    body = {"software": entries, **({"collected_at": at.isoformat()} if at else {}), **more}
    return await device.client.post(path(device), json=body, headers=device.headers)


async def listed(device: Device, *entries: dict[str, Any], at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """Send a list as the device and return what became of it; must be a 200."""
    response = await post(device, *entries, at=at, **more)
    assert response.status_code == 200, response.text
    merged: dict[str, Any] = response.json()
    return merged


async def answer(device: Device, more: str = "", headers: dict[str, str] | None = None, **query: Any) -> dict[str, Any]:
    """Read a device's inventory as its tenant; must be a 200."""
    response = await device.client.get(path(device, more), params=query, headers=headers or device.tenant.headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def installed(device: Device, **query: Any) -> list[tuple[str, str | None]]:
    """Return name and version of what is installed, in the order of the answer."""
    return [(one["software_name"], one["software_version"]) for one in (await answer(device, **query))["software"]]


async def changes(device: Device, **query: Any) -> list[tuple[str, str, str | None, str | None]]:
    """Return change, name, version before and version of the changes, newest first."""
    change_list = (await answer(device, "/changes", **query))["changes"]
    return [(one["change"], one["software_name"], one["from_version"], one["software_version"]) for one in change_list]
