"""Commands as their agent meets them: fetch, begin, say how far it is, end."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from agents.command_delivery import (
    Result,
    finish_command,
    handed_out,
    lease_commands,
    list_cancellations,
    start_command,
)
from agents.errors import CommandEndedError, CommandNotDeliveredError
from api.auth import CurrentAgent
from api.errors import conflicts
from api.services import services_of
from api.text import StorableText
from api.times import Time

router = APIRouter(prefix="/api/agents", tags=["commands of the agent"])

CommandId = Annotated[UUID, Path(description="command_id, as it was handed out")]
UNSIGNED, SIGNED = 2**32, 2**31


def as_signed(code: int) -> int:
    """Return an exit code as PostgreSQL's integer holds it: Windows has unsigned ones (0xC0000005)."""
    return code - UNSIGNED if code >= SIGNED else code


class LeasedCommand(BaseModel):
    """A command that is now this agent's to run."""

    command_id: UUID
    command_type: str
    params: dict[str, Any]
    timeout_seconds: int


class LeasedCommands(BaseModel):
    """What to run, oldest first, and what to stop."""

    commands: list[LeasedCommand]
    cancel_commands: list[UUID] = Field(description="commands fetched before that should be stopped")


class Progress(BaseModel):
    """How far a command is."""

    percent: float | None = Field(None, ge=0, le=100)
    message: Annotated[StorableText, StringConstraints(max_length=500)] | None = None


class MayRun(BaseModel):
    """Whether to go on."""

    go_on: bool = Field(description="false: stop it and send its result, it is to be cancelled")


class CommandResult(BaseModel):
    """How a command ended. Of long outputs the first 16 KiB and the last 48 KiB are kept, and the cut is noted."""

    status: Literal["completed", "failed", "timeout", "cancelled"]
    exit_code: Annotated[int, Field(ge=-SIGNED, lt=UNSIGNED), AfterValidator(as_signed)] | None = None
    stdout: str | None = None
    stderr: str | None = None
    error_message: Annotated[StorableText, StringConstraints(max_length=2000)] | None = None
    started_at: Time | None = Field(None, description="by the device's clock")
    completed_at: Time | None = Field(None, description="by the device's clock")

    def result(self) -> Result:
        """Return the same for the registry."""
        return Result(**self.model_dump(include=set(CommandResult.model_fields)))


class Recorded(BaseModel):
    """What the server did with a result."""

    recorded: bool = Field(description="false: there was a result already, which stays; don't send it again")


@router.get("/{agent_id}/commands")
async def fetch_commands(request: Request, agent: CurrentAgent) -> LeasedCommands:
    """Fetch what waits. What is handed out isn't handed out again before its lease ends (time-out and 60 s)."""
    services = services_of(request)
    rows = await lease_commands(services.pool, [agent.agent_id], services.clock(), "poll")
    stop = await list_cancellations(services.pool, [agent.agent_id])
    return LeasedCommands(
        commands=[LeasedCommand(**handed_out(row)) for row in rows], cancel_commands=[row["id"] for row in stop]
    )


@router.post(
    "/{agent_id}/commands/{command_id}/started", responses=conflicts(CommandNotDeliveredError, CommandEndedError)
)
async def begin_command(request: Request, agent: CurrentAgent, command_id: CommandId) -> MayRun:
    """Say that a command begins. 409 means: don't run it, it has ended or is cancelled."""
    services = services_of(request)
    return MayRun(go_on=await start_command(services.pool, agent.actor, command_id, services.clock()))


@router.post(
    "/{agent_id}/commands/{command_id}/progress", responses=conflicts(CommandNotDeliveredError, CommandEndedError)
)
async def tell_progress(request: Request, agent: CurrentAgent, command_id: CommandId, body: Progress) -> MayRun:
    """Say how far a command is; implies that it has begun."""
    services = services_of(request)
    now = services.clock()
    return MayRun(go_on=await start_command(services.pool, agent.actor, command_id, now, body.percent, body.message))


@router.post("/{agent_id}/commands/{command_id}/result", responses=conflicts(CommandNotDeliveredError))
async def take_result(request: Request, agent: CurrentAgent, command_id: CommandId, body: CommandResult) -> Recorded:
    """Say how a command ended. Sent again after a lost answer, it changes nothing."""
    services = services_of(request)
    recorded = await finish_command(services.pool, agent.actor, command_id, body.result(), services.clock())
    return Recorded(recorded=recorded)
