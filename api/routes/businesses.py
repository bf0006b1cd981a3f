"""Businesses and their sites, for filters and registration."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from api.auth import CurrentPerson
from api.fields.cursors import Cursor, Limit, page_of, read_cursor
from api.fields.text import StorableText
from api.services import services_of
from devices.directory import list_businesses, list_sites

router = APIRouter(prefix="/api/businesses", tags=["businesses"])


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
    """A site of a business and how many devices stand there."""

    id: UUID
    location_name: str | None
    is_headquarters: bool
    devices: int


class SiteList(BaseModel):
    """The sites of a business, headquarters first; at most 1,000."""

    locations: list[Site]


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
    rows = await list_businesses(services_of(request).pool, person.tenant, search, after, limit + 1)
    page, more = page_of(rows, limit, "business_name", "id")
    return BusinessList(businesses=[ListedBusiness(**row) for row in page], next_cursor=more)


@router.get("/{business_id}/locations")
async def read_locations(
    request: Request, person: CurrentPerson, business_id: Annotated[UUID, Path(description="id of the business")]
) -> SiteList:
    """List the sites of a business; a customer gets 404 for another business's."""
    rows = await list_sites(services_of(request).pool, person.tenant, business_id)
    return SiteList(locations=[Site(**row) for row in rows])
