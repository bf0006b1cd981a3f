"""A device in a test: registered through the API, uploading through the API."""

import gzip
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from core.clock import utc_now
from tests.people import Employee, Tenant


@dataclass
class Device:
    client: httpx.AsyncClient
    agent_id: UUID
    token: str
    tenant: Tenant

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        """Upload a body as it stands."""
        return await self.client.post(
            f"/api/agents/{self.agent_id}/metrics", content=body, headers=self.headers | headers
        )

    async def send(self, *samples: dict[str, Any], zipped: bool = False) -> httpx.Response:
        """Upload samples."""
        body = json.dumps({"metrics": samples}).encode()
        if zipped:
            return await self.post(gzip.compress(body), **{"Content-Encoding": "gzip"})
        return await self.post(body)

    async def accepted(self, *samples: dict[str, Any]) -> dict[str, Any]:
        """Upload samples and return the receipt, which must be a 200."""
        response = await self.send(*samples)
        assert response.status_code == 200, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    async def history(self, headers: dict[str, str] | None = None, **query: Any) -> dict[str, Any]:
        """Read the history as the device's own tenant; must be a 200."""
        response = await self.client.get(
            f"/api/agents/{self.agent_id}/metrics/history",
            params=query,
            headers=headers or self.tenant.headers,
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


async def register_device(
    client: httpx.AsyncClient, employee: Employee, tenant: Tenant, name: str, interval: int
) -> Device:
    body = {
        "business_id": str(tenant.business_id), "service_location_id": str(tenant.location_id),
        "device_name": name, "metrics_interval_seconds": interval,
    }  # fmt: skip
    response = await client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
    assert response.status_code == 200, response.text
    mac_address = "02:" + ":".join(uuid4().hex[at : at + 2] for at in range(0, 10, 2))  # or namesakes seem one machine
    facts = {"token": response.json()["token"], "hostname": name, "os_type": "linux", "mac_address": mac_address}
    registered = await client.post("/api/agents/register", json=facts)
    assert registered.status_code == 200, registered.text
    return Device(client, UUID(registered.json()["agent_id"]), registered.json()["agent_token"], tenant)


def sample(age: timedelta | datetime = timedelta(), **metrics: Any) -> dict[str, Any]:
    """One sample: collected `age` ago, or at a time; whole seconds in UTC."""
    time = age if isinstance(age, datetime) else utc_now().replace(microsecond=0) - age
    return {"collected_at": time.isoformat(), **metrics}
