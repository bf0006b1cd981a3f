"""Devices as people see them: list and detail."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request

from api.auth import CurrentPerson
from api.fields.choices import choices_of
from api.fields.cursors import make_cursor, read_cursor
from api.fields.text import StorableText
from api.schemas.agents import AgentDetail, AgentId, AgentList, ListedAgent, Status
from api.services import Services, services_of
from devices.devices import DeviceFilter, get_device, list_devices

router = APIRouter(prefix="/api/agents", tags=["agents"])


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
