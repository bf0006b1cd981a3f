"""Lists and details of devices, and heartbeats. Every read carries the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from auth.tokens import Sender
from core.errors import AgentNotFoundError, RevokedTokenError
from core.facts import NONE, Facts
from core.text import like_literal
from db.sql import load_beside
from ingest.facts import ReportedFacts
from ingest.facts import change_facts as store_facts

QUERIES = load_beside(__file__)
CLOCK_TOLERANCE_SECONDS = 120.0  # as uploads have it (`ingest/device_updates.py BOOT_TOLERANCE`)

# The cells of a row of `list_devices`, in order.
COLUMNS = (
    "id", "device_name", "business_id", "business_name", "location_id", "location_name", "status", "last_heartbeat",
    "last_metrics_received", "os_type", "os_version", "device_type", "cpu_percent", "memory_percent", "disk_percent",
    "hostname", "ip_address", "agent_version", "open_alerts", "worst_severity", "created_at", "status_changed_at",
    "is_active", "clone_suspected", "decommissioned_at", "metrics_interval_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices a list holds; None filters nothing.

    `search` is looked for in name and hostname, whatever its case; `after` is (name, id) of the last device before
    this page. `changed_since`: devices that made contact, or whose status, settings or alerts changed, from then on.
    """

    business_id: UUID | None = None
    statuses: list[str] | None = None
    service_location_id: UUID | None = None
    search: str | None = None
    clone_suspected: bool | None = None
    os_types: list[str] | None = None
    device_types: list[str] | None = None
    changed_since: datetime | None = None
    after: tuple[str, UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the filters as the queries `list_devices` and `count_devices` take them."""
        return {
            "business_id": self.business_id, "statuses": self.statuses and sorted(set(self.statuses)),
            "service_location_id": self.service_location_id, "clone_suspected": self.clone_suspected,
            "pattern": f"%{like_literal(self.search)}%" if self.search else None,
            "os_types": self.os_types, "device_types": self.device_types, "changed_since": self.changed_since,
        }  # fmt: skip

    def page(self, tenant: UUID | None, limit: int, now: datetime) -> tuple[Any, ...]:
        """Return the query `list_devices` with its arguments."""
        name, device_id = self.after or (None, None)
        return QUERIES.bind(
            "list_devices", tenant=tenant, limit=limit, now=now, after_name=name, after_id=device_id,
            **self.parameters(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeartbeatReport:
    """A heartbeat: online, warning or error, the agent's version if it was sent, and its clock minus ours."""

    status: str
    agent_version: str | None
    clock_offset_seconds: float = 0.0


async def change_facts(pool: asyncpg.Pool, device_id: UUID, facts: Facts, now: datetime) -> None:
    """Store changed facts about a machine, with an event; unchanged facts cause no write."""
    if facts != NONE:
        await store_facts(pool, {device_id: ReportedFacts(facts, by_others=False)}, now)


async def list_devices(
    pool: asyncpg.Pool, tenant: UUID | None, filters: DeviceFilter, limit: int, now: datetime
) -> list[asyncpg.Record]:
    """Return a page of at most `limit` devices in the order of their names; `cells` is a JSON array of COLUMNS."""
    return await pool.fetch(*filters.page(tenant, limit, now))


async def count_devices(pool: asyncpg.Pool, tenant: UUID | None, filters: DeviceFilter) -> int:
    """Return how many devices the whole list has."""
    count: int = await pool.fetchval(*QUERIES.bind("count_devices", tenant=tenant, **filters.parameters()))
    return count


async def visible_devices(pool: asyncpg.Pool, tenant: UUID | None, devices: Sequence[UUID]) -> set[UUID]:
    return {
        row["id"] for row in await pool.fetch(*QUERIES.bind("visible_devices", devices=list(devices), tenant=tenant))
    }


async def get_device(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID) -> asyncpg.Record:
    """Return a device with its newest sample, services and count of open alerts; raises AgentNotFoundError."""
    row = await pool.fetchrow(*QUERIES.bind("get_device", device_id=device_id, tenant=tenant))
    if row is None:
        raise AgentNotFoundError
    return row


async def check_agent(pool: asyncpg.Pool, agent: Sender, now: datetime) -> UUID:
    """Return the business of an agent; raises RevokedTokenError when its token is no longer good."""
    business_id: UUID | None = await pool.fetchval(
        *QUERIES.bind("check_agent", device_id=agent.agent_id, token_hash=agent.token_hash, now=now)
    )
    if business_id is None:
        raise RevokedTokenError
    return business_id


async def heartbeat(
    pool: asyncpg.Pool, agent: Sender, beat: HeartbeatReport, now: datetime, token_overlap: timedelta
) -> asyncpg.Record:
    """Record a heartbeat; returns the answer to the device by the names of the query.

    Raises RevokedTokenError when the token is no longer good.
    """
    row = await pool.fetchrow(
        *QUERIES.bind(
            "heartbeat",
            device_id=agent.agent_id,
            token_hash=agent.token_hash,
            now=now,
            status=beat.status,
            agent_version=beat.agent_version,
            token_overlap=token_overlap,
            clock_offset_seconds=beat.clock_offset_seconds,
            tolerance_seconds=CLOCK_TOLERANCE_SECONDS,
        ),
    )
    if row is None:
        raise RevokedTokenError
    return row
