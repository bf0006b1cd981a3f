"""What makes the demo worth a look: devices that have been there for a week, rules that fire, a maintenance window."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from db.sql import load_beside
from demo.credentials import Credentials

QUERIES = load_beside(__file__, "queries.sql")

# The simulated disks hold from 45 to 73 %, so a few of them are over this.
DISK: dict[str, Any] = {
    "alert_name": "Disk over 70 %", "severity": "warning", "description": "Time to clean up or to order a larger disk.",
    "conditions": {"metric": "disk_percent", "operator": ">", "threshold": 70, "duration_minutes": 10},
}  # fmt: skip
BUSY = {
    "alert_name": "CPU over 60 % and memory over 45 %", "severity": "critical",
    "conditions": {
        "all": [
            {"metric": "cpu_percent", "operator": ">", "threshold": 60, "duration_minutes": 10},
            {"metric": "memory_percent", "operator": ">", "threshold": 45, "duration_minutes": 10},
        ]
    },
}  # fmt: skip
PATCH_NIGHT = {
    "window_name": "Patch night", "weekdays": [3, 6], "local_start": "22:00", "duration_minutes": 240,
    "time_zone": "Europe/Berlin",
}  # fmt: skip


async def age_devices(dsn: str, devices: Sequence[UUID], since: datetime) -> None:
    """Let devices have joined, and come online, when their history begins."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(*QUERIES.bind("age_devices", devices=devices, since=since))
    await connection.close()


async def create_rules(credentials: Credentials) -> int:
    """Make the usual rules of each business, two that fire soon, and a weekly window; return how many rules are new."""
    headers = {"Authorization": f"Bearer {credentials.employee_token}"}
    async with httpx.AsyncClient(base_url=credentials.base_url, headers=headers, timeout=30) as http:
        created = 0
        for tenant in credentials.businesses:
            answer = await post(http, "/api/agents/alerts/defaults", {"business_id": tenant.id})
            created += len(answer["created"])
        existing = await http.get("/api/agents/alerts", params={"search": DISK["alert_name"]})
        existing.raise_for_status()
        if existing.json()["rules"]:
            return created
        for rule in (DISK, BUSY):
            await post(http, "/api/agents/alerts", rule)
        window = PATCH_NIGHT | {"business_id": credentials.businesses[0].id}
        await post(http, "/api/agents/maintenance-windows", window)
        return created + 2


async def post(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send one change and return the answer; raises HTTPStatusError."""
    answer = await http.post(path, json=body)
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document
