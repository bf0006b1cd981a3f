"""Rules in a test: made through the API by an employee, evaluated as the worker does."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.calls import answer_of
from tests.devices import Device, sample
from tests.people import Employee, Tenant

RULES = "/api/agents/alerts"
MINUTE = timedelta(minutes=1)
CPU = {"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 10}


class Rules:
    """An employee's calls on rules and alerts, and evaluations at instants."""

    def __init__(self, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee) -> None:
        self._client = client
        self._pool = pool
        self.employee = employee

    async def call(
        self, method: str, *parts: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Call the API below /api/agents/alerts."""
        return await self._client.request(
            method, "/".join((RULES, *parts)), headers=headers or self.employee.headers, **more
        )

    async def make(self, tenant: Tenant | None, conditions: Any = CPU, **more: Any) -> dict[str, Any]:
        """Make a rule, which must be a 201."""
        business = {"business_id": str(tenant.business_id)} if tenant else {}
        response = await self.call("POST", json={"alert_name": "CPU busy", "conditions": conditions} | business | more)
        assert response.status_code == 201, response.text
        rule: dict[str, Any] = response.json()
        return rule

    async def read(self, rule: dict[str, Any]) -> dict[str, Any]:
        return answer_of(await self.call("GET", rule["id"]))

    async def change(self, rule: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return answer_of(await self.call("PATCH", rule["id"], json=changes))

    async def transitions(self, rule: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        changes: list[dict[str, Any]] = answer_of(await self.call("GET", rule["id"], "transitions", params=query))[
            "transitions"
        ]
        return changes

    async def handle(self, alert: dict[str, Any], verb: str, **body: Any) -> httpx.Response:
        """Acknowledge, resolve or snooze an alert."""
        return await self.call("POST", "history", alert["id"], verb, json=body or None)

    async def evaluate(self, now: datetime) -> None:
        """Evaluate all rules, as the worker does; an earlier instant than that of other tests too."""
        async with self._pool.acquire() as connection:
            await connection.execute("UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL")
            assert await evaluate(connection, now) is not None

    async def fire(self, *devices: Device, ago: timedelta = 120 * MINUTE) -> datetime:
        """Keep devices busy for half an hour and evaluate; returns when: some time ago, so that more can follow."""
        now = utc_now().replace(microsecond=0) - ago
        for device in devices:
            await busy(device, now)
        await self.evaluate(now)
        return now

    async def recover(self, device: Device, now: datetime) -> datetime:
        """Let a device be idle from `now` on, and evaluate until its alerts have ended; returns when."""
        await device.accepted(sample(now, cpu_percent=5))
        await self.evaluate(now)
        await device.accepted(sample(now + 5 * MINUTE, cpu_percent=5))
        await self.evaluate(now + 6 * MINUTE)
        return now + 6 * MINUTE

    async def trail(self, rule: dict[str, Any]) -> list[str]:
        """Return what was done to a rule, oldest first."""
        query = "SELECT action FROM agent_audit WHERE details ->> 'rule_id' = $1 ORDER BY id"
        return [row["action"] for row in await self._pool.fetch(query, rule["id"])]


async def busy(device: Device, now: datetime, cpu: float = 95) -> None:
    """Upload half an hour of samples before `now`, five minutes apart."""
    await device.accepted(*(sample(now - age * MINUTE, cpu_percent=cpu) for age in range(1, 30, 5)))


async def alerts_of(device: Device, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    """Read a device's alerts, newest first, as its tenant."""
    url = f"/api/agents/{device.agent_id}/alerts"
    response = await device.client.get(url, params=query, headers=headers or device.tenant.headers)
    alerts: list[dict[str, Any]] = answer_of(response)["alerts"]
    return alerts


async def open_alert(pool: asyncpg.Pool, device: Device, rule: dict[str, Any]) -> UUID:
    """Open an alert of a rule on a device without an evaluation; returns its id."""
    alert_id: UUID = await pool.fetchval(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity) "
        "VALUES ($1, $2, now(), $3) RETURNING id",
        UUID(rule["id"]), device.agent_id, rule["severity"],
    )  # fmt: skip
    return alert_id


async def only_alert(device: Device, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the one alert that a device has."""
    (alert,) = await alerts_of(device, headers)
    return alert
