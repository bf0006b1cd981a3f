"""Models of the routes of commands for people."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.fields.json_values import JsonObject
from api.fields.text import StorableText, Word

Status = Literal["pending", "sent", "executing", "completed", "failed", "timeout", "cancelled", "expired"]
MAX_DEVICES = 1000  # of one order


class CommandOrder(BaseModel):
    """An order of a command: its type, parameters, time-out and expiry."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"command_type": "restart_service", "params": {"service": "nginx"}}]}
    )

    command_type: Word = Field(examples=["collect_now"])
    params: JsonObject = Field(default_factory=dict, description="for the agent; at most 64 KiB as JSON")
    timeout_seconds: int = Field(300, ge=1, le=86_400, description="how long it may run on the device")
    expires_in_hours: float = Field(24, gt=0, le=720, description="how long it waits for a device that is away")
    approval_required: bool = Field(
        False, description="a second employee must approve; the server may require it even when this is false"
    )


class BatchOrder(CommandOrder):
    """An order of the same command for several devices."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"command_type": "collect_now", "agent_ids": ["0b7f3a52-6a55-4c1e-9d0a-2f6c1e8b7a10"]}]
        }
    )

    agent_ids: list[UUID] = Field(min_length=1, max_length=MAX_DEVICES, description="each counts once")


class Command(BaseModel):
    """A command and its state. Customers do not see its parameters, outputs and employees."""

    command_id: UUID
    agent_id: UUID
    device_name: str
    batch_id: UUID | None
    command_type: str
    status: Status
    awaits_approval: bool
    approval_required: bool
    created_at: datetime
    approved_at: datetime | None
    sent_at: datetime | None = Field(description="last handed to the agent")
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime = Field(description="not handed out any more from then on")
    cancel_requested_at: datetime | None
    timeout_seconds: int
    attempts: int = Field(description="how often it was handed to the agent")
    progress_percent: float | None
    progress_message: str | None
    exit_code: int | None
    params: dict[str, Any] | None
    stdout: str | None = Field(description="in lists null: read the command itself")
    stderr: str | None = Field(description="in lists null: read the command itself")
    stdout_cut: bool = Field(description="the output was longer: its middle is left out, with a note at that place")
    stderr_cut: bool
    error_message: str | None
    requested_by: UUID | None = Field(description="null: an employee who was deleted since")
    requested_by_name: str | None = Field(description="kept when the employee is deleted")
    approved_by: UUID | None
    approved_by_name: str | None


class CommandList(BaseModel):
    """A page of commands, newest first."""

    commands: list[Command]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class NotCreated(BaseModel):
    """A device that got no command, with the reason."""

    agent_id: UUID
    code: Literal["agent_not_found", "agent_inactive", "too_many_commands"]


class Batch(BaseModel):
    """The commands of one order to several devices."""

    batch_id: UUID
    commands: list[Command]
    not_created: list[NotCreated]


class BatchChange(BaseModel):
    """The outcome for the commands of a batch."""

    changed: list[UUID]
    unchanged: list[UUID] = Field(description="those that had ended, or needed no approval")


class Cancellation(BaseModel):
    """Why a command is cancelled."""

    reason: Annotated[StorableText, StringConstraints(max_length=500)] | None = None
