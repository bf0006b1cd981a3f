"""Models of the messages by which an agent fetches, starts and ends commands."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.fields.text import StorableText
from api.fields.times import DeviceTime
from commands.delivery import CommandOutcome

UNSIGNED, SIGNED = 2**32, 2**31


def as_signed(code: int) -> int:
    """Return an exit code as a signed 32-bit integer: Windows has unsigned ones (0xC0000005)."""
    return code - UNSIGNED if code >= SIGNED else code


class LeasedCommand(BaseModel):
    """A command that is leased to this agent."""

    command_id: UUID
    command_type: str
    params: dict[str, Any]
    timeout_seconds: int


class LeasedCommands(BaseModel):
    """The commands to run, oldest first, and those to stop."""

    commands: list[LeasedCommand]
    cancel_commands: list[UUID] = Field(description="commands fetched earlier that should be stopped")


class Progress(BaseModel):
    """The progress of a command."""

    percent: float | None = Field(None, ge=0, le=100)
    message: Annotated[StorableText, StringConstraints(max_length=500)] | None = None


class CommandResult(BaseModel):
    """The result of a command. Of long outputs the first 16 KiB and the last 48 KiB are kept, and the cut is noted."""

    status: Literal["completed", "failed", "timeout", "cancelled"]
    exit_code: Annotated[int, Field(ge=-SIGNED, lt=UNSIGNED), AfterValidator(as_signed)] | None = None
    stdout: str | None = None
    stderr: str | None = None
    error_message: Annotated[StorableText, StringConstraints(max_length=2000)] | None = None
    started_at: DeviceTime = Field(None, description="by the device's clock")
    completed_at: DeviceTime = Field(None, description="by the device's clock")

    def result(self) -> CommandOutcome:
        return CommandOutcome(**self.model_dump(include=set(CommandResult.model_fields)))
