"""Routes of commands for people: employees create, approve and cancel; customers read those of their devices."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from fastapi import APIRouter, Path, Query, Request

from api.auth import CurrentPerson, MayApprove, MayOrder, calling_person
from api.errors import conflicts
from api.fields.choices import parse_choices
from api.fields.cursors import make_page, read_cursor
from api.fields.times import parse_time
from api.schemas.agents import AgentId
from api.schemas.commands import (
    MAX_DEVICES,
    Batch,
    BatchChange,
    BatchOrder,
    Cancellation,
    Command,
    CommandList,
    CommandOrder,
    NotCreated,
    Status,
)
from api.services import Services, get_services
from auth.tokens import Person
from commands.errors import (
    CommandEndedError,
    CommandTypeRefusedError,
    NotAwaitingApprovalError,
    TooManyCommandsError,
)
from commands.orders import (
    ApprovalRule,
    Changed,
    CommandFilter,
    NewCommand,
    approve_batch,
    approve_command,
    cancel_batch,
    cancel_command,
    create_command,
    create_commands,
    full_devices,
    read_command,
    read_commands,
)
from devices.devices import visible_devices
from devices.errors import AgentInactiveError
from devices.event_log import check_known

router = APIRouter(prefix="/api/agents", tags=["commands"])

CommandId = Annotated[UUID, Path(description="command_id")]
BatchId = Annotated[UUID, Path(description="batch_id, from POST /api/agents/commands")]


@router.post("/commands", status_code=201)
async def order_many(request: Request, employee: MayOrder, body: BatchOrder) -> Batch:
    """Order the same command for several devices. Above a number of devices (10) a second employee must approve."""
    services = get_services(request)
    devices = list(dict.fromkeys(body.agent_ids))
    batch_id, now = uuid4(), services.clock()
    order = to_new_command(body, services)
    created = await create_commands(
        services.pool, devices, order, employee.actor, approval_rule(services), now, batch_id
    )
    skipped = await explain_skipped(services, [device for device in devices if device not in created])
    rows = await read_commands(services.pool, None, CommandFilter(batch_id=batch_id), MAX_DEVICES, now)
    return Batch(
        batch_id=batch_id,
        commands=[to_command(dict(row), "outputs" in employee.rights) for row in rows],
        not_created=skipped,
    )


@router.get("/commands")
async def list_commands(
    request: Request,
    person: CurrentPerson,
    agent_id: Annotated[UUID | None, Query(description="only this device's")] = None,
    batch_id: Annotated[UUID | None, Query(description="only those of this batch")] = None,
    status: Annotated[
        str | None, Query(description="comma-separated statuses", examples=["pending,sent"], max_length=100)
    ] = None,
    awaits_approval: Annotated[bool, Query(description="only those that wait for a second employee")] = False,
    limit: Annotated[int, Query(ge=1, le=1000, description="commands on a page")] = 100,
    cursor: Annotated[str | None, Query(max_length=2000, description="next_cursor of the previous page")] = None,
) -> CommandList:
    """List the commands of the devices that the caller may see, newest first."""
    after = read_cursor(cursor, parse_time, UUID)
    filters = CommandFilter(agent_id, None, batch_id, parse_choices(status, Status), awaits_approval, after)
    return await read_page(request, get_services(request), person, filters, limit)


@router.post("/commands/batches/{batch_id}/approve")
async def approve_many(request: Request, employee: MayApprove, batch_id: BatchId) -> BatchChange:
    """Approve a batch as its second employee: its requester cannot."""
    services = get_services(request)
    return to_batch_change(await approve_batch(services.pool, batch_id, employee.actor, services.clock()))


@router.post("/commands/batches/{batch_id}/cancel")
async def cancel_many(
    request: Request, employee: MayOrder, batch_id: BatchId, body: Cancellation | None = None
) -> BatchChange:
    """Cancel the open commands of a batch."""
    services = get_services(request)
    reason = body.reason if body else None
    return to_batch_change(await cancel_batch(services.pool, batch_id, employee.actor, reason, services.clock()))


@router.post("/{agent_id}/commands", status_code=201, responses=conflicts(AgentInactiveError, TooManyCommandsError))
async def order_one(request: Request, employee: MayOrder, agent_id: AgentId, body: CommandOrder) -> Command:
    """Order a command for a device; it waits until the agent fetches it, or expires."""
    services = get_services(request)
    now = services.clock()
    order = to_new_command(body, services)
    command_id = await create_command(services.pool, agent_id, order, employee.actor, approval_rule(services), now)
    return to_command(
        dict(await read_command(services.pool, None, agent_id, command_id, now)), "outputs" in employee.rights
    )


@router.get("/{agent_id}/commands/history")
async def read_history_of_commands(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    limit: Annotated[int, Query(ge=1, le=1000, description="commands on a page")] = 100,
    cursor: Annotated[str | None, Query(max_length=2000, description="next_cursor of the previous page")] = None,
) -> CommandList:
    """List a device's commands, newest first; a customer gets 404 for another business's device."""
    services = get_services(request)
    await check_known(services.pool, person.tenant, agent_id, deleted_too=False)
    after = read_cursor(cursor, parse_time, UUID)
    return await read_page(request, services, person, CommandFilter(agent_id, after=after), limit)


@router.get("/{agent_id}/commands/{command_id}")
async def read_one(request: Request, person: CurrentPerson, agent_id: AgentId, command_id: CommandId) -> Command:
    """Read one command from the database, the source of truth for messages of the live channel."""
    services = get_services(request)
    row = await read_command(services.pool, person.tenant, agent_id, command_id, services.clock())
    if may_read_outputs(services, person) and holds_secrets(row):
        await services.reads.note(calling_person(request, person), "outputs_read", agent_id, command_id=command_id)
    return to_command(dict(row), may_read_outputs(services, person))


@router.post("/{agent_id}/commands/{command_id}/approve", responses=conflicts(NotAwaitingApprovalError))
async def approve_one(request: Request, employee: MayApprove, agent_id: AgentId, command_id: CommandId) -> Command:
    """Approve a command as its second employee: its requester cannot."""
    services = get_services(request)
    now = services.clock()
    await approve_command(services.pool, agent_id, command_id, employee.actor, now)
    return to_command(
        dict(await read_command(services.pool, None, agent_id, command_id, now)), "outputs" in employee.rights
    )


@router.post("/{agent_id}/commands/{command_id}/cancel", responses=conflicts(CommandEndedError))
async def cancel_one(
    request: Request,
    employee: MayOrder,
    agent_id: AgentId,
    command_id: CommandId,
    body: Cancellation | None = None,
) -> Command:
    """Cancel a command: at once while it waits; the agent is asked to stop a started one."""
    services = get_services(request)
    now = services.clock()
    reason = body.reason if body else None
    await cancel_command(services.pool, agent_id, command_id, employee.actor, reason, now)
    return to_command(
        dict(await read_command(services.pool, None, agent_id, command_id, now)), "outputs" in employee.rights
    )


def to_new_command(body: CommandOrder, services: Services) -> NewCommand:
    """Return the new command of an order; raises CommandTypeRefusedError."""
    need = services.settings.commands.need_of(body.command_type)
    if need == "refused":
        raise CommandTypeRefusedError
    needed = body.approval_required or need == "approval"
    return NewCommand(
        body.command_type, body.params, body.timeout_seconds, timedelta(hours=body.expires_in_hours), needed
    )


async def explain_skipped(services: Services, devices: list[UUID]) -> list[NotCreated]:
    """Return why these devices got no command."""
    visible = await visible_devices(services.pool, None, devices)
    full = await full_devices(services.pool, devices, approval_rule(services)) if devices else set()
    return [
        NotCreated(
            agent_id=device,
            code="agent_not_found"
            if device not in visible
            else "too_many_commands"
            if device in full
            else "agent_inactive",
        )
        for device in devices
    ]


def approval_rule(services: Services) -> ApprovalRule:
    """Return the limits of this server above which a second employee must approve."""
    settings = services.settings
    return ApprovalRule(
        settings.approval_above_devices,
        timedelta(minutes=settings.approval_window_minutes),
        settings.device_pending_commands,
    )


def may_read_outputs(services: Services, person: Person) -> bool:
    """Return whether a person may see the parameters and outputs of commands: employees with the right `outputs`."""
    return person.employee_id is not None and "outputs" in services.roles.of(person.role)


def holds_secrets(row: asyncpg.Record) -> bool:
    """Return whether a command has parameters or outputs: scripts and their output may contain passwords."""
    return row["command_params"] != "{}" or row["stdout"] is not None or row["stderr"] is not None


async def read_page(
    request: Request, services: Services, person: Person, filters: CommandFilter, limit: int
) -> CommandList:
    """Return one page of commands, without the fields that the caller may not see."""
    rows = await read_commands(services.pool, person.tenant, filters, limit + 1, services.clock())
    if may_read_outputs(services, person) and any(map(holds_secrets, rows)):
        await services.reads.note(calling_person(request, person), "commands_read", filters.device_id)
    page, more = make_page(rows, limit, "created_at", "id")
    return CommandList(
        commands=[to_command(dict(row), may_read_outputs(services, person)) for row in page], next_cursor=more
    )


def to_command(row: dict[str, Any], to_employee: bool) -> Command:
    """Return a command's row as the model of the API."""
    params = msgspec.json.decode(row.pop("command_params"))
    command = Command(command_id=row.pop("id"), agent_id=row.pop("agent_device_id"), params=params, **row)
    if to_employee:
        return command
    hidden = (
        "params",
        "stdout",
        "stderr",
        "error_message",
        "requested_by",
        "requested_by_name",
        "approved_by",
        "approved_by_name",
    )
    return command.model_copy(update=dict.fromkeys(hidden))


def to_batch_change(changed: Changed) -> BatchChange:
    """Return the outcome of a batch as the model of the API."""
    return BatchChange(changed=changed.changed, unchanged=changed.unchanged)
