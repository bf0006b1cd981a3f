"""End-of-life rules in tests: made by an employee, and the marks that they leave in a device's inventory."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.devices import Device
from tests.people import Employee
from tests.software import answer

RULES = "/api/agents/software-eol"
PAST, FUTURE = "2020-01-01", "2190-01-01"
Mark = tuple[bool, str | None, str | None]


def new_name() -> str:
    """Return a name that no other test's rules fit."""
    return f"tool-{uuid4().hex}"


class Rules:
    """The calls of an employee."""

    def __init__(self, client: httpx.AsyncClient, employee: Employee) -> None:
        self.client, self.headers = client, employee.headers

    async def create(self, name: str, prefix: str = "", eol_date: str = PAST, **more: Any) -> dict[str, Any]:
        body = {"software_name": name, "version_prefix": prefix, "eol_date": eol_date, **more}
        response = await self.client.post(RULES, json=body, headers=self.headers)
        assert response.status_code == 201, response.text
        rule: dict[str, Any] = response.json()
        return rule

    async def change(self, rule: dict[str, Any], **changes: Any) -> httpx.Response:
        return await self.client.patch(f"{RULES}/{rule['id']}", json=changes, headers=self.headers)

    async def delete(self, rule: dict[str, Any]) -> httpx.Response:
        return await self.client.delete(f"{RULES}/{rule['id']}", headers=self.headers)

    async def read(self, **query: Any) -> list[dict[str, Any]]:
        response = await self.client.get(RULES, params=query, headers=self.headers)
        assert response.status_code == 200, response.text
        rule_list: list[dict[str, Any]] = response.json()["rules"]
        return rule_list


async def marks(device: Device, **query: Any) -> dict[str | None, Mark]:
    """Version → is_eol, eol_date, latest_available_version, as people read it."""
    software = (await answer(device, **query))["software"]
    return {
        one["software_version"]: (one["is_eol"], one["eol_date"], one["latest_available_version"]) for one in software
    }


async def stored(pool: asyncpg.Pool, device: Device) -> dict[str | None, tuple[Any, ...]]:
    """Version → is_eol, eol_date and rule, as the table has it."""
    rows = await pool.fetch(
        "SELECT software_version, is_eol, eol_date, eol_rule_id FROM agent_software_inventory "
        "WHERE agent_device_id = $1",
        device.agent_id,
    )
    return {row["software_version"]: tuple(row)[1:] for row in rows}
