"""The lifecycle of a device, for employees: change, deactivate, decommission, delete, restore, move; token; trail."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.auth import MayAudit, MayDecommission, MayManage, MayRevoke
from api.errors import conflicts
from api.fields.text import Name, storable
from api.routes.agents import read_detail
from api.schemas.agents import AgentDetail, AgentId
from api.services import get_services
from devices.audit import read_audit
from devices.credentials import request_rotation, revoke_token
from devices.errors import DecommissionedError, NoAgentTokenError
from devices.event_log import check_known
from devices.lifecycle import (
    DeviceChange,
    activate,
    change_device,
    deactivate,
    decommission,
    delete_device,
    dismiss_clone,
    move_device,
    restore,
)

router = APIRouter(prefix="/api/agents", tags=["lifecycle"])


class DeviceChanges(BaseModel):
    """Changes of a device; absent fields stay. Only the site may be null: the device then has none."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"metrics_interval_seconds": 60}]})

    device_name: Name | None = None
    service_location_id: UUID | None = Field(None, description="a site of the device's business, or null")
    device_type: Literal["desktop", "server", "laptop", "vm"] | None = None
    metrics_interval_seconds: int | None = Field(None, ge=1, le=86_400, description="sent with the next heartbeat")
    monitoring_enabled: bool | None = None
    alerts_enabled: bool | None = None
    auto_remediation_enabled: bool | None = None
    hostname: Name | None = Field(None, description="until the agent sends another one")

    @model_validator(mode="after")
    def no_nulls(self) -> Self:
        """Raise ValueError if a field that cannot be empty is null."""
        nulls = {name for name in self.model_fields_set if getattr(self, name) is None} - {"service_location_id"}
        if nulls:
            raise ValueError(f"{', '.join(sorted(nulls))} cannot be null: leave it out to keep it")
        return self

    def change(self) -> DeviceChange:
        values = self.model_dump(exclude_unset=True)
        return DeviceChange(set_location="service_location_id" in values, **values)


class Decommissioning(BaseModel):
    """The reason for taking a device out of service."""

    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(storable)
    ] = Field(examples=["replaced by front-desk-2"])


class AuditEntry(BaseModel):
    """An entry of the audit trail: actor, action, time, and address of the call."""

    id: int
    at: datetime
    actor_kind: Literal["employee", "user", "agent", "system", "unknown"]
    actor_id: UUID | None = Field(description="employee, user or agent; null for the system")
    actor_name: str | None = Field(description="an employee's name now; null for others and for a deleted employee")
    source: str | None = Field(description="the address that the call came from")
    action: str = Field(examples=["device_deactivated"])
    command_id: UUID | None
    details: dict[str, Any]


class AuditTrail(BaseModel):
    """A page of the trail, newest first."""

    entries: list[AuditEntry]
    next_before: int | None = Field(description="pass as `before` for the next page; null on the last")


@router.patch("/{agent_id}")
async def change_agent(request: Request, employee: MayManage, agent_id: AgentId, body: DeviceChanges) -> AgentDetail:
    """Change name, site, type, interval or switches of a device."""
    services = get_services(request)
    await change_device(services.pool, agent_id, body.change(), employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.post("/{agent_id}/deactivate")
async def deactivate_agent(request: Request, employee: MayManage, agent_id: AgentId) -> AgentDetail:
    """Refuse a device's calls with 401 until it is activated again; its token stays."""
    services = get_services(request)
    await deactivate(services.pool, agent_id, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.post("/{agent_id}/activate", responses=conflicts(DecommissionedError))
async def activate_agent(request: Request, employee: MayManage, agent_id: AgentId) -> AgentDetail:
    """Accept a deactivated device's calls again; it is offline until its next call."""
    services = get_services(request)
    await activate(services.pool, agent_id, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.post("/{agent_id}/decommission")
async def decommission_agent(
    request: Request, employee: MayDecommission, agent_id: AgentId, body: Decommissioning
) -> AgentDetail:
    """Take a device out of service: its token is revoked, its open commands are cancelled, its history stays."""
    services = get_services(request)
    await decommission(services.pool, agent_id, body.reason, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


class Move(BaseModel):
    """The business, and perhaps the site, that a device moves to."""

    business_id: UUID
    service_location_id: UUID | None = Field(None, description="a site of that business, or null")


@router.post("/{agent_id}/move")
async def move_agent(request: Request, employee: MayDecommission, agent_id: AgentId, body: Move) -> AgentDetail:
    """Move a device to another business, which sees samples from now on; the past stays with the former owner."""
    services = get_services(request)
    to = body.business_id, body.service_location_id
    await move_device(services.pool, agent_id, *to, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.delete("/{agent_id}", status_code=204)
async def delete_agent(request: Request, employee: MayDecommission, agent_id: AgentId) -> Response:
    """Hide a device everywhere and refuse its calls; `restore` brings it back."""
    services = get_services(request)
    await delete_device(services.pool, agent_id, employee.actor, services.clock())
    return Response(status_code=204)


@router.post("/{agent_id}/restore")
async def restore_agent(request: Request, employee: MayManage, agent_id: AgentId) -> AgentDetail:
    """Bring back a deleted, lapsed or decommissioned device: active, offline until its next call.

    Where `token_state` is revoked, it needs a registration token for its agent_id.
    """
    services = get_services(request)
    await restore(services.pool, agent_id, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.post("/{agent_id}/token/rotation", responses=conflicts(NoAgentTokenError))
async def ask_for_rotation(request: Request, employee: MayRevoke, agent_id: AgentId) -> AgentDetail:
    """Request that the agent fetches a new token at its next heartbeat."""
    services = get_services(request)
    await request_rotation(services.pool, agent_id, employee.actor, services.clock())
    return await read_detail(services, None, agent_id)


@router.delete("/{agent_id}/token", status_code=204)
async def revoke_agent_token(request: Request, employee: MayRevoke, agent_id: AgentId) -> Response:
    """Revoke a device's tokens: its uploads and heartbeats are refused with 401 from now on."""
    services = get_services(request)
    await revoke_token(services.pool, agent_id, employee.actor, services.clock())
    return Response(status_code=204)


@router.delete("/{agent_id}/clone-suspicion", status_code=204)
async def dismiss_suspicion(request: Request, employee: MayManage, agent_id: AgentId) -> Response:
    """Clear the suspicion that the device is cloned. A new suspicion is reported again."""
    services = get_services(request)
    await dismiss_clone(services.pool, agent_id, employee.actor, services.clock())
    return Response(status_code=204)


@router.get("/{agent_id}/audit")
async def read_trail(
    request: Request,
    employee: MayAudit,
    agent_id: AgentId,
    limit: Annotated[int, Query(ge=1, le=1000, description="entries on a page")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="next_before of the previous page")] = None,
) -> AuditTrail:
    """Read the audit trail of a device and its commands, newest first, also of a deleted device.

    Reads of outputs and software are in the whole trail: `GET /api/admin/audit?agent_id=…`.
    """
    pool = get_services(request).pool
    await get_services(request).reads.note(employee.actor, "audit_read", agent_id=agent_id)
    rows = await read_audit(pool, agent_id, before, limit + 1)
    if not rows:
        await check_known(pool, None, agent_id, deleted_too=True)
    entries = [AuditEntry(**row | {"details": msgspec.json.decode(row["details"])}) for row in rows[:limit]]
    return AuditTrail(entries=entries, next_before=entries[-1].id if len(rows) > limit else None)
