"""Routes of an agent for its heartbeat and for a new token."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from api.auth import CurrentAgent, SignedAgent
from api.errors import conflicts
from api.fields.text import StorableText
from api.fields.times import AnyTime
from api.routes.registration import AgentConfig, Fact64, Fact255, agent_config
from api.services import get_services
from core.facts import Facts, clean_address, clean_fact
from devices.credentials import rotate_token
from devices.devices import HeartbeatReport, change_facts, heartbeat
from devices.errors import SupersededTokenError

router = APIRouter(prefix="/api/agents", tags=["agents"])

Version = Annotated[StorableText, StringConstraints(max_length=64)]


class Heartbeat(BaseModel):
    """A heartbeat; `timestamp` is the device's clock."""

    timestamp: AnyTime = Field(examples=["2026-05-03T14:05:00Z"])
    status: Literal["online", "warning", "error"] = "online"
    agent_version: Annotated[Version | None, BeforeValidator(partial(clean_fact, most=256 * 1024))] = None
    hostname: Fact255 = Field(None, description="these may have changed on the machine; an event records a change")
    os_version: Fact255 = None
    os_architecture: Fact64 = None
    ip_address: Annotated[str | None, BeforeValidator(clean_address)] = None
    mac_address: Fact64 = None

    def facts(self) -> Facts:
        """Return the facts about the machine in the heartbeat."""
        return Facts(self.hostname, self.os_version, self.os_architecture, self.ip_address, self.mac_address)


class HeartbeatAnswer(BaseModel):
    """The server's answer to a heartbeat."""

    config_updated: bool = Field(description="`config` has changed since the last heartbeat")
    config: AgentConfig
    pending_commands: int = Field(description="how many commands GET /{agent_id}/commands would hand out now")
    cancel_commands: list[UUID] = Field(description="commands that the agent has begun and should stop")
    rotate_token: bool = Field(description="ask for a new token with POST /{agent_id}/token/rotate")
    clock_offset_seconds: float = Field(description="the device's clock minus the server's")


@router.post("/{agent_id}/heartbeat")
async def take_heartbeat(request: Request, agent: SignedAgent, body: Heartbeat) -> HeartbeatAnswer:
    """Record a heartbeat and return the waiting work of the device."""
    services = get_services(request)
    now = services.clock()
    overlap = timedelta(seconds=services.settings.token_overlap_seconds)
    offset = (body.timestamp - now).total_seconds()
    row = await heartbeat(services.pool, agent, HeartbeatReport(body.status, body.agent_version, offset), now, overlap)
    await change_facts(services.pool, agent.agent_id, body.facts(), now)
    services.limits.learn(agent.agent_id, row["business_id"], agent.token_hash)
    return HeartbeatAnswer(
        config_updated=row["config_updated"],
        config=agent_config(services.settings, row["metrics_interval_seconds"]),
        pending_commands=row["pending_commands"],
        cancel_commands=row["cancel_commands"],
        rotate_token=row["rotate_token"],
        clock_offset_seconds=round(offset, 3),
    )


class NewAgentToken(BaseModel):
    """The agent's new token, shown once. The previous one is refused some time after this one's first use."""

    agent_token: str


@router.post("/{agent_id}/token/rotate", responses=conflicts(SupersededTokenError))
async def rotate_own_token(request: Request, agent: CurrentAgent) -> NewAgentToken:
    """Get a new token: store it, then use it. If this answer is lost, call again with the old token."""
    services = get_services(request)
    token = await rotate_token(
        services.pool, services.tokens, agent.agent_id, agent.token_hash, agent.actor, services.clock()
    )
    return NewAgentToken(agent_token=token)
