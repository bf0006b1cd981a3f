"""POST /api/agents/{id}/events: what the live channel's `event` says, for agents that only speak HTTP."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from agents.events import add_event
from api.auth import CurrentAgent
from api.json_values import JsonObject
from api.services import services_of
from api.text import StorableText
from api.times import Time

router = APIRouter(prefix="/api/agents", tags=["events"])


class AgentEvent(BaseModel):
    """Something that happened on a device."""

    event_type: Annotated[StorableText, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")] = Field(
        examples=["service_crashed"]
    )
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
