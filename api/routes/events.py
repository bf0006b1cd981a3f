"""/api/agents/{id}/events: what happened on a device and to it; agents tell, people read."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from agents.event_log import add_event, read_events
from api.auth import CurrentAgent, CurrentPerson
from api.json_values import JsonObject
from api.routes.agents import AgentId
from api.services import services_of
from api.text import StorableText, Word
from api.times import Time

router = APIRouter(prefix="/api/agents", tags=["events"])


class DeviceEvent(BaseModel):
    """Something that happened: told by the agent (`service_crashed`), or noticed here (`status_changed`)."""

    id: int
    event_type: str = Field(examples=["status_changed"])
    occurred_at: datetime = Field(description="by the device's clock, where the agent told it")
    received_at: datetime
    data: dict[str, Any] = Field(description="of status_changed: from, to, why")


class EventList(BaseModel):
    """A page of events, newest first."""

    events: list[DeviceEvent]
    next_before: int | None = Field(description="pass as `before` for the next page; null on the last")


class AgentEvent(BaseModel):
    """Something that happened on a device."""

    event_type: Word = Field(examples=["service_crashed"])
    timestamp: Time = Field(description="by the device's clock")
    data: JsonObject = Field(default_factory=dict, description="at most 64 KiB as JSON")


class Kept(BaseModel):
    """The event is kept."""

    kept: bool = True


@router.post("/{agent_id}/events", status_code=201)
async def take_event(request: Request, agent: CurrentAgent, body: AgentEvent) -> Kept:
    """Keep an event; who follows the device on the live channel is told."""
    services = services_of(request)
    await add_event(services.pool, agent.agent_id, body.event_type, body.timestamp, body.data, services.clock())
    return Kept()


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
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="next_before of the page before")] = None,
) -> EventList:
    """Read a device's events of the last 90 days, newest first."""
    rows = await read_events(services_of(request).pool, person.tenant, agent_id, event_type, before, limit + 1)
    page = [DeviceEvent(**dict(row) | {"data": msgspec.json.decode(row["data"])}) for row in rows[:limit]]
    return EventList(events=page, next_before=page[-1].id if len(rows) > limit else None)
