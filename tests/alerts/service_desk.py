"""The service desk of one business in a test: its rules, uploads that breach them, evaluation passes, and tickets."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import Outcome, work_tickets
from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from tests.alerts.scenarios import MINUTE, simple
from tests.devices import Device, sample

INSERT_RULE = """
INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, agent_device_id, conditions, is_shadow,
                          ticket_enabled, created_by)
VALUES ($1, 'metric', $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""
TICKETS = """
SELECT r.*, COALESCE(to_jsonb(u) ->> 'name', to_jsonb(u) ->> 'level_name') AS urgency,
       COALESCE(to_jsonb(p) ->> 'name', to_jsonb(p) ->> 'level_name') AS priority,
       COALESCE(to_jsonb(s) ->> 'name', to_jsonb(s) ->> 'status_name') AS status
FROM service_requests r
JOIN urgency_levels u ON u.id = r.urgency_level_id
JOIN priority_levels p ON p.id = r.priority_level_id
JOIN service_request_statuses s ON s.id = r.status_id
WHERE r.business_id = $1
ORDER BY r.request_number
"""
SET_STATUS = """
UPDATE service_requests SET status_id = (SELECT id FROM service_request_statuses s
                                         WHERE $2 IN (to_jsonb(s) ->> 'name', to_jsonb(s) ->> 'status_name'))
WHERE id = $1
"""
INSERT_DEVICES = """
INSERT INTO agent_devices (id, business_id, service_location_id, device_name, last_metrics_received)
SELECT t.id, $2, $3, format('pc-%s', to_char(t.number, 'FM000')), $4
FROM unnest($1::uuid[]) WITH ORDINALITY AS t (id, number)
"""
INSERT_SAMPLES = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT d, $2::timestamptz - minutes * interval '1 minute', $2, $3
FROM unnest($1::uuid[]) AS d CROSS JOIN unnest(ARRAY[1, 6, 11]) AS minutes
ON CONFLICT DO NOTHING
"""


class ServiceDesk:
    """Rules, devices, alerts and tickets of one business. Its time begins 30 hours ago, so that uploads count."""

    def __init__(self, connection: asyncpg.Connection, employee_id: UUID, business_id: UUID) -> None:
        self.connection = connection
        self.business_id = business_id
        self.begin = utc_now().replace(microsecond=0) - timedelta(hours=30)
        self._employee_id = employee_id

    async def rule(
        self, conditions: Any = None, severity: str = "critical", device: UUID | None = None, *,
        shadow: bool = False, tickets: bool = True, everywhere: bool = False,
    ) -> UUID:  # fmt: skip
        rule_id: UUID = await self.connection.fetchval(
            INSERT_RULE, "High CPU", severity, None if everywhere else self.business_id, device,
            msgspec.json.encode(conditions or simple()).decode(), shadow, tickets, self._employee_id,
        )  # fmt: skip
        return rule_id

    async def devices(
        self, count: int, location: UUID | None = None, last_contact: datetime | None = None
    ) -> list[UUID]:
        """Insert devices directly, because many are needed."""
        ids = [uuid4() for _ in range(count)]
        await self.connection.execute(INSERT_DEVICES, ids, self.business_id, location, last_contact)
        return ids

    async def measure(self, devices: list[UUID], at: datetime, cpu: float) -> None:
        """Store samples of twelve minutes before `at`."""
        await self.connection.execute(INSERT_SAMPLES, devices, at, cpu)

    async def turn(self, at: datetime) -> Counter[Outcome]:
        """Run an evaluation pass, then let the worker open and close tickets."""
        await evaluate(self.connection, at)
        return await work_tickets(self.connection, at)

    async def breach(self, device: Device, at: datetime) -> Counter[Outcome]:
        await device.accepted(*(sample(at - minutes * MINUTE, cpu_percent=95) for minutes in (1, 6, 11)))
        return await self.turn(at)

    async def recovery(self, device: Device, at: datetime) -> Counter[Outcome]:
        await device.accepted(sample(at - MINUTE, cpu_percent=10))
        await evaluate(self.connection, at)
        return await self.turn(at + 6 * MINUTE)

    async def tickets(self) -> list[asyncpg.Record]:
        return await self.connection.fetch(TICKETS, self.business_id)

    async def statuses(self) -> list[str]:
        return [ticket["status"] for ticket in await self.tickets()]

    async def person_sets(self, status: str) -> None:
        """Set the status of the newest ticket as a person does, without the time."""
        await self.connection.execute(SET_STATUS, (await self.tickets())[-1]["id"], status)

    async def alerts(self) -> list[asyncpg.Record]:
        """The alerts, in order."""
        query = (
            "SELECT h.*, d.device_name FROM agent_alert_history h JOIN agent_devices d ON d.id = h.agent_device_id "
            "WHERE d.business_id = $1 ORDER BY h.triggered_at, d.device_name"
        )
        return await self.connection.fetch(query, self.business_id)

    async def incidents(self) -> list[asyncpg.Record]:
        query = "SELECT * FROM agent_alert_tickets WHERE business_id = $1 ORDER BY created_at, incident_key"
        return await self.connection.fetch(query, self.business_id)


@asynccontextmanager
async def open_service_desk(database: str, employee_id: UUID, business_id: UUID) -> AsyncIterator[ServiceDesk]:
    """Yield the service desk of a business; rules and incidents of other tests are switched off."""
    connection = await asyncpg.connect(database, server_settings=SERVER_SETTINGS)
    try:
        await connection.execute("UPDATE agent_alerts SET is_active = false")
        await connection.execute("UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL")
        await connection.execute("UPDATE agent_alert_tickets SET wanted = 'closed', due_at = NULL")
        yield ServiceDesk(connection, employee_id, business_id)
    finally:
        await connection.close()
