"""Software inventory: agents send lists; people read the software of a device, its history, and search the fleet."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import APIRouter, Query, Request

from api.auth import CurrentAgent, CurrentPerson, calling_person
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.times import Time, in_utc
from api.schemas.agents import AgentId, Business
from api.schemas.inventory import (
    ChangePage,
    EntryNote,
    FoundPage,
    FoundSoftware,
    InstalledSoftware,
    Inventory,
    Kind,
    MergedInventory,
    NameStart,
    RejectedEntry,
    Search,
    SoftwareChange,
    SoftwarePage,
    VersionPrefix,
)
from api.services import body_size, get_services
from core.errors import RtsError
from inventory.software import (
    InstallationSpan,
    Removal,
    Software,
    SoftwareFilter,
    SoftwareList,
    find_software,
    read_changes,
    read_device,
    read_software,
    take_list,
)

router = APIRouter(prefix="/api/agents", tags=["inventory"])

CLOCK_AHEAD = timedelta(minutes=10)


class InventoryFromFutureError(RtsError):
    """`collected_at` is more than 10 minutes ahead of the server: set the device's clock."""

    code: ClassVar[str] = "collected_in_future"
    status: ClassVar[int] = 422


@router.get("/inventory/software")
async def find_in_fleet(
    request: Request,
    person: CurrentPerson,
    search: Annotated[NameStart, Query(description="the name's beginning, in any case")],
    version: Annotated[
        VersionPrefix, Query(description="a version or its beginning: 3.7 finds 3.7 and 3.7.9, not 3.70")
    ] = "",
    limit: Limit = 200,
    cursor: Cursor = None,
) -> FoundPage:
    """Find the devices that have a software now, among those that the caller may see."""
    services = get_services(request)
    after = read_cursor(cursor, str, UUID)
    rows = await find_software(services.pool, person.tenant, search, version, after, limit + 1, services.clock())
    page, more = make_page(rows, limit, "sort_key", "id")
    return FoundPage(software=[to_found_software(dict(row)) for row in page], next_cursor=more)


@router.post("/{agent_id}/inventory/software")
async def take_inventory(request: Request, agent: CurrentAgent, body: Inventory) -> MergedInventory:
    """Store a list of software. A repeated list, or one older than the newest, changes nothing.

    A malformed part of an entry costs only that part. If an entry is rejected for lack of a name, nothing counts as
    removed.
    """
    services = get_services(request)
    services.quotas.check(agent.agent_id, "software", "bytes")
    now = services.clock()
    collected_at = body.collected_at or now
    if collected_at > now + CLOCK_AHEAD:
        raise InventoryFromFutureError
    listed = SoftwareList(
        collected_at,
        body.mode == "full" and not body.tidied.rejected,
        [Software(**entry.model_dump()) for entry in body.software],
        [Removal(**entry.model_dump()) for entry in body.removed],
    )
    merged = await take_list(services.pool, agent.agent_id, listed, now)
    services.quotas.spend(agent.agent_id, software=merged.added, bytes=body_size(request))
    answer = MergedInventory.model_validate(merged, from_attributes=True)
    answer.received += len(body.tidied.rejected)
    answer.rejected = [RejectedEntry(**one) for one in body.tidied.rejected]
    answer.notes = [EntryNote(**one) for one in body.tidied.notes]
    return answer


@router.get("/{agent_id}/inventory/software")
async def list_software(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    search: Annotated[Search | None, Query(description="text within the name or vendor, in any case")] = None,
    software_type: Annotated[Kind | None, Query(description="only this type")] = None,
    eol: Annotated[bool | None, Query(description="only software past its end of life (true), or not (false)")] = None,
    security: Annotated[bool | None, Query(description="only security software (true), or none (false)")] = None,
    at: Annotated[Time | None, Query(description="as of this time; default: now")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> SoftwarePage:
    """List the software of a device, now or as of a time; a customer gets 404 for another business's device.

    To page through one state while new lists come in, pass the first page's `as_of` as `at`.
    """
    services = get_services(request)
    now = services.clock()
    device = await read_device(services.pool, person.tenant, agent_id)
    await services.reads.note(calling_person(request, person), "inventory_read", agent_id, business_id=person.tenant)
    filters = SoftwareFilter(at, search, software_type, eol, security, read_cursor(cursor, str, UUID))
    rows = await read_software(services.pool, person.tenant, agent_id, filters, limit + 1, now)
    page, more = make_page(rows, limit, "sort_key", "id")
    software = [InstalledSoftware(**row) for row in page]
    return SoftwarePage(software=software, next_cursor=more, as_of=at or now, inventory_at=device["inventory_at"])


@router.get("/{agent_id}/inventory/software/changes")
async def list_changes(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    since: Annotated[Time | None, Query(description="only from then on")] = None,
    until: Annotated[Time | None, Query(description="only before then")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> ChangePage:
    """List the installations, removals and upgrades on a device, newest first.

    Entries of the first list are no changes, because their time is unknown. `inventory_since` is when that list was
    taken.
    """
    services = get_services(request)
    device = await read_device(services.pool, person.tenant, agent_id)
    span = InstallationSpan(since, until, read_cursor(cursor, parse_time, str, UUID))
    rows = await read_changes(services.pool, person.tenant, agent_id, span, limit + 1)
    page, more = make_page(rows, limit, "at", "sort_key", "id")
    changes = [SoftwareChange(**row) for row in page]
    return ChangePage(changes=changes, next_cursor=more, inventory_since=device["inventory_since"])


def to_found_software(row: dict[str, Any]) -> FoundSoftware:
    """Return a row of the fleet's software with its business as its own object."""
    business = Business(id=row.pop("business_id"), business_name=row.pop("business_name"))
    return FoundSoftware(agent_id=row.pop("agent_device_id"), business=business, **row)


def parse_time(text: str) -> datetime:
    """Return the time that a cursor holds; raises ValueError."""
    return in_utc(datetime.fromisoformat(text))
