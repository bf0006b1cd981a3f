"""Stores the events that agents report, over HTTP and over the live channel, within the quotas of their device."""

from uuid import UUID

from api.schemas.events import AgentEvent
from api.services import Services
from devices.event_log import add_event


async def keep_event(services: Services, agent_id: UUID, event: AgentEvent, size: int) -> None:
    """Store an event that came in `size` bytes and notify followers; raises QuotaExceededError."""
    services.quotas.check(agent_id, "events", "bytes")
    await add_event(services.pool, agent_id, event.event_type, event.timestamp, event.data, services.clock())
    services.quotas.spend(agent_id, events=1, bytes=size)
