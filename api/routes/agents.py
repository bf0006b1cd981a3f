"""Devices as people and agents see them: list, one device, heartbeat, revoke."""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, get_args
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from agents.devices import Beat, DeviceFilter, get_device, heartbeat, list_devices, revoke_token
from api.auth import CurrentPerson, SignedAgent, current_employee
from api.routes.registration import AgentConfig, config_of
from api.services import services_of
from api.text import StorableText, storable
from db.errors import RtsError

router = APIRouter(prefix="/api/agents", tags=["agents"])

Status = Literal["online", "warning", "offline", "error", "disabled"]
STATUSES = get_args(Status)
AgentId = Annotated[UUID, Path(description="agent_id of the device, from /register")]


class InvalidFilterError(RtsError):
    """`status` is a comma-separated list of online, warning, offline, error, disabled."""

    code: ClassVar[str] = "invalid_filter"
    status: ClassVar[int] = 422


class InvalidCursorError(RtsError):
    """`cursor` must be the next_cursor of the page before, unchanged."""

    code: ClassVar[str] = "invalid_cursor"
    status: ClassVar[int] = 422


class Business(BaseModel):
    """The customer that a device belongs to."""

    id: UUID
    business_name: str


class Location(BaseModel):
    """The site that a device stands at."""

    id: UUID
    location_name: str | None


class ListedAgent(BaseModel):
    """A device in a list; percentages are those of its newest sample, null when not measured."""

    id: UUID
    device_name: str
    business: Business
    service_location: Location | None
    status: Status
    last_heartbeat: datetime | None
    last_metrics_received: datetime | None
    os_type: str | None
    device_type: str | None
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None


class AgentList(BaseModel):
    """A page of devices in the order of their names."""

    agents: list[ListedAgent]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class MonitoredService(BaseModel):
    """The newest known state of a service."""

    name: str
    status: Literal["running", "stopped", "starting", "error"]
    pid: int | None
    last_checked: datetime
    last_state_change: datetime
    restart_count: int


class AgentDetail(BaseModel):
    """A device with everything that its page shows. Sizes in gigabytes, intervals in seconds, times in UTC."""

    id: UUID
    device_name: str
    device_type: str | None
    business: Business
    service_location: Location | None
    status: Status
    hostname: str | None
    os_type: str | None
    os_version: str | None
    os_architecture: str | None
    agent_version: str | None
    agent_last_updated: datetime | None
    last_heartbeat: datetime | None
    last_metrics_received: datetime | None
    cpu_model: str | None
    total_memory_gb: float | None
    total_disk_gb: float | None
    ip_address: str | None
    mac_address: str | None
    monitoring_enabled: bool
    alerts_enabled: bool
    auto_remediation_enabled: bool
    metrics_interval_seconds: int
    is_active: bool
    created_at: datetime
    current_metrics: dict[str, Any] = Field(description="the newest sample and its collected_at; {} before the first")
    active_alerts: int
    monitored_services: list[MonitoredService]


@router.get("")
@router.get("/", include_in_schema=False)
async def list_agents(
    request: Request,
    person: CurrentPerson,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    status: Annotated[
        str | None, Query(description="comma-separated statuses", examples=["online,offline"], max_length=100)
    ] = None,
    service_location_id: Annotated[UUID | None, Query(description="only those at this site")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="devices on a page")] = 500,
    cursor: Annotated[str | None, Query(max_length=2000, description="next_cursor of the page before")] = None,
) -> AgentList:
    """List the devices that the caller may see: a customer's own, for an employee all."""
    wanted = DeviceFilter(business_id, statuses_of(status), service_location_id, read_cursor(cursor))
    rows = await list_devices(services_of(request).pool, person.tenant, wanted, limit + 1)
    page = [ListedAgent(**nested(dict(row))) for row in rows[:limit]]
    more = len(rows) > limit
    return AgentList(agents=page, next_cursor=make_cursor(page[-1]) if more else None)


@router.get("/{agent_id}")
async def read_agent(request: Request, person: CurrentPerson, agent_id: AgentId) -> AgentDetail:
    """Read one device; a customer gets 404 for another business's."""
    row = await get_device(services_of(request).pool, person.tenant, agent_id)
    device = nested(dict(row))
    sample = msgspec.json.decode(device["current_metrics"] or "{}")
    if sample:
        sample = {"collected_at": device["current_collected_at"], **sample}
    services = msgspec.json.decode(device["monitored_services"])
    return AgentDetail(**device | {"current_metrics": sample, "monitored_services": services})


class Heartbeat(BaseModel):
    """A sign of life; `timestamp` is the device's clock."""

    timestamp: AwareDatetime = Field(examples=["2026-05-03T14:05:00Z"])
    status: Literal["online", "warning", "error"] = "online"
    agent_version: Annotated[StorableText, StringConstraints(max_length=64)] | None = None


class HeartbeatAnswer(BaseModel):
    """What the agent has to know now."""

    config_updated: bool = Field(description="`config` has changed since the last heartbeat")
    config: AgentConfig
    pending_commands: int = Field(description="how many commands GET /{agent_id}/commands would hand out now")
    cancel_commands: list[UUID] = Field(description="commands that the agent has begun and should stop")
    rotate_token: bool = Field(description="ask for a new token with POST /{agent_id}/token/rotate")
    clock_offset_seconds: float = Field(description="the device's clock minus the server's")


@router.post("/{agent_id}/heartbeat")
async def take_heartbeat(request: Request, agent: SignedAgent, body: Heartbeat) -> HeartbeatAnswer:
    """Note that a device is alive and tell it what waits for it."""
    services = services_of(request)
    now = services.clock()
    overlap = timedelta(seconds=services.settings.token_overlap_seconds)
    row = await heartbeat(services.pool, agent, Beat(body.status, body.agent_version), now, overlap)
    services.limits.learn(agent.agent_id, row["business_id"])
    return HeartbeatAnswer(
        config_updated=row["config_updated"],
        config=config_of(services.settings, row["metrics_interval_seconds"]),
        pending_commands=row["pending_commands"],
        cancel_commands=row["cancel_commands"],
        rotate_token=row["rotate_token"],
        clock_offset_seconds=round((body.timestamp - now).total_seconds(), 3),
    )


@router.delete("/{agent_id}/token", status_code=204, dependencies=[Depends(current_employee)])
async def revoke_agent_token(request: Request, agent_id: AgentId) -> Response:
    """Revoke a device's token: its uploads and heartbeats are refused with 401 from now on."""
    services = services_of(request)
    await revoke_token(services.pool, None, agent_id, services.clock())
    return Response(status_code=204)


def nested(row: dict[str, Any]) -> dict[str, Any]:
    """Put a flat row's business and location into objects of their own."""
    location_id = row.pop("service_location_id")
    location = {"id": location_id, "location_name": row.pop("location_name")} if location_id else None
    business = {"id": row.pop("business_id"), "business_name": row.pop("business_name")}
    return row | {"business": business, "service_location": location}


def statuses_of(text: str | None) -> list[str] | None:
    """Return the statuses of a comma-separated list; raises InvalidFilterError."""
    if text is None:
        return None
    statuses = [part.strip() for part in text.split(",")]
    if not set(statuses) <= set(STATUSES):
        raise InvalidFilterError
    return statuses


def make_cursor(last: ListedAgent) -> str:
    """Return a cursor that begins after `last`."""
    return base64.urlsafe_b64encode(json.dumps([last.device_name, str(last.id)]).encode()).decode()


def read_cursor(cursor: str | None) -> tuple[str, UUID] | None:
    """Return the name and id that a cursor holds; raises InvalidCursorError."""
    if cursor is None:
        return None
    try:
        name, device_id = json.loads(base64.urlsafe_b64decode(cursor))
        if not isinstance(name, str):
            raise InvalidCursorError
        return storable(name), UUID(device_id)
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise InvalidCursorError from error
