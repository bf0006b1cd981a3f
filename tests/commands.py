"""Commands in tests: ordered by employees, fetched and answered by devices."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from commands.delivery import settle_due_commands
from tests.devices import Device
from tests.people import Employee


async def order(device: Device, employee: Employee, command_type: str = "collect_now", **more: Any) -> dict[str, Any]:
    """Order something of a device and return the command; must be a 201."""
    body = {"command_type": command_type, **more}
    response = await device.client.post(f"/api/agents/{device.agent_id}/commands", json=body, headers=employee.headers)
    assert response.status_code == 201, response.text
    command: dict[str, Any] = response.json()
    return command


async def fetched(device: Device) -> list[dict[str, Any]]:
    """Poll as the device; must be a 200."""
    response = await device.client.get(f"/api/agents/{device.agent_id}/commands", headers=device.headers)
    assert response.status_code == 200, response.text
    commands: list[dict[str, Any]] = response.json()["commands"]
    return commands


async def tell(device: Device, command: dict[str, Any], what: str, **body: Any) -> httpx.Response:
    """Say started, progress or result as the device."""
    url = f"/api/agents/{device.agent_id}/commands/{command['command_id']}/{what}"
    return await device.client.post(url, json=body or None, headers=device.headers)


async def act(device: Device, employee: Employee, command: dict[str, Any], verb: str, **body: Any) -> httpx.Response:
    """Approve or cancel as an employee."""
    url = f"/api/agents/{device.agent_id}/commands/{command['command_id']}/{verb}"
    return await device.client.post(url, json=body or None, headers=employee.headers)


async def state(device: Device, command: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """Read a command; must be a 200."""
    url = f"/api/agents/{device.agent_id}/commands/{command['command_id']}"
    response = await device.client.get(url, headers=headers)
    assert response.status_code == 200, response.text
    command_state: dict[str, Any] = response.json()
    return command_state


async def trail(pool: asyncpg.Pool, command: dict[str, Any]) -> list[str]:
    """Return the actions of a command's audit trail in order."""
    query = "SELECT action FROM agent_audit WHERE command_id = $1::text::uuid ORDER BY id"
    return [row["action"] for row in await pool.fetch(query, command["command_id"])]


def later(**span: float) -> datetime:
    """Return now and a span of time."""
    return datetime.now(UTC) + timedelta(**span)


def nobody() -> dict[str, Any]:
    """Return a command that isn't there."""
    return {"command_id": str(uuid4())}


async def settle(pool: asyncpg.Pool, **span: float) -> None:
    """Let the worker settle what is due at a later time."""
    async with pool.acquire() as connection:
        await settle_due_commands(connection, later(**span))
