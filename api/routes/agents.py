"""Routes for people: the list of devices, and one device in detail."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.auth import CurrentPerson
from api.errors import InvalidRequestError
from api.fields.choices import parse_choices
from api.fields.cursors import make_page, read_cursor
from api.fields.text import StorableText
from api.fields.times import Time
from api.schemas.agents import (
    AgentColumns,
    AgentDetail,
    AgentId,
    AgentList,
    DeviceType,
    ListedAgent,
    OsType,
    Status,
)
from api.services import Services, get_services
from core.newest_values import newest_values
from devices.devices import COLUMNS, DeviceFilter, count_devices, get_device, list_devices

router = APIRouter(prefix="/api/agents", tags=["agents"])

MAX_OBJECTS = 1000  # on a page; more take long to validate


@router.get("", response_model=AgentList | AgentColumns)
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
        bool | None, Query(description="only those whose token two devices seem to use (true), or do not (false)")
    ] = None,
    os_type: Annotated[
        str | None, Query(description="comma-separated operating systems", examples=["windows,linux"], max_length=100)
    ] = None,
    device_type: Annotated[
        str | None, Query(description="comma-separated types of device", examples=["server,vm"], max_length=100)
    ] = None,
    changed_since: Annotated[
        Time | None,
        Query(
            description="only those that made contact, or whose status, settings or alerts changed, from then on. A "
            "deleted device is not reported: read the whole list from time to time"
        ),
    ] = None,
    sort: Annotated[Literal["name"], Query(description="the order")] = "name",
    form: Annotated[
        Literal["rows", "columns"], Query(alias="format", description="objects, or rows of values")
    ] = "rows",
    limit: Annotated[int, Query(ge=1, le=5000, description="devices on a page; of objects at most 1,000")] = 500,
    cursor: Annotated[str | None, Query(max_length=2000, description="next_cursor of the previous page")] = None,
) -> Any:
    """List the devices that the caller may see: a customer's own, for an employee all."""
    del sort  # there is one
    services = get_services(request)
    filters = DeviceFilter(
        business_id, parse_choices(status, Status), service_location_id, search, clone_suspected,
        parse_choices(os_type, OsType), parse_choices(device_type, DeviceType), changed_since,
        read_cursor(cursor, str, UUID),
    )  # fmt: skip
    now = services.clock()
    if form == "rows" and limit > MAX_OBJECTS:
        raise InvalidRequestError(details=[{"path": "query.limit", "message": "at most 1,000 with format=rows"}])
    rows = await list_devices(services.pool, person.tenant, filters, limit + 1, now)
    page, more = make_page(rows, limit, "device_name", "id")
    if form == "rows":
        agents = [listed(msgspec.json.decode(row["cells"])) for row in page]
        return AgentList(agents=agents, next_cursor=more, as_of=now)
    total = None if cursor else await count_devices(services.pool, person.tenant, filters)
    return as_columns([row["cells"] for row in page], more, now, total)


def listed(cells: list[Any]) -> ListedAgent:
    """Return a row of values as an object."""
    row = dict(zip(COLUMNS, cells, strict=True))
    return ListedAgent(**nested(row | {"service_location_id": row.pop("location_id")}))


def as_columns(rows: Sequence[str], next_cursor: str | None, now: datetime, total: int | None) -> Response:
    """Return the answer in columns, composed from rows that are JSON already."""
    ends = {"next_cursor": next_cursor, "as_of": now, "total": total}
    head = b'{"columns":%s,"rows":[' % msgspec.json.encode(COLUMNS)
    body = head + ",".join(rows).encode() + b"]," + msgspec.json.encode(ends)[1:]
    return Response(body, media_type="application/json")


@router.get("/{agent_id}")
async def read_agent(request: Request, person: CurrentPerson, agent_id: AgentId) -> AgentDetail:
    """Read one device; a customer gets 404 for another business's."""
    return await read_detail(get_services(request), person.tenant, agent_id)


async def read_detail(services: Services, tenant: UUID | None, device_id: UUID) -> AgentDetail:
    """Return the detail of a device, for customers without employees' remarks; raises AgentNotFoundError."""
    device = nested(dict(await get_device(services.pool, tenant, device_id)))
    if tenant is not None:
        device["decommission_reason"] = None
    sample: dict[str, Any] = dict(newest_values(device["current_metrics"]))
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
