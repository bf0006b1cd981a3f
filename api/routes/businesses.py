"""Businesses and their sites, for filters and registration."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.auth import CurrentPerson, MayEditRules
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.local_times import TimeZone
from api.fields.text import StorableText
from api.services import get_services
from devices.directory import list_businesses, list_sites, list_time_zones, set_time_zone

router = APIRouter(prefix="/api/businesses", tags=["businesses"])

BusinessId = Annotated[UUID, Path(description="id of the business")]


class ListedBusiness(BaseModel):
    """A business and how many devices it has."""

    id: UUID
    business_name: str
    devices: int


class BusinessList(BaseModel):
    """A page of businesses in the order of their names."""

    businesses: list[ListedBusiness]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class Site(BaseModel):
    """A site of a business with its number of devices."""

    id: UUID
    location_name: str | None
    is_headquarters: bool
    devices: int


class SiteList(BaseModel):
    """The sites of a business, headquarters first; at most 1,000."""

    locations: list[Site]


class PlaceZone(BaseModel):
    """The time zone of a business, or of one of its sites."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"time_zone": "Europe/Berlin"}]})

    time_zone: TimeZone | None = Field(description="of the IANA database; null removes it")
    service_location_id: UUID | None = Field(None, description="a site of the business; null: the whole business")


class ZoneList(BaseModel):
    """The zones that are set; a site without one has that of its business."""

    time_zones: list[PlaceZone]


@router.get("")
async def read_businesses(
    request: Request,
    person: CurrentPerson,
    search: Annotated[
        StorableText | None, Query(min_length=1, max_length=100, description="only those with this text in the name")
    ] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> BusinessList:
    """List the businesses that the caller may see: a customer's own, for an employee all."""
    after = read_cursor(cursor, str, UUID)
    rows = await list_businesses(get_services(request).pool, person.tenant, search, after, limit + 1)
    page, more = make_page(rows, limit, "business_name", "id")
    return BusinessList(businesses=[ListedBusiness(**row) for row in page], next_cursor=more)


@router.get("/{business_id}/locations")
async def read_locations(request: Request, person: CurrentPerson, business_id: BusinessId) -> SiteList:
    """List the sites of a business; a customer gets 404 for another business's."""
    rows = await list_sites(get_services(request).pool, person.tenant, business_id)
    return SiteList(locations=[Site(**row) for row in rows])


@router.get("/{business_id}/time-zone")
async def read_time_zones(request: Request, person: CurrentPerson, business_id: BusinessId) -> ZoneList:
    """Read the zones of a business and its sites; a customer gets 404 for another business's."""
    rows = await list_time_zones(get_services(request).pool, person.tenant, business_id)
    return ZoneList(time_zones=[PlaceZone(**row) for row in rows])


@router.put("/{business_id}/time-zone")
async def put_time_zone(request: Request, employee: MayEditRules, business_id: BusinessId, body: PlaceZone) -> ZoneList:
    """Set the time zone of a business or site for baselines by hour of the week; rules use it within an hour."""
    services = get_services(request)
    place = business_id, body.service_location_id
    await set_time_zone(services.pool, *place, body.time_zone, employee.actor, services.clock())
    rows = await list_time_zones(services.pool, None, business_id)
    return ZoneList(time_zones=[PlaceZone(**row) for row in rows])
