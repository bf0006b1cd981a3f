"""Devices as people see them: list and detail."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from agents.devices import DeviceFilter, get_device, list_devices
from api.auth import CurrentPerson
from api.choices import choices_of
from api.cursors import make_cursor, read_cursor
from api.services import Services, services_of
from api.text import StorableText

router = APIRouter(prefix="/api/agents", tags=["agents"])

Status = Literal["online", "warning", "offline", "error", "disabled"]
STATUSES = get_args(Status)
AgentId = Annotated[UUID, Path(description="agent_id of the device, from /register")]


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
    """The newest known state of a service, and what is expected of it. Times in UTC."""

    id: UUID
    name: str
    status: Literal["running", "stopped", "starting", "error"]
    pid: int | None
    should_be_running: bool
    auto_restart: bool
    last_checked: datetime = Field(description="time of the sample that said so")
    last_state_change: datetime
    restart_count: int = Field(description="how often it came back after a stop, or under another pid")
    state_changes: int = Field(description="how often its status was another than in the sample before")


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
    is_active: bool = Field(description="false: deactivated or decommissioned, its calls are refused")
    created_at: datetime
    enrolled_at: datetime | None = Field(description="its first heartbeat; null before")
    status_changed_at: datetime | None
    clone_suspected_at: datetime | None = Field(description="since when two devices seem to share its token")
    decommissioned_at: datetime | None
    decommission_reason: str | None
    rotation_requested_at: datetime | None = Field(description="since when its agent is asked for a new token")
    token_state: Literal["active", "revoked"] = Field(description="revoked: it needs a registration token for itself")
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
    search: Annotated[
        StorableText | None,
        Query(min_length=1, max_length=100, description="only those with this text in name or hostname, in any case"),
    ] = None,
    clone_suspected: Annotated[
        bool | None, Query(description="only those whose token two devices seem to use (true), or don't (false)")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="devices on a page")] = 500,
    cursor: Annotated[str | None, Query(max_length=2000, description="next_cursor of the page before")] = None,
) -> AgentList:
    """List the devices that the caller may see: a customer's own, for an employee all."""
    after = read_cursor(cursor, str, UUID)
    wanted = DeviceFilter(business_id, choices_of(status, Status), service_location_id, search, clone_suspected, after)
    rows = await list_devices(services_of(request).pool, person.tenant, wanted, limit + 1)
    page = [ListedAgent(**nested(dict(row))) for row in rows[:limit]]
    more = len(rows) > limit
    return AgentList(agents=page, next_cursor=make_cursor(page[-1].device_name, page[-1].id) if more else None)


@router.get("/{agent_id}")
async def read_agent(request: Request, person: CurrentPerson, agent_id: AgentId) -> AgentDetail:
    """Read one device; a customer gets 404 for another business's."""
    return await detail_of(services_of(request), person.tenant, agent_id)


async def detail_of(services: Services, tenant: UUID | None, device_id: UUID) -> AgentDetail:
    """Return a device as its page shows it; raises AgentNotFoundError."""
    device = nested(dict(await get_device(services.pool, tenant, device_id)))
    sample = msgspec.json.decode(device["current_metrics"] or "{}")
    if sample:
        sample = {"collected_at": device["current_collected_at"], **sample}
    monitored = msgspec.json.decode(device["monitored_services"])
    return AgentDetail(**device | {"current_metrics": sample, "monitored_services": monitored})


def nested(row: dict[str, Any]) -> dict[str, Any]:
    """Put a flat row's business and location into objects of their own."""
    location_id = row.pop("service_location_id")
    location = {"id": location_id, "location_name": row.pop("location_name")} if location_id else None
    business = {"id": row.pop("business_id"), "business_name": row.pop("business_name")}
    return row | {"business": business, "service_location": location}
