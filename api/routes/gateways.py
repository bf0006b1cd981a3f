"""/api/agents/gateways: tokens for uploads of many hosts, and the device of each host. Employees only."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.auth import CurrentEmployee, MayRegister
from api.errors import conflicts
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.text import Name, storable
from api.fields.times import parse_time
from api.schemas.agents import Business, Location
from api.services import get_services
from db.pools import database_errors
from devices.errors import AgentHasTokenError, DeviceTakenError
from devices.gateways import (
    GatewayRequest,
    HostDecision,
    confirm_host,
    create_gateway,
    get_gateway,
    list_gateways,
    list_hosts,
    refuse_host,
    revoke_gateway,
)

router = APIRouter(prefix="/api/agents/gateways", tags=["gateways"])

GatewayId = Annotated[UUID, Path(description="id of the gateway")]
HostId = Annotated[UUID, Path(description="id of the host")]
HostState = Literal["waiting", "confirmed", "refused"]


class NewGateway(BaseModel):
    """The settings of a new gateway."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"business_id": "0b7f3a52-6a55-4c1e-9d0a-2f6c1e8b7a10", "name": "prometheus-1",
                 "enrolment": "automatic", "host_pattern": "web-*", "max_hosts": 50}
            ]
        }
    )  # fmt: skip

    business_id: UUID
    name: Name
    service_location_id: UUID | None = Field(None, description="a site of that business, for the devices that it makes")
    enrolment: Literal["confirm", "automatic"] = Field(
        "confirm", description="confirm: an employee decides on each new host; automatic: those that fit host_pattern"
    )
    host_pattern: Name = Field("*", description="with * and ?, in lower case; for automatic enrolment")
    max_hosts: int = Field(100, ge=1, le=5000, description="number of hosts that the gateway may upload")
    metrics_interval_seconds: int | None = Field(
        None, ge=1, le=86_400, description="how often each host sends a sample; default 300"
    )
    may_read: bool = Field(
        False, description="its token also reads the business's fleet (/api/fleet/metrics, remote read)"
    )


class Gateway(BaseModel):
    """A gateway without its token. Times in UTC."""

    id: UUID
    name: str
    business: Business
    service_location: Location | None
    enrolment: Literal["confirm", "automatic"]
    host_pattern: str
    max_hosts: int
    metrics_interval_seconds: int
    may_read: bool
    hosts: int = Field(description="hosts that it uploaded first")
    waiting: int = Field(description="of these, hosts that an employee must confirm or refuse")
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Return the model of a row; its token is not in the database."""
        values = dict(row)
        location_id, location_name = values.pop("service_location_id"), values.pop("location_name")
        location = Location(id=location_id, location_name=location_name) if location_id else None
        business = Business(id=values.pop("business_id"), business_name=values.pop("business_name"))
        return cls(name=values.pop("gateway_name"), business=business, service_location=location, **values)


class MadeGateway(BaseModel):
    """A new gateway and its token, which is shown once."""

    gateway: Gateway
    token: str = Field(examples=["rtsgw_eyJhbGciOiJIUzI1NiJ9…"])


class GatewayList(BaseModel):
    """A page of gateways, newest first."""

    gateways: list[Gateway]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class Host(BaseModel):
    """A host of a business by the name in its uploads, in lower case."""

    id: UUID
    host: str
    state: HostState
    first_seen_at: datetime
    confirmed_at: datetime | None
    gateway_id: UUID = Field(description="the gateway that uploaded it first")
    agent_id: UUID | None = Field(description="its device")
    device_name: str | None
    same_name_agent_id: UUID | None = Field(
        description="a device with this hostname; the waiting host may be the same machine"
    )


class HostList(BaseModel):
    """A page of hosts by name."""

    hosts: list[Host]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class Confirmation(BaseModel):
    """The device of a host; without `agent_id` a new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"device_name": "web-1"}]})

    agent_id: UUID | None = Field(None, description="a device of the same business")
    device_name: Name | None = Field(None, description="of a new device; default: the host's name")
    replace_agent: bool = Field(False, description="refuse the device's own agent from now on")


@router.post("", status_code=201)
async def new_gateway(request: Request, employee: MayRegister, body: NewGateway) -> MadeGateway:
    """Create a gateway of a business: its one token is for uploads of many hosts."""
    services = get_services(request)
    requested = GatewayRequest(
        body.business_id, body.service_location_id, body.name, body.enrolment, body.host_pattern.lower(),
        body.max_hosts, body.metrics_interval_seconds or services.settings.default_metrics_interval_seconds,
        body.may_read,
    )  # fmt: skip
    with database_errors():
        gateway_id, token = await create_gateway(
            services.pool, services.tokens, requested, employee.actor, services.clock()
        )
    return MadeGateway(gateway=Gateway.of(await get_gateway(services.pool, gateway_id)), token=token)


@router.get("")
async def read_gateways(
    request: Request,
    _employee: CurrentEmployee,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> GatewayList:
    """List gateways, newest first."""
    after = read_cursor(cursor, parse_time, UUID)
    rows = await list_gateways(
        get_services(request).pool, business_id, (after[0], after[1]) if after else None, limit + 1
    )
    page, next_cursor = make_page(rows, limit, "created_at", "id")
    return GatewayList(gateways=[Gateway.of(row) for row in page], next_cursor=next_cursor)


@router.get("/{gateway_id}")
async def read_gateway(request: Request, _employee: CurrentEmployee, gateway_id: GatewayId) -> Gateway:
    """Read one gateway, without its token."""
    return Gateway.of(await get_gateway(get_services(request).pool, gateway_id))


@router.post("/{gateway_id}/revoke")
async def revoke_a_gateway(request: Request, employee: MayRegister, gateway_id: GatewayId) -> Gateway:
    """Revoke a gateway's token; its hosts and devices stay, for another gateway of the business."""
    services = get_services(request)
    return Gateway.of(await revoke_gateway(services.pool, gateway_id, employee.actor, services.clock()))


@router.get("/{gateway_id}/hosts")
async def read_hosts(
    request: Request,
    _employee: CurrentEmployee,
    gateway_id: GatewayId,
    state: Annotated[HostState | None, Query(description="only those in this state")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> HostList:
    """List the hosts of the gateway's business by name."""
    after = read_cursor(cursor, storable)
    rows = await list_hosts(get_services(request).pool, gateway_id, state, after[0] if after else None, limit + 1)
    page, next_cursor = make_page(rows, limit, "host")
    return HostList(hosts=[Host(**dict(row)) for row in page], next_cursor=next_cursor)


@router.post("/{gateway_id}/hosts/{host_id}/confirm", responses=conflicts(DeviceTakenError, AgentHasTokenError))
async def confirm_a_host(
    request: Request, employee: MayRegister, gateway_id: GatewayId, host_id: HostId, body: Confirmation
) -> Host:
    """Map a host to a new device or to one of the business. A host with a device may get another one."""
    services = get_services(request)
    decision = HostDecision(body.agent_id, body.device_name, body.replace_agent)
    with database_errors():
        row = await confirm_host(services.pool, gateway_id, host_id, decision, employee.actor, services.clock())
    return Host(**dict(row))


@router.post("/{gateway_id}/hosts/{host_id}/refuse")
async def refuse_a_host(request: Request, employee: MayRegister, gateway_id: GatewayId, host_id: HostId) -> Host:
    """Ignore a host's samples from now on, without an error for the sender; its device stays."""
    services = get_services(request)
    row = await refuse_host(services.pool, gateway_id, host_id, employee.actor, services.clock())
    return Host(**dict(row))
