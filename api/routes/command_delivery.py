"""Routes of an agent for its commands: fetch, start, progress, result."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from api.auth import CurrentAgent
from api.errors import conflicts
from api.schemas.command_delivery import CommandResult, LeasedCommand, LeasedCommands, Progress
from api.services import get_services
from commands.delivery import (
    finish_command,
    handed_out,
    lease_commands,
    list_cancellations,
    start_command,
)
from commands.errors import CommandEndedError, CommandNotDeliveredError

router = APIRouter(prefix="/api/agents", tags=["commands of the agent"])

CommandId = Annotated[UUID, Path(description="command_id of a fetched command")]


class MayRun(BaseModel):
    """Whether the agent may run or continue the command."""

    go_on: bool = Field(description="false: stop it and send its result, it is to be cancelled")


class Recorded(BaseModel):
    """Whether the server recorded a result."""

    recorded: bool = Field(description="false: there was a result already, which stays; do not send it again")


@router.get("/{agent_id}/commands")
async def fetch_commands(request: Request, agent: CurrentAgent) -> LeasedCommands:
    """Fetch the waiting commands. A fetched command is not delivered again before its lease ends (time-out + 60 s)."""
    services = get_services(request)
    rows = await lease_commands(services.pool, [agent.agent_id], services.clock(), "poll")
    stop = await list_cancellations(services.pool, [agent.agent_id])
    return LeasedCommands(
        commands=[LeasedCommand(**handed_out(row)) for row in rows], cancel_commands=[row["id"] for row in stop]
    )


@router.post(
    "/{agent_id}/commands/{command_id}/started", responses=conflicts(CommandNotDeliveredError, CommandEndedError)
)
async def begin_command(request: Request, agent: CurrentAgent, command_id: CommandId) -> MayRun:
    """Report the start of a command. 409: do not run it, it has ended or is cancelled."""
    services = get_services(request)
    return MayRun(go_on=await start_command(services.pool, agent.actor, command_id, services.clock()))


@router.post(
    "/{agent_id}/commands/{command_id}/progress", responses=conflicts(CommandNotDeliveredError, CommandEndedError)
)
async def tell_progress(request: Request, agent: CurrentAgent, command_id: CommandId, body: Progress) -> MayRun:
    """Report the progress of a command, which also reports its start."""
    services = get_services(request)
    now = services.clock()
    return MayRun(go_on=await start_command(services.pool, agent.actor, command_id, now, body.percent, body.message))


@router.post("/{agent_id}/commands/{command_id}/result", responses=conflicts(CommandNotDeliveredError))
async def take_result(request: Request, agent: CurrentAgent, command_id: CommandId, body: CommandResult) -> Recorded:
    """Report the result of a command. A repeated report changes nothing."""
    services = get_services(request)
    recorded = await finish_command(services.pool, agent.actor, command_id, body.result(), services.clock())
    return Recorded(recorded=recorded)
