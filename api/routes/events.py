"""/api/agents/{id}/events: events of a device; agents write, people read."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.agent_events import keep_event
from api.auth import CurrentAgent, CurrentPerson
from api.fields.text import StorableText
from api.schemas.agents import AgentId
from api.schemas.events import AgentEvent, DeviceEvent, EventList
from api.services import body_size, get_services
from devices.event_log import read_events

router = APIRouter(prefix="/api/agents", tags=["events"])


class EventReceipt(BaseModel):
    """Confirms that the event is stored."""

    kept: bool = True


@router.post("/{agent_id}/events", status_code=201)
async def take_event(request: Request, agent: CurrentAgent, body: AgentEvent) -> EventReceipt:
    """Store an event and send it to followers of the device on the live channel."""
    await keep_event(get_services(request), agent.agent_id, body, body_size(request))
    return EventReceipt()


@router.get("/{agent_id}/events")
async def list_events(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    event_type: Annotated[
        StorableText | None,
        Query(min_length=1, max_length=100, description="only of this type", examples=["status_changed"]),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="events on a page")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="next_before of the previous page")] = None,
) -> EventList:
    """Read a device's events of the last 90 days, newest first."""
    rows = await read_events(get_services(request).pool, person.tenant, agent_id, event_type, before, limit + 1)
    page = [DeviceEvent(**dict(row) | {"data": msgspec.json.decode(row["data"])}) for row in rows[:limit]]
    return EventList(events=page, next_before=page[-1].id if len(rows) > limit else None)
